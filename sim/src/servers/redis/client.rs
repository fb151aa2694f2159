//! What the server knows about one connected client.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::config::{Limits, OutputLimit};
use super::pubsub::Subscriptions;
use super::reply::Version;
use crate::servers::common::lane::Lane;
use crate::servers::common::machine::Ends;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The client closed it.
    ClientClosed,
    /// Reading from it failed.
    ReadError,
    /// Writing to it failed.
    WriteError,
    /// The client said `QUIT`.
    Quit,
    /// What the client sent is not the protocol.
    ProtocolError,
    /// A request was too large.
    QueryBufferLimit,
    /// Too many bytes waited for the client.
    OutputBufferHardLimit,
    /// Many bytes waited for the client for too long.
    OutputBufferSoftLimit,
    /// There were too many connections.
    MaxClients,
    /// A client said `CLIENT KILL`.
    Killed,
    /// The server stopped.
    ServerShutdown,
}

/// A database by its number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DatabaseIndex(pub(super) usize);

/// Whether the client has shown who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Identity {
    /// It must authenticate first.
    Unknown,
    User(String),
}

/// Which requests are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answers {
    All,
    /// All but the next one's.
    SkipNext,
    None,
}

/// A transaction being put together.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    pub(super) commands: Vec<Vec<Vec<u8>>>,
    /// Whether a command was refused, which dooms the rest.
    pub(super) doomed: bool,
}

/// One client and the bytes that wait for it.
#[derive(Debug)]
pub(super) struct Client {
    /// Number that no other connection to this server has or had.
    pub(super) id: u64,
    pub(super) ends: Ends,
    pub(super) lane: Lane,
    pub(super) created: Instant,
    pub(super) last_active: Instant,
    pub(super) last_command: &'static str,
    pub(super) identity: Identity,
    pub(super) name: Vec<u8>,
    pub(super) version: Version,
    pub(super) database: DatabaseIndex,
    pub(super) answers: Answers,
    pub(super) subscriptions: Subscriptions,
    pub(super) transaction: Option<Transaction>,
    /// Keys that must stay as they are, and whether they did.
    pub(super) watched: BTreeMap<(DatabaseIndex, Bytes), Watched>,
    /// Why the connection ends once the answer at hand is written.
    pub(super) leaving: Option<CloseReason>,
    /// When the soft limit of the output will have been exceeded for too long.
    pub(super) soft_deadline: Option<Instant>,
}

/// What happened to a watched key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watched {
    Untouched,
    Touched,
}

impl Client {
    pub(super) fn new(id: u64, ends: Ends, identity: Identity, now: Instant) -> Self {
        Self {
            id,
            ends,
            lane: Lane::default(),
            created: now,
            last_active: now,
            last_command: "NULL",
            identity,
            name: Vec::new(),
            version: Version::Resp2,
            database: DatabaseIndex(0),
            answers: Answers::All,
            subscriptions: Subscriptions::default(),
            transaction: None,
            watched: BTreeMap::new(),
            leaving: None,
            soft_deadline: None,
        }
    }

    /// Whether the client hears messages, and in RESP2 can do little else.
    pub(super) fn is_subscriber(&self) -> bool {
        !self.subscriptions.is_empty()
    }

    /// The limit that holds for this kind of client.
    pub(super) fn output_limit(&self, limits: &Limits) -> OutputLimit {
        if self.is_subscriber() { limits.pubsub_output } else { limits.normal_output }
    }

    /// Seconds since the client came, and since its last command.
    pub(super) fn seconds(&self, now: Instant) -> (u64, u64) {
        ((now - self.created).as_secs(), (now - self.last_active).as_secs())
    }
}
