//! The simulated servers on real ports, outside any world: real clock, real entropy, real sockets.
//!
//! | module | what |
//! |---|---|
//! | `address` | where a server may listen |
//! | `lives` | a server from its first life to its last, steered by signals |
//! | `nats`, `redis`, `kafka`, `postgres` | one server each |

mod address;
#[cfg(feature = "kafka")]
pub(crate) mod kafka;
mod lives;
#[cfg(feature = "nats")]
pub(crate) mod nats;
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;

pub(crate) use address::{Address, Reach};
pub(crate) use lives::run;

use std::future::Future;
#[cfg(any(feature = "nats", feature = "redis", feature = "kafka"))]
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::SystemTime;
use tokio::net::TcpListener;

/// Why a server is not served, or no longer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    /// The address cannot be understood.
    #[error("`{text}` is no address to listen on; write one such as 127.0.0.1:4222, with port 0 for a free one")]
    Address {
        /// As given.
        text: String,
    },
    /// The address would let other machines in.
    #[error(
        "{0} can be reached from other machines, and these servers are made for tests; add --allow-remote if that is meant"
    )]
    Remote(SocketAddr),
    /// The operating system refuses the address.
    #[error("cannot listen on {address}: {reason}; choose another address, or port 0 for a free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        reason: io::Error,
    },
    /// Options that do not go together.
    #[error("{0}")]
    #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "only encryption has such options"))]
    Options(String),
    /// The server cannot start, or stopped by itself.
    #[error("the server ended: {0}")]
    Ended(#[from] io::Error),
    /// The ready line could not be printed.
    #[error("cannot write to standard output: {0}")]
    Output(io::Error),
}

impl ServeError {
    /// Whether the caller can mend it by calling again with other arguments.
    pub(crate) fn is_usage(&self) -> bool {
        matches!(self, Self::Address { .. } | Self::Remote(_) | Self::Listen { .. } | Self::Options(_))
    }
}

/// A kind of server that can be served, with its settings and with what survives a life of it.
pub(crate) trait Service {
    /// As it is called on the command line.
    fn name(&self) -> &'static str;

    /// How clients name the server, such as `nats://127.0.0.1:4222`.
    fn url(&self, address: SocketAddr) -> String;

    /// Begins a life on a listener.
    ///
    /// # Errors
    /// The server cannot start.
    fn start(&mut self, listener: TcpListener) -> io::Result<Life>;
}

/// One life of a server. It ends when the future does, or with the runtime that it lives on.
pub(crate) struct Life {
    /// Serves until it is told to stop.
    pub(crate) serve: Pin<Box<dyn Future<Output = io::Result<()>>>>,
    /// Tells it to stop in an orderly way.
    pub(crate) shutdown: Box<dyn Fn()>,
    /// Tells it to enter lame duck mode, where there is such a thing.
    pub(crate) lame_duck: Option<Box<dyn Fn()>>,
}

/// A seed that nobody can foresee: a served server has no run to repeat.
#[cfg(any(feature = "nats", feature = "redis", feature = "kafka"))]
pub(crate) fn unforeseeable_seed() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Milliseconds since the Unix epoch.
fn clock_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
