//! Metadata: who leads what, and where it is.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId as WireId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::Broker;
use crate::servers::kafka::config::{AutoCreate, BrokerId};
use crate::servers::kafka::quorum::{Change, Metadata, NewTopic, Partition, Quorum, Topic};

impl Broker {
    pub(super) fn metadata(
        &mut self,
        version: i16,
        request: &MetadataRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> MetadataResponse {
        let Some(image) = self.image.clone() else { return MetadataResponse::default() };
        // The oldest version has no null for "all".
        let asked = request.topics.as_ref().filter(|topics| version > 0 || !topics.is_empty());
        let topics = match asked {
            None => image.topics.iter().map(|(name, topic)| describe(&image, name, topic)).collect(),
            Some(topics) => {
                let names = topics.iter().filter_map(|topic| topic.name.as_ref());
                names.map(|name| self.find_or_create(&image, name, request, quorum, now)).collect()
            }
        };
        let active = image.active();
        let brokers = self.config.brokers.iter().filter(|broker| active.contains(&broker.id)).map(|broker| {
            MetadataResponseBroker::default()
                .with_node_id(WireId(broker.id.0))
                .with_host(StrBytes::from_string(broker.host.clone()))
                .with_port(i32::from(broker.port))
        });
        MetadataResponse::default()
            .with_brokers(brokers.collect())
            .with_cluster_id(Some(StrBytes::from_string(quorum.cluster_id().to_owned())))
            .with_controller_id(WireId(active.first().map_or(-1, |id| id.0)))
            .with_topics(topics)
    }

    fn find_or_create(
        &mut self,
        image: &Metadata,
        name: &TopicName,
        request: &MetadataRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> MetadataResponseTopic {
        if let Some(topic) = image.topics.get(name.as_str()) {
            return describe(image, name, topic);
        }
        let error = if !is_valid_name(name) {
            ResponseError::InvalidTopicException
        } else {
            if request.allow_auto_topic_creation && self.config.auto_create == AutoCreate::Enabled {
                let config = self.config.topics.clone();
                let topic = NewTopic { name: name.to_string(), config, assignment: None };
                self.propose(quorum, None, vec![Change::CreateTopic(topic)], now);
            }
            ResponseError::UnknownTopicOrPartition
        };
        MetadataResponseTopic::default().with_name(Some(name.clone())).with_error_code(error.code())
    }
}

fn describe(image: &Metadata, name: &str, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic.partitions.iter().enumerate();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_partitions(partitions.map(|(index, partition)| describe_partition(image, index, partition)).collect())
}

fn describe_partition(image: &Metadata, index: usize, partition: &Partition) -> MetadataResponsePartition {
    let error = partition.leader.map_or_else(|| ResponseError::LeaderNotAvailable.code(), |_| 0);
    let offline = partition.replicas.iter().filter(|id| !image.is_active(**id));
    MetadataResponsePartition::default()
        .with_error_code(error)
        .with_partition_index(index as i32)
        .with_leader_id(WireId(partition.leader.map_or(-1, |id| id.0)))
        .with_leader_epoch(partition.epoch)
        .with_replica_nodes(wire_ids(&partition.replicas))
        .with_isr_nodes(wire_ids(&partition.isr))
        .with_offline_replicas(offline.map(|id| WireId(id.0)).collect())
}

fn wire_ids(ids: &[BrokerId]) -> Vec<WireId> {
    ids.iter().map(|id| WireId(id.0)).collect()
}

/// Kafka's rule for names of topics.
pub(super) fn is_valid_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=249).contains(&name.len()) && name.bytes().all(legal) && name != "." && name != ".."
}
