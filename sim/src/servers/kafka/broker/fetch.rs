//! Fetch: reading logs, for consumers and for followers, and waiting for data.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{EpochEndOffset, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tokio::time::Instant;

use super::request::{Delayed, Origin, Step, Waiting};
use super::watchers::Watch;
use super::{Broker, ConnectionId};
use crate::servers::kafka::config::BrokerId;
use crate::servers::kafka::log::{EpochEnd, Oversized, PartitionLog};
use crate::servers::kafka::quorum::{PartitionKey, Quorum};
use crate::servers::kafka::wire::WireError;

/// Who reads, which decides how far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    Consumer,
    Follower(BrokerId),
}

impl Reader {
    fn of(request: &FetchRequest) -> Self {
        if request.replica_id.0 < 0 { Self::Consumer } else { Self::Follower(BrokerId(request.replica_id.0)) }
    }
}

/// What may still go into one answer.
#[derive(Clone, Copy, Debug)]
struct Budget {
    bytes: usize,
    oversized: Oversized,
}

/// What one partition has for a reader.
#[derive(Debug)]
struct Found {
    records: Bytes,
    diverging: Option<EpochEnd>,
}

impl Broker {
    pub(super) fn fetch(
        &mut self,
        origin: Origin,
        request: FetchRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        if let Reader::Follower(follower) = Reader::of(&request) {
            for topic in &request.topics {
                for partition in &topic.partitions {
                    let led = self.led(&topic.topic, partition.partition, partition.current_leader_epoch);
                    let Ok((led, _)) = led else { continue };
                    if self.find(led.key, Reader::Follower(follower), partition).is_ok_and(|end| end.is_none()) {
                        self.note_progress(led.key, follower, partition.fetch_offset, quorum, now);
                    }
                }
            }
        }
        let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
        let deadline = if wait.is_zero() { now } else { now + wait };
        let waiting = Waiting::Data(request);
        self.resume(Delayed { origin, deadline: Some(deadline), waiting }, quorum, now)
    }

    /// The answer, once there is enough to say.
    pub(super) fn try_fetch(
        &mut self,
        connection: ConnectionId,
        request: &FetchRequest,
        expired: bool,
    ) -> Option<FetchResponse> {
        let reader = Reader::of(request);
        let wanted = usize::try_from(request.max_bytes).unwrap_or(0);
        let mut budget = Budget { bytes: wanted.min(self.config.limits.max_fetch_bytes), oversized: Oversized::First };
        let (mut size, mut urgent) = (0, request.topics.is_empty());
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let data = self.read(&topic.topic, partition, reader, request.isolation_level, budget);
                let bytes = data.records.as_ref().map_or(0, Bytes::len);
                size += bytes;
                budget.bytes = budget.bytes.saturating_sub(bytes);
                if bytes > 0 {
                    budget.oversized = Oversized::Never;
                }
                urgent |= data.error_code != 0 || data.diverging_epoch.end_offset >= 0;
                partitions.push(data);
            }
            topics.push(FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(partitions));
        }
        if !expired && !urgent && size < usize::try_from(request.min_bytes).unwrap_or(0) {
            self.watch_partitions(connection, request);
            return None;
        }
        if reader == Reader::Consumer && size > 0 {
            self.stats.deliveries += 1;
            self.stats.delivered_bytes += size as u64;
        }
        Some(FetchResponse::default().with_responses(topics))
    }

    fn watch_partitions(&mut self, connection: ConnectionId, request: &FetchRequest) {
        for topic in &request.topics {
            for partition in &topic.partitions {
                if let Ok((led, _)) = self.led(&topic.topic, partition.partition, -1) {
                    self.watchers.watch(Watch::Partition(led.key), connection);
                }
            }
        }
    }

    fn read(
        &self,
        topic: &str,
        partition: &FetchPartition,
        reader: Reader,
        isolation: i8,
        budget: Budget,
    ) -> PartitionData {
        let data = PartitionData::default().with_partition_index(partition.partition);
        let found = self.led(topic, partition.partition, partition.current_leader_epoch).and_then(|(led, _)| {
            let log = self.disk.get(&led.key).ok_or(ResponseError::KafkaStorageError)?;
            let diverging = self.find(led.key, reader, partition)?;
            let until = match reader {
                Reader::Consumer => log.high_watermark(),
                Reader::Follower(_) => log.end(),
            };
            let most = usize::try_from(partition.partition_max_bytes).unwrap_or(0).min(budget.bytes);
            let records = match diverging {
                Some(_) => Bytes::new(),
                None => log.read(partition.fetch_offset, until, most, budget.oversized),
            };
            Ok((log, Found { records, diverging }))
        });
        match found {
            Ok((log, found)) => {
                let aborted = if isolation == 0 { None } else { Some(Vec::new()) };
                let end = found.diverging.map_or_else(EpochEndOffset::default, |end| {
                    EpochEndOffset::default().with_epoch(end.epoch).with_end_offset(end.end)
                });
                data.with_high_watermark(log.high_watermark())
                    .with_last_stable_offset(log.high_watermark())
                    .with_log_start_offset(log.start())
                    .with_aborted_transactions(aborted)
                    .with_diverging_epoch(end)
                    .with_records(Some(found.records))
            }
            Err(error) => {
                // A follower that is out of range starts anew where the leader's log starts.
                let start = self.led(topic, partition.partition, -1).ok().and_then(|(led, _)| self.disk.get(&led.key));
                data.with_error_code(error.code())
                    .with_high_watermark(-1)
                    .with_last_stable_offset(-1)
                    .with_log_start_offset(start.map_or(-1, PartitionLog::start))
                    .with_records(Some(Bytes::new()))
            }
        }
    }

    /// Whether the log has the offset; `Some` says where the reader's own log parted from it.
    fn find(
        &self,
        key: PartitionKey,
        reader: Reader,
        partition: &FetchPartition,
    ) -> Result<Option<EpochEnd>, ResponseError> {
        let log = self.disk.get(&key).ok_or(ResponseError::KafkaStorageError)?;
        let offset = partition.fetch_offset;
        if partition.last_fetched_epoch >= 0 && reader != Reader::Consumer {
            let end = log.epoch_end(partition.last_fetched_epoch);
            if end.epoch < 0 && offset > end.end {
                return Err(ResponseError::OffsetOutOfRange);
            }
            let same = end.epoch == partition.last_fetched_epoch;
            if end.epoch >= 0 && (!same || end.end < offset) {
                return Ok(Some(end));
            }
        }
        if (log.start()..=log.end()).contains(&offset) { Ok(None) } else { Err(ResponseError::OffsetOutOfRange) }
    }
}
