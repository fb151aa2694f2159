//! A client of a Kafka cluster, with the topic's partition found.

use super::super::TOPIC;
use crate::config::KafkaConfig;
use crate::time::{duration_ms, wall_ms};
use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::error::{Error, ProtocolError, RequestError};
use rskafka::client::partition::{OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::RecordAndOffset;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const PARTITION: i32 = 0;
const PARTITIONS: i32 = 1;
/// The brokers' own choice; those before 2.4 have none, so then one replica.
const REPLICAS: [i16; 2] = [-1, 1];
/// Of one answer; a broker sends at least one batch, however large.
const MAX_FETCH_BYTES: i32 = 4 << 20;

/// Where a client starts from.
pub(super) struct Brokers {
    bootstrap: Vec<String>,
    client_id: String,
    /// Longest time without an answer.
    session: Duration,
}

/// A connected client.
pub(super) struct Session {
    pub(super) producer: Arc<PartitionClient>,
    consumer: PartitionClient,
    /// Where the log ended when this session began.
    pub(super) latest: i64,
    session: Duration,
}

/// Why nothing was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No answer, or none of use: the client is at its end.
    Lost(String),
    /// The log does not hold, or the client does not understand, what is at this position.
    Unreadable(String),
}

impl Brokers {
    pub(super) fn new(config: &KafkaConfig) -> Self {
        Self {
            bootstrap: config.brokers.clone(),
            client_id: format!("squall-{}", config.group_id),
            session: config.session_timeout,
        }
    }

    /// Connects, creates the topic if there is none, finds the partition's leader and the log's end.
    pub(super) async fn open(&self) -> Result<Session, String> {
        let builder = ClientBuilder::new(self.bootstrap.clone())
            .client_id(self.client_id.as_str())
            .backoff_config(self.retries());
        let client = limited(self.session, builder.build()).await?;
        let topics = limited(self.session, client.list_topics()).await?;
        let creation =
            if topics.iter().any(|topic| topic.name == TOPIC) { None } else { self.create_topic(&client).await.err() };
        let partition =
            || limited(self.session, client.partition_client(TOPIC, PARTITION, UnknownTopicHandling::Retry));
        let consumer = partition().await.map_err(|reason| match creation {
            Some(creation) => format!("{reason}; topic {TOPIC:?} could not be created, create it by hand: {creation}"),
            None => reason,
        })?;
        let latest = limited(self.session, consumer.get_offset(OffsetAt::Latest)).await?;
        let producer = Arc::new(partition().await?);
        Ok(Session { producer, consumer, latest, session: self.session })
    }

    async fn create_topic(&self, client: &Client) -> Result<(), String> {
        let mut reason = String::new();
        for replicas in REPLICAS {
            let controller = client.controller_client().map_err(|error| error.to_string())?;
            let created = controller.create_topic(TOPIC, PARTITIONS, replicas, milliseconds(self.session));
            match timeout(self.session, created).await {
                Ok(Ok(())) => return Ok(()),
                // Another node was faster.
                Ok(Err(error)) if protocol_error(&error) == Some(ProtocolError::TopicAlreadyExists) => return Ok(()),
                Ok(Err(error)) => reason = error.to_string(),
                Err(_) => reason = unanswered(self.session),
            }
        }
        Err(reason)
    }

    /// The client's own, for leaders that move; a session that needs more is over.
    fn retries(&self) -> BackoffConfig {
        BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_millis(500),
            base: 2.0,
            deadline: Some(self.session),
        }
    }
}

impl Session {
    /// What the log holds from `position` on; waits for it, but less than the session's time limit.
    pub(super) async fn fetch(&self, position: i64) -> Result<Vec<RecordAndOffset>, Failure> {
        let wait = milliseconds(self.session / 2);
        match timeout(self.session, self.consumer.fetch_records(position, 1..MAX_FETCH_BYTES, wait)).await {
            Ok(Ok((records, _high_watermark))) => Ok(records),
            Ok(Err(error)) => Err(why_not_read(&error)),
            Err(_) => Err(Failure::Lost(unanswered(self.session))),
        }
    }

    /// Where the log ends.
    pub(super) async fn latest(&self) -> Result<i64, String> {
        limited(self.session, self.consumer.get_offset(OffsetAt::Latest)).await
    }
}

fn why_not_read(error: &Error) -> Failure {
    let reason = error.to_string();
    match error {
        Error::ServerError {
            protocol_error: ProtocolError::OffsetOutOfRange | ProtocolError::CorruptMessage, ..
        }
        | Error::InvalidResponse(_) => Failure::Unreadable(reason),
        Error::Request(RequestError::ReadError(_) | RequestError::ReadVersionedError(_)) => Failure::Unreadable(reason),
        _ => Failure::Lost(reason),
    }
}

async fn limited<T>(limit: Duration, answer: impl Future<Output = Result<T, Error>>) -> Result<T, String> {
    match timeout(limit, answer).await {
        Ok(answer) => answer.map_err(|error| error.to_string()),
        Err(_) => Err(unanswered(limit)),
    }
}

fn unanswered(limit: Duration) -> String {
    format!("no answer of a broker within {limit:?}")
}

fn protocol_error(error: &Error) -> Option<ProtocolError> {
    match error {
        Error::ServerError { protocol_error, .. } => Some(*protocol_error),
        _ => None,
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration_ms(duration)).unwrap_or(i32::MAX)
}

/// The time in a record, which brokers drop old records by.
pub(super) fn wall_clock() -> DateTime<Utc> {
    i64::try_from(wall_ms()).ok().and_then(DateTime::from_timestamp_millis).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rskafka::client::error::RequestContext;

    #[test]
    fn a_position_outside_the_log_is_not_tried_again() {
        let error = |protocol_error| {
            let request = RequestContext::Partition(TOPIC.to_owned(), PARTITION);
            Error::ServerError { protocol_error, error_message: None, request, response: None, is_virtual: false }
        };
        for gone in [
            error(ProtocolError::OffsetOutOfRange),
            error(ProtocolError::CorruptMessage),
            Error::InvalidResponse("not a valid timestamp".into()),
        ] {
            assert!(matches!(why_not_read(&gone), Failure::Unreadable(_)), "{gone}");
        }
        for lost in [error(ProtocolError::TopicAuthorizationFailed), Error::Timeout] {
            assert!(matches!(why_not_read(&lost), Failure::Lost(_)), "{lost}");
        }
    }
}
