//! `tokio::task`, with every way to spawn routed through the gate.

mod blocking;
#[cfg(all(tokio_unstable, feature = "tracing"))]
mod builder;
pub mod join_set;
mod local;

use std::future::Future;

pub use real_tokio::task::*;

pub use self::blocking::spawn_blocking;
pub(crate) use self::blocking::{block_on, on_helper_thread};
#[cfg(all(tokio_unstable, feature = "tracing"))]
pub use self::builder::Builder;
pub use self::join_set::JoinSet;
pub use self::local::{LocalSet, spawn_local};
use crate::gate;

/// Spawns a task of the current incarnation.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    if gate::routed() { gate::spawn_with(future, real_tokio::spawn) } else { real_tokio::spawn(future) }
}
