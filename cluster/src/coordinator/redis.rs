//! Redis, through the crate `redis`: `PUBLISH` and `SUBSCRIBE` of one channel.
//!
//! **What is promised.** At most once to each subscriber: Redis keeps nothing, so a node that is not subscribed at the moment
//! of a `PUBLISH` never gets the message; that the server took it says nothing about who got it. While a node's connection
//! lasts, nothing is lost and messages come in the order in which the server took them, which for one publisher is the order
//! in which it sent them. A message may come twice, also later than its successors: when the server's answer is lost, whether it
//! took the message is unknown ([`PublishError::OutcomeUnknown`]), and it is sent again.
//!
//! **In a Redis Cluster**, servers pass messages on to each other, and lose what is on its way when that connection breaks, without
//! any subscriber noticing; the numbers of the publishers and the digests tell. The order of one publisher holds unless the
//! channel's slot moves to another server. The cluster client itself tries a `PUBLISH` again. It only publishes: its own
//! subscriptions, moved to another server and back, stay on both, and each message comes twice from then on (seen with
//! redis 1.8.1 and Redis 7.0). A plain connection to one of the `urls` subscribes instead; any server of a cluster will do.
//!
//! Redis cuts off who reads too slowly (`client-output-buffer-limit pubsub`); that is a lost connection like any other.
//!
//! The client notices neither that a connection has gone silent nor that an idle one is gone, its subscriptions end with their
//! connection, and a command that timed out leaves the connection in use. Added here: the connections are checked regularly and
//! replaced together, with new attempts for ever; `Connected` is reported when the server has confirmed the subscription.

mod session;

use self::session::{Publisher, Server, Session};
use super::{Coordinator, Event, Listener, PublishError};
use crate::config::RedisConfig;
use crate::entropy::{Backoff, NodeRng};
use ::redis::RedisError;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(4);

/// The way to the server while there is one.
type SharedLink = Arc<Mutex<Option<Link>>>;

#[derive(Clone)]
struct Link {
    publisher: Publisher,
    /// Tells the supervisor that a command was not answered.
    unanswered: Arc<Notify>,
}

/// The running backend.
pub(super) struct Redis {
    link: SharedLink,
    slots: Semaphore,
    wait: Duration,
    answer: Duration,
    supervisor: JoinHandle<()>,
}

impl Redis {
    pub(super) fn start(config: &RedisConfig, listener: Arc<dyn Listener>, rng: NodeRng) -> Result<Self, String> {
        let server = Server::new(config).map_err(|error| format!("urls: {error}"))?;
        let link = SharedLink::default();
        let supervisor = Supervisor { server, listener, rng, link: link.clone() };
        Ok(Self {
            link,
            slots: Semaphore::new(config.pool.max_connections.get()),
            wait: config.pool.wait_timeout,
            answer: config.timeout,
            supervisor: tokio::spawn(supervisor.run()),
        })
    }

    async fn hand_over(&self, link: Link, message: Bytes) -> Result<(), PublishError> {
        let Ok(slot) = timeout(self.wait, self.slots.acquire()).await else {
            return Err(PublishError::TimedOut(self.wait));
        };
        let answered = timeout(self.answer, link.publisher.publish(&message)).await;
        drop(slot);
        let outcome = match answered {
            Ok(answer) => answer.map_err(|error| refusal_or_unknown(&error)),
            Err(_) => Err(PublishError::OutcomeUnknown(format!("no answer within {:?}", self.answer))),
        };
        if let Err(PublishError::OutcomeUnknown(_)) = outcome {
            link.unanswered.notify_one();
        }
        outcome
    }
}

/// What the server said no to was not published. Anything else may have reached it.
fn refusal_or_unknown(error: &RedisError) -> PublishError {
    match error.code() {
        Some(_) => PublishError::Refused(error.to_string()),
        None => PublishError::OutcomeUnknown(error.to_string()),
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl Coordinator for Redis {
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
        // Nothing is on its way: a publication ends when the server has answered.
        self.supervisor.abort();
        self.link.lock().unwrap_or_else(PoisonError::into_inner).take();
        Box::pin(std::future::ready(()))
    }
}

struct Supervisor {
    server: Server,
    listener: Arc<dyn Listener>,
    rng: NodeRng,
    link: SharedLink,
}

impl Supervisor {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, LONGEST_RETRY);
        loop {
            let opened = self.server.open().await;
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

    /// Passes on what arrives until the session is over; why it is.
    async fn live(&self, session: Session) -> String {
        let Session { publisher, mut inbound, mut subscriber } = session;
        let unanswered = Arc::new(Notify::new());
        let link = Link { publisher: publisher.clone(), unanswered: unanswered.clone() };
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        self.listener.on_event(Event::Connected);
        let mut failed_check = std::pin::pin!(self.server.check(&mut subscriber, &publisher));
        loop {
            tokio::select! {
                biased;
                message = inbound.next() => match message {
                    Some(message) => self.listener.on_event(Event::Message(message)),
                    None => return "the server closed the connection".to_owned(),
                },
                reason = &mut failed_check => return reason,
                () = unanswered.notified() => return "a message was not acknowledged".to_owned(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::redis::{ErrorKind, ServerError};

    #[test]
    fn only_what_the_server_refused_certainly_was_not_published() {
        let refused = ::redis::parse_redis_value(b"-NOPERM no access to channel\r\n").unwrap();
        let ::redis::Value::ServerError(refused) = refused else { panic!("no error: {refused:?}") };
        let refused: ServerError = refused;
        assert!(matches!(refusal_or_unknown(&refused.into()), PublishError::Refused(_)));
        for kind in [ErrorKind::Io, ErrorKind::Parse, ErrorKind::ClusterConnectionNotFound] {
            let error = RedisError::from((kind, "some text"));
            assert!(matches!(refusal_or_unknown(&error), PublishError::OutcomeUnknown(_)), "{error}");
        }
    }
}
