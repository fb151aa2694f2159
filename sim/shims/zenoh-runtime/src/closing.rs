//! What zenoh ends in functions that cannot await: sessions that are dropped, tasks that are terminated.
//!
//! zenoh's `Session` closes itself in its destructor, and blocks until its tasks have ended; so does a transport that
//! is lost, with the tasks that waited for its peer. Inside a simulation they cannot end meanwhile. Both only wait for
//! what they have already set going: the rest of a closing becomes a task of the host, cancelled tasks end in their
//! next turn, and the caller goes on at once.
#![expect(unsafe_code, reason = "outcomes are named by the type that they are known to have")]

use crate::simulated::poll_while_woken;
use std::error::Error;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::pin::Pin;
use std::task::Poll;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
/// What `CloseBuilder::into_future` of the zenoh crate returns.
type CloseFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Where zenoh blocks on it.
const CALLER: &str = "src/api/builders/close.rs";

/// A session that closes, on behalf of a caller that expects an `R`, which is an [`Outcome`].
pub(crate) struct Closing<R> {
    future: CloseFuture,
    outcome: PhantomData<R>,
}

/// Recognises the future of a closing session; gives any other back.
pub(crate) fn of_session<F: Future>(future: F, caller: &Location<'_>) -> Result<Closing<F::Output>, F> {
    let is_close =
        typeid::of::<F>() == typeid::of::<CloseFuture>() && typeid::of::<F::Output>() == typeid::of::<Outcome>();
    if !is_close || !caller.file().ends_with(CALLER) {
        return Err(future);
    }
    Ok(Closing { future: as_same(future), outcome: PhantomData })
}

impl<R> Closing<R> {
    /// Does what can be done now, and leaves the rest to a task, whose failure is logged as the destructor does it.
    pub(crate) fn finish_in_background(mut self) -> R {
        match poll_while_woken(Pin::new(&mut self.future)) {
            Poll::Ready(outcome) => as_same(outcome),
            Poll::Pending => {
                let _goes_on = tokio::spawn(async {
                    if let Err(error) = self.future.await {
                        tracing::error!("a dropped zenoh session did not close: {error}");
                    }
                });
                as_same(Outcome::Ok(()))
            }
        }
    }
}

/// What a future that terminates tasks would give, for one that has been polled once: by then they are cancelled.
pub(crate) fn of_cancelled_tasks<F: Future>() -> Option<F::Output> {
    let output = typeid::of::<F::Output>();
    // How the `async` blocks of these functions are called.
    let of = |function| std::any::type_name::<F>().contains(function);
    if of("zenoh_task::TaskController::terminate_all::") && output == typeid::of::<usize>() {
        let tasks_left = 0_usize;
        return Some(as_same(tasks_left));
    }
    if of("zenoh_task::TerminatableTask::terminate::") && output == typeid::of::<bool>() {
        let ended = true;
        return Some(as_same(ended));
    }
    None
}

/// Names a value by the type that it is known to have.
///
/// # Panics
/// When it has another: the callers have seen to it.
fn as_same<A, B>(value: A) -> B {
    assert!(typeid::of::<A>() == typeid::of::<B>(), "the types were compared before");
    let value = ManuallyDrop::new(value);
    // SAFETY: the types are equal but for lifetimes. Of those there are none in an output, and in a closing future the
    // one of the trait object, which zenoh 1.10.2 declares as 'static where `CALLER` blocks: an associated type
    // `Pin<Box<dyn Future<Output = …> + Send>>`. The original is never used or dropped again.
    unsafe { (&raw const *value).cast::<B>().read() }
}
