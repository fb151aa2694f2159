//! Following: fetching from leaders, and cutting off what a leader does not have.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::{FetchRequest, FetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::Broker;
use super::watchers::Watch;
use crate::servers::kafka::batch::Batch;
use crate::servers::kafka::config::BrokerId;
use crate::servers::kafka::quorum::PartitionKey;

/// Bytes of one partition in one fetch (`replica.fetch.max.bytes`), and of all together.
const PARTITION_BYTES: i32 = 1024 * 1024;
const RESPONSE_BYTES: i32 = 10 * 1024 * 1024;

/// How a follower's fetch went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Absorbed {
    /// Fetch again at once.
    Smoothly,
    /// The leader did not agree about its part; fetch again after a pause.
    WithErrors,
}

impl Broker {
    /// What to ask that leader for; `None` if it leads nothing that this broker follows.
    pub(in super::super) fn plan_fetch(&self, leader: BrokerId) -> Option<FetchRequest> {
        let image = self.image.as_ref()?;
        let mut topics = Vec::new();
        for (name, topic) in &image.topics {
            let indexes = 0..topic.partitions.len() as i32;
            let partitions: Vec<FetchPartition> =
                indexes.filter_map(|index| self.plan_partition(topic.key(index), leader)).collect();
            if !partitions.is_empty() {
                let name = TopicName(StrBytes::from_string(name.clone()));
                topics.push(FetchTopic::default().with_topic(name).with_partitions(partitions));
            }
        }
        let wait = i32::try_from(self.config.timing.replica_fetch_wait.as_millis()).unwrap_or(i32::MAX);
        let request = FetchRequest::default()
            .with_replica_id(self.id.0.into())
            .with_max_wait_ms(wait)
            .with_min_bytes(1)
            .with_max_bytes(RESPONSE_BYTES)
            .with_session_epoch(-1);
        (!topics.is_empty()).then(|| request.with_topics(topics))
    }

    fn plan_partition(&self, key: PartitionKey, leader: BrokerId) -> Option<FetchPartition> {
        let replica = self.replicas.get(&key)?;
        let log = self.disk.get(&key)?;
        (replica.followed() == Some(leader)).then(|| {
            FetchPartition::default()
                .with_partition(key.index)
                .with_current_leader_epoch(replica.epoch)
                .with_fetch_offset(log.end())
                .with_last_fetched_epoch(log.last_epoch())
                .with_log_start_offset(log.start())
                .with_partition_max_bytes(PARTITION_BYTES)
        })
    }

    /// Takes in what a leader answered to `asked`.
    pub(in super::super) fn absorb(&mut self, asked: &FetchRequest, answer: FetchResponse, now: Instant) -> Absorbed {
        let mut absorbed = Absorbed::Smoothly;
        for topic in answer.responses {
            let Some(key) = self.image.as_ref().and_then(|image| image.topics.get(topic.topic.as_str())) else {
                continue;
            };
            let id = key.key(0).topic;
            let sent = asked.topics.iter().find(|sent| sent.topic == topic.topic);
            for data in topic.partitions {
                let key = PartitionKey { topic: id, index: data.partition_index };
                let sent = sent.and_then(|sent| sent.partitions.iter().find(|sent| sent.partition == key.index));
                if sent.is_some_and(|sent| self.absorb_partition(key, sent, data, now).is_err()) {
                    absorbed = Absorbed::WithErrors;
                }
            }
        }
        absorbed
    }

    fn absorb_partition(
        &mut self,
        key: PartitionKey,
        sent: &FetchPartition,
        data: PartitionData,
        now: Instant,
    ) -> Result<(), ResponseError> {
        let (Some(replica), Some(log)) = (self.replicas.get(&key), self.disk.get_mut(&key)) else { return Ok(()) };
        let outdated = replica.epoch != sent.current_leader_epoch || log.end() != sent.fetch_offset;
        if replica.followed().is_none() || outdated {
            return Ok(());
        }
        if let Some(error) = ResponseError::try_from_code(data.error_code) {
            if error == ResponseError::OffsetOutOfRange && data.log_start_offset >= 0 {
                log.restart_at(data.log_start_offset);
            }
            return Err(error);
        }
        if data.diverging_epoch.end_offset >= 0 {
            let own = log.epoch_end(data.diverging_epoch.epoch);
            log.truncate(own.end.min(data.diverging_epoch.end_offset));
            return Ok(());
        }
        let batches = Batch::replicated(data.records.unwrap_or_default(), now);
        log.replicate(batches.map_err(|_| ResponseError::CorruptMessage)?);
        log.raise_high_watermark(data.high_watermark);
        log.advance_start(data.log_start_offset);
        self.watchers.fire(Watch::Partition(key));
        Ok(())
    }
}
