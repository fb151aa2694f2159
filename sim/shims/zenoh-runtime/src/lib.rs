//! zenoh's runtimes, for programs that may live inside a simulation.
//!
//! The crate stands in for the published one by `[patch.crates-io]`. zenoh runs its tasks on five runtimes of its own,
//! whatever runtime its caller is on, and blocks on futures in some places.
//!
//! - Outside a simulation nothing changes: five multi-threaded runtimes, made when first used, and blocking that
//!   hands the caller's worker over. The environment variable `ZENOH_RUNTIME`, which resizes the published crate's
//!   runtimes, is not read.
//! - Inside a simulation every [`ZRuntime`] is the one runtime of the simulation; tasks belong to the host whose code
//!   spawns them. Within `tokio::task::spawn_blocking`, [`ZRuntime::block_in_place`] waits while simulated time passes.
//!   On a task it drives futures that need no other task to go on, and explains itself where one does, since there is
//!   no second thread that could run it. The exceptions are what zenoh ends where it cannot await: a dropped session
//!   goes on closing in a task, and tasks that are terminated end in their next turn.
//!
//! | module | what it holds |
//! |---|---|
//! | `pool` | the runtimes outside a simulation |
//! | `simulated` | handles and blocking inside one |
//! | `closing` | what zenoh ends in functions that cannot await |
//!
//! ```
//! use zenoh_runtime::ZRuntime;
//! let sum = ZRuntime::Net.block_in_place(async { ZRuntime::RX.spawn(async { 40 + 2 }).await });
//! assert_eq!(sum.ok(), Some(42));
//! ```

mod closing;
mod pool;
mod simulated;

pub use pool::ZRuntimePoolGuard;

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;

/// What zenoh runs a task for.
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
    /// Every runtime, in the order of declaration.
    pub fn iter() -> impl Iterator<Item = Self> {
        [Self::Application, Self::Acceptor, Self::TX, Self::RX, Self::Net].into_iter()
    }

    /// Spawns a task.
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.deref().spawn(future)
    }

    /// Drives a future to its end while its caller waits.
    ///
    /// # Panics
    /// Outside a simulation, on a tokio runtime with one thread. Inside one, when a task blocks on a future that waits
    /// for another task, for the network or for time: `tokio::task::spawn_blocking` is where that can be waited for.
    #[track_caller]
    pub fn block_in_place<F: Future>(&self, future: F) -> F::Output {
        if simulated::here() {
            return simulated::block_in_place(future);
        }
        match Handle::try_current() {
            Ok(handle) => assert!(
                handle.runtime_flavor() != RuntimeFlavor::CurrentThread,
                "zenoh blocks its caller, which a tokio runtime with one thread cannot do without: use \
                 `#[tokio::main(flavor = \"multi_thread\", worker_threads = 1)]`"
            ),
            Err(error) => assert!(
                !error.is_thread_local_destroyed(),
                "zenoh was called while the process exits: close sessions before that"
            ),
        }
        tokio::task::block_in_place(|| self.block_on(future))
    }
}

impl Deref for ZRuntime {
    type Target = Handle;

    fn deref(&self) -> &Handle {
        if simulated::here() { simulated::handle() } else { pool::handle(*self) }
    }
}

impl fmt::Display for ZRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Application => "app",
            Self::Acceptor => "acc",
            Self::TX => "tx",
            Self::RX => "rx",
            Self::Net => "net",
        })
    }
}
