//! zenoh's runtimes inside a simulation: the one that runs.

use crate::closing;
use std::cell::Cell;
use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use tokio::runtime::Handle;

/// Whether this thread belongs to a simulation.
pub(crate) fn here() -> bool {
    squall_hook::active()
}

/// The handle of the simulation's runtime. One is kept for each simulation of the process, since zenoh's crates borrow
/// handles for as long as they like.
pub(crate) fn handle() -> &'static Handle {
    static KEPT: Mutex<Vec<&'static Handle>> = Mutex::new(Vec::new());
    thread_local! {
        static LAST: Cell<Option<&'static Handle>> = const { Cell::new(None) };
    }
    let current = Handle::current();
    if let Some(last) = LAST.get().filter(|last| last.id() == current.id()) {
        return last;
    }
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let found = kept.iter().copied().find(|handle| handle.id() == current.id());
    let handle = found.unwrap_or_else(|| {
        let handle: &'static Handle = Box::leak(Box::new(current));
        kept.push(handle);
        handle
    });
    LAST.set(Some(handle));
    handle
}

/// Drives `future` to its end within this call: on a helper thread while time passes, on the simulation's own thread
/// only as far as that goes without another task.
#[track_caller]
pub(crate) fn block_in_place<F: Future>(future: F) -> F::Output {
    if tokio::gate::on_helper() {
        return handle().block_on(future);
    }
    let caller = Location::caller();
    let future = match closing::of_session(future, caller) {
        Ok(closing) => return closing.finish_in_background(),
        Err(other) => other,
    };
    let ended = match poll_while_woken(pin!(future)) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => closing::of_cancelled_tasks::<F>(),
    };
    match ended {
        Some(output) => output,
        None => squall_hook::refuse(&format!(
            "zenoh blocks its caller at {}:{} until another task goes on, which on one thread never happens; do it in \
             tokio::task::spawn_blocking (as with zenoh::open, which blocks even when awaited)",
            caller.file(),
            caller.line()
        )),
    }
}

/// Polls for as long as the future wakes itself, as one does that only yields.
pub(crate) fn poll_while_woken<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    let woken = Arc::new(Woken(AtomicBool::new(true)));
    let waker = Waker::from(Arc::clone(&woken));
    // The caller's task may have used its budget up, which no number of polls would refill.
    let mut future = pin!(tokio::task::unconstrained(future));
    while woken.0.swap(false, Ordering::SeqCst) {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Poll::Ready(output);
        }
    }
    Poll::Pending
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}
