//! `type = "kafka"`.

use super::super::reader::Table;
use std::time::Duration;

/// A Kafka cluster, `type = "kafka"`.
///
/// | key | default |
/// |---|---|
/// | `brokers` | required: a list of `host:port` |
/// | `group-id` | required |
/// | `timeout.session` | `5s` |
/// | `timeout.message` | `5s` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KafkaConfig {
    /// Brokers to start from, `host:port` each.
    pub brokers: Vec<String>,
    /// The consumer group.
    pub group_id: String,
    /// Longest time without an answer of a broker.
    pub session_timeout: Duration,
    /// Longest time to hand over a message.
    pub message_timeout: Duration,
}

impl KafkaConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        table.missing("brokers");
        let timeout = table.table("timeout");
        let config = Self {
            brokers: table.strings("brokers"),
            group_id: table.required("group-id"),
            session_timeout: timeout.positive("session", Duration::from_secs(5)),
            message_timeout: timeout.positive("message", Duration::from_secs(5)),
        };
        timeout.finish();
        config
    }
}
