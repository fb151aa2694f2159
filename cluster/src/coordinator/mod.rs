//! How messages travel between nodes: one trait, one file per backend.
//!
//! A backend owns its client and recovers from whatever that client does not. It tells a [`Listener`] what happens, in order;
//! what that means for the lists is decided elsewhere.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "zenoh")]
mod zenoh;

use crate::config::CoordinatorConfig;
use crate::entropy::NodeRng;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use thiserror::Error;

/// What all nodes publish to and subscribe to: a subject, topic, channel or key expression.
pub const TOPIC: &str = "squall.cluster";

/// Something a backend reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A message, possibly one of this node's own.
    Message(Bytes),
    /// Connected and subscribed. Messages sent while this node was not may have been missed.
    Connected,
    /// The connection was lost; publishing is pointless until the next [`Event::Connected`].
    Disconnected,
    /// Messages were dropped because this node did not read them in time.
    Lagged,
    /// Messages were missed although the connection held.
    Gap,
    /// The server is about to go away.
    LameDuck,
    /// Something failed; the backend keeps trying.
    Error(String),
    /// The client had given up; a new one takes its place.
    Rebuilt,
}

/// Receives a backend's events. Called inline: it must not block.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn on_event(&self, event: Event);
}

/// Why a message was not published. It certainly was not, unless the outcome is [unknown](Self::OutcomeUnknown).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// There is no connection.
    #[error("not connected; it is sent after the reconnect")]
    NotConnected,
    /// The client's queue stayed full.
    #[error("the client took nothing for {0:?}; raise its capacity or look for a stalled link")]
    TimedOut(std::time::Duration),
    /// The server carries no message of this size.
    #[error("message of {0} bytes exceeds the server's limit; it is sent in parts")]
    TooLarge(usize),
    /// The client refused.
    #[error("the client refused the message: {0}")]
    Refused(String),
    /// The server's answer is missing: it may have the message, and peers may get it. To be sent again.
    #[error("{0}; the message may have been published, and is sent again")]
    OutcomeUnknown(String),
}

/// Why a backend cannot even start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("coordinator {name:?} cannot start: {reason}")]
pub struct CoordinatorError {
    /// The store section's name.
    pub name: String,
    /// What to change.
    pub reason: String,
}

/// A running backend.
pub trait Coordinator: Send + Sync {
    /// Hands a message to the client. Never blocks for longer than the backend's own timeout.
    fn publish(&self, message: Bytes) -> BoxFuture<'_, Result<(), PublishError>>;

    /// Stops for good; messages handed over are sent first, if that is quick.
    fn shutdown(&self) -> BoxFuture<'_, ()>;
}

/// Starts the configured backend. It connects in the background and reports to `listener`.
///
/// # Errors
/// When the configuration can never work; an unreachable server is not an error.
pub fn start(
    config: &CoordinatorConfig,
    listener: Arc<dyn Listener>,
    rng: NodeRng,
) -> Result<Arc<dyn Coordinator>, CoordinatorError> {
    let started: Result<Arc<dyn Coordinator>, String> = match config {
        #[cfg(feature = "zenoh")]
        CoordinatorConfig::Zenoh { zenoh, .. } => zenoh::Zenoh::start(zenoh, listener, rng).map(shared),
        #[cfg(feature = "nats")]
        CoordinatorConfig::Nats { nats, .. } => nats::Nats::start(nats, listener, rng).map(shared),
        #[cfg(feature = "kafka")]
        CoordinatorConfig::Kafka { kafka, .. } => kafka::Kafka::start(kafka, listener, rng).map(shared),
        #[cfg(feature = "redis")]
        CoordinatorConfig::Redis { redis, .. } => redis::Redis::start(redis, listener, rng).map(shared),
        #[cfg(not(all(feature = "zenoh", feature = "nats", feature = "kafka", feature = "redis")))]
        other => {
            let _ = (listener, rng);
            Err(format!("this build has no {0}; build with the feature `{0}`", other.kind()))
        }
    };
    started.map_err(|reason| CoordinatorError { name: config.name().to_owned(), reason })
}

fn shared<C: Coordinator + 'static>(coordinator: C) -> Arc<dyn Coordinator> {
    Arc::new(coordinator)
}
