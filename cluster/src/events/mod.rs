//! What nodes tell each other: a versioned envelope of events, its encoding, and the tracking of what was missed.

mod codec;
mod sequence;

pub(crate) use codec::encode_entry;
pub use codec::{DecodeError, MAX_WALL_MS, decode, encode};
pub use sequence::{Arrival, Sequences};

use crate::blocklist::{Digest, Entry};
use crate::ids::{Incarnation, NodeId};

/// The version this build writes and understands.
pub const VERSION: u8 = 1;

/// Something a node tells the others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// New versions of entries.
    Blocks(Vec<Entry>),
    /// A summary of the publisher's list.
    Digest(Digest),
    /// Entries somebody seems to lack, whoever wrote them.
    Repair(Vec<Entry>),
}

/// Whether a message took a sequence number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbering {
    /// It must not be missed: `sequence` is its own.
    Own,
    /// It may be missed: `sequence` is that of the latest message that may not, 0 for none yet.
    Latest,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The boot of the process that published it.
    pub publisher: Incarnation,
    /// That process's configured node id: for logs, never for deciding anything.
    pub node_id: NodeId,
    /// What `sequence` counts.
    pub numbering: Numbering,
    /// Counts the publisher's messages that must not be missed, from 1.
    pub sequence: u64,
    /// The content.
    pub events: Vec<Event>,
}
