//! What a node tells whoever watches it: metrics and logs in the daemon, the history in a simulation.

use crate::blocklist::Entry;
use crate::ids::Incarnation;
use std::time::Duration;

/// How a node came to know a version of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// Its own block or unblock.
    Local,
    /// A peer's broadcast.
    Broadcast,
    /// The store, read at boot.
    Boot,
    /// The store, read because of a gap, a reconnect or a resubscription.
    Resync,
    /// The periodic digest exchange.
    AntiEntropy,
}

/// Why a node reads the whole list again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResyncReason {
    /// First read.
    Boot,
    /// A publisher's sequence had a hole.
    Gap,
    /// The coordinator connection was rebuilt.
    Reconnected,
    /// Messages were dropped before this node read them.
    Lagged,
    /// A peer's digest differed.
    DigestMismatch,
}

/// The coordinator connection, as its client reports it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Link {
    /// Connected (also: again).
    Connected,
    /// The connection was lost.
    Disconnected,
    /// A reconnect attempt failed, or the server complained.
    Error(String),
    /// The server is shutting down gracefully.
    LameDuck,
    /// Local queue full: messages were dropped.
    SlowConsumer,
    /// Messages were missed although the connection held.
    Missed,
    /// The client gave up; the adapter builds a new one.
    Rebuilt,
}

/// Names a message that takes a number of its own: digests do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Message {
    /// The boot of the process that published it.
    pub publisher: Incarnation,
    /// Its place among the messages of that publisher, from 1.
    pub sequence: u64,
}

/// Something that happened inside a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NodeEvent {
    /// The node accepts work; `coordinated` and `stored` say which backends it reached.
    Ready {
        /// Subscribed to the coordinator.
        coordinated: bool,
        /// Has read the store.
        stored: bool,
    },
    /// The coordinator link changed.
    Link(Link),
    /// An entry's newer version took effect here.
    Applied {
        /// The version.
        entry: Entry,
        /// How it got here.
        source: Source,
    },
    /// A resync begins.
    ResyncStarted(ResyncReason),
    /// A resync ended; the number of entries that were news here.
    ResyncFinished {
        /// Why it began.
        reason: ResyncReason,
        /// Entries that changed, or the error.
        outcome: Result<usize, String>,
    },
    /// A batch was handed to the coordinator client.
    Published {
        /// The message it went in.
        message: Message,
        /// Entries in it.
        entries: usize,
        /// Since it was first offered to the client.
        after: Duration,
    },
    /// Publishing failed; the batch is kept for another try, under the same number.
    PublishFailed {
        /// The message it was to go in.
        message: Message,
        /// Entries in it.
        entries: usize,
        /// The client's error.
        error: String,
        /// Whether peers may get the message nevertheless.
        unknown: bool,
    },
    /// Entries became durable in the store.
    Stored {
        /// How many.
        entries: usize,
        /// Since the write was first tried.
        after: Duration,
    },
    /// A store operation failed or its outcome is unknown; it will be tried again.
    StoreFailed {
        /// The error, with its SQLSTATE where there is one.
        error: String,
        /// Whether the write may have taken effect.
        unknown: bool,
    },
}

/// Receives a node's events. Called inline on the node's tasks: it must not block.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn observe(&self, event: NodeEvent);

    /// A peer's message arrived, possibly not for the first time. Called for each one, so it must be quick; most observers do
    /// not care.
    fn received(&self, message: Message) {
        let _ = message;
    }
}

/// Ignores everything.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn observe(&self, _event: NodeEvent) {}
}
