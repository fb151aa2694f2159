//! Kafka, through `rskafka`: one partition of one topic, which every node reads by itself.
//!
//! **What is promised.** At least once, to every node, for as long as the log keeps a message: a publication counts when all
//! in-sync replicas have it, and a node that was away goes on reading where it was. Messages come in one order, the log's,
//! to all nodes; for one publisher that is the order in which it sent them. A message may come twice, also later than its
//! successors: when an acknowledgement is lost, `rskafka` sends the message again, and so does the node when a whole
//! publication ends without one ([`PublishError::OutcomeUnknown`]). A node starts with what is written after its process first
//! connected; what it did not read before the log dropped it is lost to it, and reported as [`Event::Gap`]. A log that was lost
//! and has grown past the old position since then cannot be told from the old one: then the numbers of the publishers tell.
//!
//! `rskafka` finds the partition's leader, follows it when it moves, and connects again when a connection breaks. It waits for
//! ever for an answer, though, in a publication as in a read. Added here: time limits, a new client when one was exceeded, and
//! the position that outlives clients. Reads and publications use a connection each, because a broker answers the requests of
//! one connection in order, and a read waits for messages.

mod session;

use self::session::{Brokers, Failure, Session};
use super::{Coordinator, Event, Listener, PublishError};
use crate::config::KafkaConfig;
use crate::entropy::{Backoff, NodeRng};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient};
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(4);

/// The way to the partition's leader while there is one.
type SharedLink = Arc<Mutex<Option<Link>>>;

#[derive(Clone)]
struct Link {
    producer: Arc<PartitionClient>,
    /// Tells the supervisor that a message was not acknowledged.
    unacknowledged: Arc<Notify>,
}

/// The running backend.
pub(super) struct Kafka {
    link: SharedLink,
    group: Arc<[u8]>,
    acknowledgement: Duration,
    supervisor: JoinHandle<()>,
}

impl Kafka {
    pub(super) fn start(config: &KafkaConfig, listener: Arc<dyn Listener>, rng: NodeRng) -> Result<Self, String> {
        let link = SharedLink::default();
        let group: Arc<[u8]> = config.group_id.as_bytes().into();
        let supervisor = Supervisor {
            brokers: Brokers::new(config),
            group: group.clone(),
            position: None,
            listener,
            rng,
            link: link.clone(),
        };
        Ok(Self { link, group, acknowledgement: config.message_timeout, supervisor: tokio::spawn(supervisor.run()) })
    }

    async fn hand_over(&self, link: Link, message: Bytes) -> Result<(), PublishError> {
        let size = message.len();
        let record = Record {
            key: Some(self.group.to_vec()),
            value: Some(message.into()),
            headers: BTreeMap::new(),
            timestamp: session::wall_clock(),
        };
        let produced = link.producer.produce(vec![record], Compression::NoCompression);
        let outcome = match timeout(self.acknowledgement, produced).await {
            Ok(Ok(_offset)) => return Ok(()),
            Ok(Err(error)) => why_not_published(&error, size),
            Err(_) => PublishError::OutcomeUnknown(format!("no acknowledgement within {:?}", self.acknowledgement)),
        };
        if let PublishError::OutcomeUnknown(_) = outcome {
            link.unacknowledged.notify_one();
        }
        Err(outcome)
    }
}

/// What a broker rejected before appending it was not published. Anything else may be in the log.
fn why_not_published(error: &Error, size: usize) -> PublishError {
    match error {
        Error::ServerError { protocol_error, .. } => match protocol_error {
            ProtocolError::MessageTooLarge | ProtocolError::RecordListTooLarge => PublishError::TooLarge(size),
            ProtocolError::NotEnoughReplicas
            | ProtocolError::TopicAuthorizationFailed
            | ProtocolError::ClusterAuthorizationFailed
            | ProtocolError::InvalidRecord
            | ProtocolError::InvalidTimestamp
            | ProtocolError::PolicyViolation
            | ProtocolError::UnsupportedForMessageFormat
            | ProtocolError::UnknownTopicOrPartition => PublishError::Refused(error.to_string()),
            _ => PublishError::OutcomeUnknown(error.to_string()),
        },
        _ => PublishError::OutcomeUnknown(error.to_string()),
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl Coordinator for Kafka {
    fn publish(&self, message: Bytes) -> BoxFuture<'_, Result<(), PublishError>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            match link {
                Some(link) => self.hand_over(link, message).await,
                None => Err(PublishError::NotConnected),
            }
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        // Nothing is on its way: a publication ends when the broker has acknowledged it.
        self.supervisor.abort();
        self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(std::future::ready(()))
    }
}

struct Supervisor {
    brokers: Brokers,
    group: Arc<[u8]>,
    /// The offset to read next, once one is known.
    position: Option<i64>,
    listener: Arc<dyn Listener>,
    rng: NodeRng,
    link: SharedLink,
}

impl Supervisor {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        loop {
            let opened = self.brokers.open().await;
            let was_connected = opened.is_ok();
            let reason = match opened {
                Ok(session) => {
                    backoff.succeeded();
                    self.live(session).await
                }
                Err(reason) => reason,
            };
            self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
            self.listener.on_event(Event::Error(reason));
            self.listener.on_event(Event::Disconnected);
            sleep(backoff.failed(&mut self.rng)).await;
            if was_connected {
                self.listener.on_event(Event::Rebuilt);
            }
        }
    }

    /// Passes on what the log holds until the session is over; why it is.
    async fn live(&mut self, session: Session) -> String {
        let unacknowledged = Arc::new(Notify::new());
        let link = Link { producer: session.producer.clone(), unacknowledged: unacknowledged.clone() };
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        let (mut position, missed) = resume(self.position, session.latest);
        self.position = Some(position);
        self.listener.on_event(Event::Connected);
        if missed == Missed::Something {
            self.listener.on_event(Event::Gap);
        }
        loop {
            let fetched = tokio::select! {
                biased;
                () = unacknowledged.notified() => return "a message was not acknowledged".to_owned(),
                fetched = session.fetch(position) => fetched,
            };
            match fetched {
                Ok(records) => {
                    for record in records {
                        position = record.offset + 1;
                        if let (Some(key), Some(value)) = (record.record.key, record.record.value)
                            && key[..] == self.group[..]
                        {
                            self.listener.on_event(Event::Message(value.into()));
                        }
                    }
                }
                Err(Failure::Unreadable(reason)) => {
                    self.listener.on_event(Event::Error(reason));
                    // Whatever happens to this session: the next one must not try that again.
                    self.position = None;
                    position = match session.latest().await {
                        Ok(latest) => latest,
                        Err(reason) => return reason,
                    };
                    self.listener.on_event(Event::Gap);
                }
                Err(Failure::Lost(reason)) => return reason,
            }
            self.position = Some(position);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    Nothing,
    Something,
}

/// Where to read next, given where this process was and where the log ends.
fn resume(position: Option<i64>, latest: i64) -> (i64, Missed) {
    match position {
        None => (latest, Missed::Nothing),
        Some(position) if position <= latest => (position, Missed::Nothing),
        // The log is another one, or lost its end; what it holds of this node's past is unknown.
        Some(_) => (latest, Missed::Something),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rskafka::client::error::RequestContext;

    fn rejected(protocol_error: ProtocolError) -> Error {
        let request = RequestContext::Topic("topic".into());
        Error::ServerError { protocol_error, error_message: None, request, response: None, is_virtual: false }
    }

    #[test]
    fn reading_starts_at_the_end_and_goes_on_where_it_was() {
        assert_eq!(resume(None, 7), (7, Missed::Nothing));
        assert_eq!(resume(Some(3), 7), (3, Missed::Nothing));
        assert_eq!(resume(Some(7), 7), (7, Missed::Nothing));
    }

    #[test]
    fn a_log_that_is_shorter_than_what_was_read_is_a_gap() {
        assert_eq!(resume(Some(8), 7), (7, Missed::Something));
    }

    #[test]
    fn only_what_a_broker_rejected_before_appending_certainly_was_not_published() {
        assert_eq!(why_not_published(&rejected(ProtocolError::MessageTooLarge), 5), PublishError::TooLarge(5));
        for certain in [ProtocolError::NotEnoughReplicas, ProtocolError::TopicAuthorizationFailed] {
            let error = why_not_published(&rejected(certain), 5);
            assert!(matches!(error, PublishError::Refused(_)), "{error}");
        }
        for unknown in [
            rejected(ProtocolError::RequestTimedOut),
            rejected(ProtocolError::NotEnoughReplicasAfterAppend),
            rejected(ProtocolError::UnknownServerError),
            Error::InvalidResponse("text".into()),
            Error::Timeout,
        ] {
            let error = why_not_published(&unknown, 5);
            assert!(matches!(error, PublishError::OutcomeUnknown(_)), "{error}");
        }
    }
}
