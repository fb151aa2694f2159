//! What each backend promises.

use crate::record::RunRecord;
use crate::scenario::Backend;
use std::fmt;

/// What must become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Promise {
    backend: Backend,
    pub(super) loss: Loss,
    pub(super) repeats: Repeats,
    pub(super) order: Order,
}

/// Which losses break the promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Those that no fault explains.
    WithoutFaults,
    /// Any, as long as the receiver's subscription lasts.
    Always,
}

/// Whether a message may come twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeats {
    /// Never.
    Forbidden,
    /// A producer that heard no answer sends again.
    Allowed,
}

/// Which messages keep their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Those that were handed over on one connection of the publisher.
    Connection,
    /// The same, as long as no fault may have ended the transport between two peers, of which nodes are not told.
    Transport,
    /// All.
    Log,
}

impl Promise {
    /// That of the run's backend; NATS's when the record does not say.
    pub(super) fn of(record: &RunRecord) -> Self {
        let backend = record.backend.unwrap_or(Backend::Nats);
        let (loss, repeats, order) = match backend {
            Backend::Nats | Backend::Redis => (Loss::WithoutFaults, Repeats::Forbidden, Order::Connection),
            Backend::Zenoh => (Loss::WithoutFaults, Repeats::Forbidden, Order::Transport),
            Backend::Kafka => (Loss::Always, Repeats::Allowed, Order::Log),
        };
        Self { backend, loss, repeats, order }
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.loss {
            Loss::WithoutFaults => "at most once, in order, lost only to faults",
            Loss::Always => "at least once, in order of the log",
        };
        write!(f, "{} ({words})", self.backend)
    }
}
