//! Produce: appending batches, and waiting for the replicas in sync.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse, TopicName};
use tokio::time::Instant;

use super::replicas::Led;
use super::request::{Delayed, Origin, Step, Waiting, reply};
use super::watchers::Watch;
use super::{Broker, ConnectionId};
use crate::servers::kafka::batch::{self, BatchError};
use crate::servers::kafka::config::TimestampType;
use crate::servers::kafka::quorum::Quorum;
use crate::servers::kafka::wire::WireError;

/// What must have happened before a producer is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acks {
    None,
    Leader,
    All,
}

/// A batch in the leader's log.
#[derive(Clone, Copy, Debug)]
struct Appended {
    led: Led,
    base_offset: i64,
    end: i64,
    append_time_ms: i64,
    log_start: i64,
}

#[derive(Debug)]
struct Outcome {
    index: i32,
    /// `None` while it waits for the replicas in sync.
    answer: Option<Result<(), ResponseError>>,
    appended: Option<Appended>,
}

/// What a produce request has led to so far.
#[derive(Debug)]
pub(super) struct PendingProduce {
    topics: Vec<(TopicName, Vec<Outcome>)>,
}

impl Broker {
    pub(super) fn produce(
        &mut self,
        origin: Origin,
        request: ProduceRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        let acks = match (request.acks, &request.transactional_id) {
            (_, Some(_)) => Err(ResponseError::InvalidRequest),
            (0, None) => Ok(Acks::None),
            (1, None) => Ok(Acks::Leader),
            (-1, None) => Ok(Acks::All),
            _ => Err(ResponseError::InvalidRequiredAcks),
        };
        let mut topics = Vec::new();
        for topic in request.topic_data {
            let partitions = topic.partition_data.into_iter().map(|data| {
                let records = data.records.unwrap_or_default();
                let appended = acks.and_then(|acks| self.append(&topic.name, data.index, records, acks, now));
                let answer = match appended {
                    Err(error) => Some(Err(error)),
                    Ok(_) if acks == Ok(Acks::All) => None,
                    Ok(_) => Some(Ok(())),
                };
                Outcome { index: data.index, answer, appended: appended.ok() }
            });
            let partitions = partitions.collect();
            topics.push((topic.name, partitions));
        }
        let pending = PendingProduce { topics };
        if acks == Ok(Acks::None) {
            return Ok(if pending.failed() { Step::Hangup } else { Step::Silent });
        }
        if pending.topics.is_empty() {
            return reply(origin.envelope, &ProduceResponse::default());
        }
        let deadline = now + Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
        let waiting = Waiting::Replication(pending);
        self.resume(Delayed { origin, deadline: Some(deadline), waiting }, quorum, now)
    }

    fn append(
        &mut self,
        topic: &str,
        index: i32,
        records: Bytes,
        acks: Acks,
        now: Instant,
    ) -> Result<Appended, ResponseError> {
        let (led, topic) = self.led(topic, index, -1)?;
        let replica = &self.replicas[&led.key];
        if acks == Acks::All && replica.insync() < topic.config.min_insync_replicas {
            return Err(ResponseError::NotEnoughReplicas);
        }
        let checked = batch::check_produced(records).map_err(|error| match error {
            BatchError::Corrupt => ResponseError::CorruptMessage,
            BatchError::Invalid => ResponseError::InvalidRecord,
            BatchError::OldFormat => ResponseError::UnsupportedForMessageFormat,
        })?;
        if checked.len() > topic.config.max_message_bytes {
            return Err(ResponseError::MessageTooLarge);
        }
        let append_time = match topic.config.timestamps {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some((self.config.wall_clock)()),
        };
        let log = self.disk.entry(led.key).or_default();
        let base_offset = log.append(&checked, led.epoch, append_time, now);
        let (end, log_start) = (log.end(), log.start());
        self.stats.appended_batches += 1;
        self.stats.appended_bytes += checked.len() as u64;
        self.watchers.fire(Watch::Partition(led.key));
        self.advance(led.key);
        Ok(Appended { led, base_offset, end, append_time_ms: append_time.unwrap_or(-1), log_start })
    }

    /// The answer, once every partition has one.
    pub(super) fn try_produce(
        &mut self,
        connection: ConnectionId,
        pending: &mut PendingProduce,
        expired: bool,
    ) -> Option<ProduceResponse> {
        for outcome in pending.topics.iter_mut().flat_map(|(_, outcomes)| outcomes) {
            if let (None, Some(appended)) = (&outcome.answer, &outcome.appended) {
                outcome.answer = self.replicated(appended);
                if outcome.answer.is_none() && expired {
                    outcome.answer = Some(Err(ResponseError::RequestTimedOut));
                }
                if outcome.answer.is_none() {
                    self.watchers.watch(Watch::Partition(appended.led.key), connection);
                }
            }
        }
        pending.response()
    }

    fn replicated(&self, appended: &Appended) -> Option<Result<(), ResponseError>> {
        let Led { key, epoch } = appended.led;
        let (Some(replica), Some(log)) = (self.replicas.get(&key), self.disk.get(&key)) else {
            return Some(Err(ResponseError::UnknownTopicOrPartition));
        };
        if !replica.is_leader() || replica.epoch != epoch {
            return Some(Err(ResponseError::NotLeaderOrFollower));
        }
        if log.high_watermark() < appended.end {
            return None;
        }
        let topics = self.image.as_ref().map(|image| &image.topics)?;
        let needed = topics.values().find(|topic| topic.id == key.topic)?.config.min_insync_replicas;
        Some(if replica.insync() < needed { Err(ResponseError::NotEnoughReplicasAfterAppend) } else { Ok(()) })
    }
}

impl PendingProduce {
    fn failed(&self) -> bool {
        self.topics.iter().flat_map(|(_, outcomes)| outcomes).any(|outcome| matches!(outcome.answer, Some(Err(_))))
    }

    fn response(&self) -> Option<ProduceResponse> {
        let topics = self.topics.iter().map(|(name, outcomes)| {
            let partitions = outcomes.iter().map(Outcome::response).collect::<Option<Vec<_>>>()?;
            Some(TopicProduceResponse::default().with_name(name.clone()).with_partition_responses(partitions))
        });
        Some(ProduceResponse::default().with_responses(topics.collect::<Option<Vec<_>>>()?))
    }
}

impl Outcome {
    fn response(&self) -> Option<PartitionProduceResponse> {
        let answer = self.answer?;
        let response = PartitionProduceResponse::default().with_index(self.index).with_error_code(super::code(answer));
        Some(match (answer, self.appended) {
            (Ok(()), Some(appended)) => response
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.append_time_ms)
                .with_log_start_offset(appended.log_start),
            _ => response.with_base_offset(-1).with_log_append_time_ms(-1).with_log_start_offset(-1),
        })
    }
}
