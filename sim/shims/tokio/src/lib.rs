//! tokio for programs that may live inside a simulation.
//!
//! The crate stands in for the real tokio by `[patch.crates-io]`, so unmodified clients and
//! servers are built over it. Everything is re-exported, apart from what would reach past a
//! simulation:
//!
//! - `net`: sockets come from the simulated network that `squall_hook` has installed, if any;
//! - `task`, `runtime`: spawned futures pass the `gate`, so that a single host's tasks can be
//!   killed or frozen; a host cannot build a runtime of its own;
//! - `signal` and the functions of `fs`: refused inside a host.
//!
//! Without a simulation each of these is the real tokio, with nothing added.
//!
//! ```
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> std::io::Result<()> {
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//!     assert!(listener.local_addr()?.port() != 0);
//!     Ok(())
//! }
//! ```

pub use real_tokio::*;

#[cfg(feature = "fs")]
pub mod fs;
#[cfg(feature = "rt")]
#[doc(hidden)]
pub mod gate;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "rt")]
pub mod runtime;
#[cfg(feature = "signal")]
pub mod signal;
#[cfg(feature = "rt")]
pub mod task;

#[cfg(feature = "rt")]
pub use task::spawn;
