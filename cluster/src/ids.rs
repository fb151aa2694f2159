//! Identities: newtypes, so that a node id is never mistaken for a sequence number.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The configured id of a node, 1..=65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(u16);

impl NodeId {
    /// The id of a node whose configuration names none.
    pub const FIRST: Self = Self(1);

    /// `None` for 0, which is not an id.
    #[must_use]
    pub fn new(id: u16) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One boot of one node process: a random nonce. Two processes never share one, even with the same node id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
