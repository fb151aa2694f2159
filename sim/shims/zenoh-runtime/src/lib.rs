//! zenoh's runtimes, all of them the one that runs.

use std::future::Future;
use std::ops::Deref;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// What zenoh runs a task for. Here they share one runtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ZRuntime {
    /// The application's callbacks.
    Application,
    /// Incoming connections.
    Acceptor,
    /// Sending.
    TX,
    /// Receiving.
    RX,
    /// Everything else.
    Net,
}

impl ZRuntime {
    /// Spawns a task.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Handle::current().spawn(future)
    }

    /// Drives a future to its end on this thread.
    pub fn block_in_place<F: Future>(&self, future: F) -> F::Output {
        tokio::task::block_in_place(move || Handle::current().block_on(future))
    }
}

impl Deref for ZRuntime {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        Box::leak(Box::new(Handle::current()))
    }
}

/// Shuts the runtimes down when dropped; here there are none of its own.
#[derive(Debug)]
pub struct ZRuntimePoolGuard;
