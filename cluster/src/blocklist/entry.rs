//! One entry of the blocked-IP list and the clock that orders its versions.

use crate::ids::Incarnation;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A hybrid logical clock reading: ordered by wall time, then counter, then incarnation.
///
/// After Kulkarni et al., "Logical Physical Clocks" (2014).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Hlc {
    /// The largest wall clock seen, milliseconds since the Unix epoch.
    pub wall_ms: u64,
    /// Counts events within one `wall_ms`.
    pub counter: u32,
    /// Breaks ties between nodes.
    pub incarnation: Incarnation,
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.wall_ms, self.counter, self.incarnation)
    }
}

/// What an entry says about its network.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Blocked, until `expires_ms` if that is given.
    Blocked {
        /// Why, in the operator's words.
        reason: String,
        /// Wall-clock end, milliseconds since the Unix epoch; `None` blocks for good.
        expires_ms: Option<u64>,
    },
    /// Unblocked: a tombstone, so that an older block cannot come back.
    Unblocked,
}

/// The latest known version of one network's entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Entry {
    /// The address (as /32 or /128) or network, host bits zero.
    pub net: IpNet,
    /// Which version this is; the highest wins.
    pub version: Hlc,
    /// Blocked or unblocked.
    pub state: State,
}

impl Entry {
    /// When it stops mattering, milliseconds since the Unix epoch: an unblock at once, a block when it expires, but not before
    /// it was made; `None` for a block for good.
    #[must_use]
    pub fn end_ms(&self) -> Option<u64> {
        match self.state {
            State::Unblocked => Some(self.version.wall_ms),
            State::Blocked { expires_ms, .. } => expires_ms.map(|expires_ms| expires_ms.max(self.version.wall_ms)),
        }
    }
}
