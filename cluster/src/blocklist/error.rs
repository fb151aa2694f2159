//! Why a block or unblock is refused.

use super::MAX_REASON_BYTES;
use ipnet::IpNet;
use thiserror::Error;

/// Why a block or unblock is refused. Nothing happened.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BlockError {
    /// The network lies in one that is never blocked.
    #[error("{net} is never blocked: it lies in {exempt}; take that off the allow list first")]
    Exempt {
        /// What was to be blocked.
        net: IpNet,
        /// The allowed or loopback network around it.
        exempt: IpNet,
    },
    /// The reason does not fit.
    #[error("reason of {0} bytes is too long; shorten it to {MAX_REASON_BYTES}")]
    ReasonTooLong(usize),
    /// The store cannot hold such text.
    #[error("reason contains a NUL character; remove it")]
    ReasonWithNul,
    /// It would end before it begins.
    #[error("a block for less than a millisecond has no effect; give a longer expiry")]
    NoDuration,
    /// The node is shutting down.
    #[error("the node is shutting down; ask another node")]
    ShuttingDown,
}
