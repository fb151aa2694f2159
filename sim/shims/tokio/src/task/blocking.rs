//! `spawn_blocking` inside a simulation: a thread of its own, which the simulation waits for.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use real_tokio::runtime::Handle;
use real_tokio::task::JoinHandle;

use crate::gate;

/// Runs a closure that may block.
///
/// In a simulation it runs on a helper thread while the simulation's thread waits: at most one
/// thread ever runs, and simulated time stands still.
#[track_caller]
pub fn spawn_blocking<F, R>(function: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    if gate::routed() {
        super::spawn(on_helper_thread(Handle::current(), function))
    } else {
        real_tokio::task::spawn_blocking(function)
    }
}

/// A future that runs `function` to its end in one poll, on a thread that inherits clock, entropy,
/// runtime and incarnation. Tasks started there belong to the incarnation of the caller.
pub(crate) async fn on_helper_thread<F, R>(runtime: Handle, function: F) -> R
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let inherit = squall_hook::helper_scope();
    let state = gate::lend();
    let work = move || {
        gate::become_helper();
        state.install();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            inherit();
            let _runtime = runtime.enter();
            function()
        }));
        (gate::lend(), outcome)
    };
    let helper = squall_hook::exempt(|| thread::spawn(work));
    match helper.join() {
        Ok((state, outcome)) => {
            state.install();
            outcome.unwrap_or_else(|panic| resume_unwind(panic))
        }
        Err(panic) => resume_unwind(panic),
    }
}

/// Runs a future that `Handle::block_on` was given on a helper thread. The simulation stands
/// still meanwhile, so a future that has to wait would wait for ever.
pub(crate) fn finish_at_once<F: Future>(future: F) -> F::Output {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    while woken.0.swap(false, Ordering::SeqCst) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
    }
    squall_hook::refuse("block_on inside spawn_blocking waited for another task")
}

/// Whether a future has woken itself, as one does that only yields.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
