//! CreateTopics and DeleteTopics: changes that a majority must hear of.

use std::time::Duration;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::metadata::is_valid_name;
use super::request::{Delayed, Origin, Step, Waiting, reply};
use super::watchers::Watch;
use super::{Broker, ConnectionId, code};
use crate::servers::kafka::config::{BrokerId, TimestampType, TopicConfig};
use crate::servers::kafka::quorum::{Change, NewTopic, Quorum};
use crate::servers::kafka::wire::{Envelope, WireError};

/// One topic of the request.
#[derive(Debug)]
struct Wish {
    name: TopicName,
    /// Partitions and replication factor of what shall be created.
    shape: Option<(i32, i16)>,
    /// The answer, where none of a majority is needed.
    refused: Option<ResponseError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Create,
    Delete,
}

/// Topics that wait to be created or deleted.
#[derive(Debug)]
pub(super) struct PendingChanges {
    kind: Kind,
    wishes: Vec<Wish>,
}

/// An answer to either request.
#[derive(Debug)]
pub(super) enum Answer {
    Created(CreateTopicsResponse),
    Deleted(DeleteTopicsResponse),
}

impl Answer {
    pub(super) fn reply(&self, envelope: Envelope) -> Result<Step, WireError> {
        match self {
            Self::Created(response) => reply(envelope, response),
            Self::Deleted(response) => reply(envelope, response),
        }
    }
}

impl Broker {
    pub(super) fn create_topics(
        &mut self,
        origin: Origin,
        request: &CreateTopicsRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        let (mut changes, mut wishes) = (Vec::new(), Vec::new());
        for topic in &request.topics {
            let twice = request.topics.iter().filter(|other| other.name == topic.name).count() > 1;
            let new = if twice { Err(ResponseError::InvalidRequest) } else { self.new_topic(topic) };
            let name = topic.name.clone();
            match new {
                Ok(new) => {
                    let shape = Some((new.config.partitions, new.config.replication_factor));
                    wishes.push(Wish { name, shape, refused: None });
                    let validate = request.validate_only;
                    changes.push(if validate { Change::ValidateTopic(new) } else { Change::CreateTopic(new) });
                }
                Err(error) => wishes.push(Wish { name, shape: None, refused: Some(error) }),
            }
        }
        let pending = PendingChanges { kind: Kind::Create, wishes };
        self.agree(origin, pending, changes, request.timeout_ms, quorum, now)
    }

    pub(super) fn delete_topics(
        &mut self,
        origin: Origin,
        request: &DeleteTopicsRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        let wish = |name: &TopicName| Wish { name: name.clone(), shape: None, refused: None };
        let wishes = request.topic_names.iter().map(wish).collect();
        let changes = request.topic_names.iter().map(|name| Change::DeleteTopic(name.to_string())).collect();
        let pending = PendingChanges { kind: Kind::Delete, wishes };
        self.agree(origin, pending, changes, request.timeout_ms, quorum, now)
    }

    fn agree(
        &mut self,
        origin: Origin,
        pending: PendingChanges,
        changes: Vec<Change>,
        timeout_ms: i32,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        self.propose(quorum, Some(origin.connection), changes, now);
        let deadline = now + Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
        let waiting = Waiting::Agreement(pending);
        self.resume(Delayed { origin, deadline: Some(deadline), waiting }, quorum, now)
    }

    /// The answer, once a majority agreed or time is up.
    pub(super) fn try_changes(
        &mut self,
        connection: ConnectionId,
        pending: &PendingChanges,
        expired: bool,
    ) -> Option<Answer> {
        let results = self.membership.take_results(connection);
        if results.is_none() && !expired {
            self.watchers.watch(Watch::Own(connection), connection);
            return None;
        }
        if results.is_none() {
            // It may still happen, and is nobody's any more.
            self.membership.forget(connection);
        }
        let mut results = results.into_iter().flatten();
        let mut outcome = |wish: &Wish| match wish.refused {
            Some(error) => Err(error),
            None => results.next().unwrap_or(Err(ResponseError::RequestTimedOut)),
        };
        Some(match pending.kind {
            Kind::Create => {
                let topics = pending.wishes.iter().map(|wish| created(wish, outcome(wish))).collect();
                Answer::Created(CreateTopicsResponse::default().with_topics(topics))
            }
            Kind::Delete => {
                let responses = pending.wishes.iter().map(|wish| deleted(wish, outcome(wish))).collect();
                Answer::Deleted(DeleteTopicsResponse::default().with_responses(responses))
            }
        })
    }

    fn new_topic(&self, topic: &CreatableTopic) -> Result<NewTopic, ResponseError> {
        if !is_valid_name(&topic.name) {
            return Err(ResponseError::InvalidTopicException);
        }
        let mut config = self.config.topics.clone();
        for entry in &topic.configs {
            let value = entry.value.as_ref().ok_or(ResponseError::InvalidConfig)?;
            set(&mut config, &entry.name, value)?;
        }
        let assignment = (!topic.assignments.is_empty()).then(|| {
            let mut chosen = topic.assignments.clone();
            chosen.sort_by_key(|partition| partition.partition_index);
            chosen.iter().map(|partition| partition.broker_ids.iter().map(|id| BrokerId(id.0)).collect()).collect()
        });
        if topic.num_partitions != -1 {
            config.partitions = topic.num_partitions;
        }
        if topic.replication_factor != -1 {
            config.replication_factor = topic.replication_factor;
        }
        if config.partitions < 1 && assignment.is_none() {
            return Err(ResponseError::InvalidPartitions);
        }
        Ok(NewTopic { name: topic.name.to_string(), config, assignment })
    }
}

/// Sets one of the topic's settings that this broker has.
fn set(config: &mut TopicConfig, name: &str, value: &str) -> Result<(), ResponseError> {
    let number = || value.parse::<i64>().map_err(|_| ResponseError::InvalidConfig);
    match name {
        "retention.ms" => config.retention = u64::try_from(number()?).ok().map(Duration::from_millis),
        "retention.bytes" => config.retention_bytes = u64::try_from(number()?).ok(),
        "max.message.bytes" => {
            config.max_message_bytes = usize::try_from(number()?).map_err(|_| ResponseError::InvalidConfig)?;
        }
        "min.insync.replicas" => {
            let least = usize::try_from(number()?).ok().filter(|least| *least > 0);
            config.min_insync_replicas = least.ok_or(ResponseError::InvalidConfig)?;
        }
        "message.timestamp.type" => {
            config.timestamps = match value {
                "CreateTime" => TimestampType::CreateTime,
                "LogAppendTime" => TimestampType::LogAppendTime,
                _ => return Err(ResponseError::InvalidConfig),
            };
        }
        "cleanup.policy" if value == "delete" => {}
        _ => return Err(ResponseError::InvalidConfig),
    }
    Ok(())
}

fn message(outcome: Result<(), ResponseError>) -> Option<StrBytes> {
    outcome.err().map(|error| StrBytes::from_string(error.to_string()))
}

fn created(wish: &Wish, outcome: Result<(), ResponseError>) -> CreatableTopicResult {
    let (partitions, factor) = wish.shape.filter(|_| outcome.is_ok()).unwrap_or((-1, -1));
    CreatableTopicResult::default()
        .with_name(wish.name.clone())
        .with_error_code(code(outcome))
        .with_error_message(message(outcome))
        .with_num_partitions(partitions)
        .with_replication_factor(factor)
        .with_configs(Some(Vec::new()))
}

fn deleted(wish: &Wish, outcome: Result<(), ResponseError>) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(Some(wish.name.clone()))
        .with_error_code(code(outcome))
        .with_error_message(message(outcome))
}
