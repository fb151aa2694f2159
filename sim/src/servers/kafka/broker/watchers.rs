//! Who wants to be woken by what.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnectionId;
use crate::servers::kafka::quorum::PartitionKey;

/// Something that may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Watch {
    /// The log, the high watermark, or the role of a replica.
    Partition(PartitionKey),
    /// What the broker knows of the cluster, and its part in it.
    Control,
    /// The result of this connection's own proposal, or its heartbeat.
    Own(ConnectionId),
}

/// Waiting connections; each is woken once, and watches again if it wants to.
#[derive(Debug, Default)]
pub(super) struct Watchers {
    waiting: BTreeMap<Watch, BTreeSet<ConnectionId>>,
    woken: BTreeSet<ConnectionId>,
}

impl Watchers {
    pub(super) fn watch(&mut self, what: Watch, connection: ConnectionId) {
        self.waiting.entry(what).or_default().insert(connection);
    }

    pub(super) fn fire(&mut self, what: Watch) {
        if let Some(connections) = self.waiting.remove(&what) {
            self.woken.extend(connections);
        }
    }

    pub(super) fn forget(&mut self, connection: ConnectionId) {
        for connections in self.waiting.values_mut() {
            connections.remove(&connection);
        }
        self.waiting.retain(|_, connections| !connections.is_empty());
        self.woken.remove(&connection);
    }

    pub(super) fn take_woken(&mut self) -> Vec<ConnectionId> {
        std::mem::take(&mut self.woken).into_iter().collect()
    }
}
