//! `type = "kafka"`.

use super::super::reader::Table;
use super::is_empty_list;
use std::time::Duration;

/// A Kafka cluster, `type = "kafka"`.
///
/// Events travel in partition 0 of the topic `squall.cluster`. The topic is created when it is missing, with one partition and
/// the brokers' default replication factor; where the brokers forbid that, create it by hand.
///
/// | key | default | |
/// |---|---|---|
/// | `brokers` | required | a list of `host:port` to start from; the brokers' own list is used from then on |
/// | `group-id` | required | names the cluster of nodes, see below |
/// | `timeout.session` | `5s` | a connection without an answer for this long is replaced; reads are long polls of half of it |
/// | `timeout.message` | `5s` | a message that is not acknowledged in this time is sent again, on a new connection |
///
/// **`group-id`.** A Kafka consumer group shares a topic's messages out: of several nodes in one group, each event would
/// reach just one. That is the opposite of what coordination needs, so no consumer group is joined: each node reads the
/// partition by itself, from the latest message at its first connection, and from where it was at later ones. The
/// `group-id` says instead which nodes belong together: it is the key of each record that a node writes, records with
/// another key are skipped, and brokers see it in the client id `squall-GROUP`. So all nodes of a cluster need the same
/// `group-id`, and two clusters with different ones can share brokers without hearing each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Brokers to start from, `host:port` each.
    pub brokers: Vec<String>,
    /// Which nodes belong together: the key of their records.
    pub group_id: String,
    /// Longest time without an answer of a broker.
    pub session_timeout: Duration,
    /// Longest time until a message is acknowledged.
    pub message_timeout: Duration,
}

impl KafkaConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        table.missing("brokers");
        let brokers = table.items("brokers", "text such as \"kafka1:9092\"", |value| {
            value.as_str().filter(|text| is_broker(text)).map(str::to_owned)
        });
        if brokers.is_empty() && table.get("brokers").is_some_and(is_empty_list) {
            table.refuse("brokers", "is empty", "name at least one broker");
        }
        let group_id = table.required("group-id");
        if group_id.is_empty() && table.get("group-id").is_some() {
            table.refuse("group-id", "is empty", "give all nodes of this cluster the same name");
        }
        let timeout = table.table("timeout");
        let config = Self {
            brokers,
            group_id,
            session_timeout: timeout.positive("session", Duration::from_secs(5)),
            message_timeout: timeout.positive("message", Duration::from_secs(5)),
        };
        timeout.finish();
        config
    }
}

/// The client has no default port, and learns of a wrong address only when it connects.
fn is_broker(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}
