//! The wrapper around every spawned future.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use real_tokio::task::{AbortHandle, JoinHandle};

use super::{HOT, State, TABLE, count_poll, current, enter, with};

/// A spawned future together with its place in the registry.
///
/// Boxed, because a killed future is leaked where it lies: timers and channels still link into it.
pub(crate) struct Gated<F> {
    future: Option<Pin<Box<F>>>,
    epoch: u32,
    incarnation: u32,
    slot: u32,
    /// The pause in which this task has left its waker.
    parked_in: u32,
}

impl<F> Gated<F> {
    /// Whether the inner future may run; a paused task leaves its waker instead.
    fn admit(&mut self, cx: &Context<'_>) -> bool {
        TABLE.with_borrow_mut(|table| {
            if table.epoch != self.epoch {
                return false;
            }
            let home = table.of(self.incarnation);
            if home.state == State::Running {
                home.polls += 1;
                return true;
            }
            home.polls_refused += 1;
            if home.state == State::Paused && self.parked_in != home.pauses {
                self.parked_in = home.pauses;
                home.parked.push(cx.waker().clone());
            }
            false
        })
    }

    /// Gives the slot back. `None` when the future must be leaked, since its host is dead or its
    /// simulation over.
    fn release(&self) -> Option<Option<AbortHandle>> {
        let released = TABLE.try_with(|table| {
            let mut table = table.borrow_mut();
            if table.epoch != self.epoch {
                return None;
            }
            let home = table.of(self.incarnation);
            let abort = home.release(self.slot);
            Some((home.state, abort))
        });
        match released {
            Ok(Some((State::Dead, abort))) => {
                drop(abort);
                None
            }
            Ok(Some((_, abort))) => Some(abort),
            Ok(None) | Err(_) => None,
        }
    }
}

impl<F: Future> Future for Gated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        let _inside = enter(this.incarnation);
        // Inside, so that a run that ends here can name the host.
        count_poll();
        if !this.admit(cx) {
            return Poll::Pending;
        }
        match &mut this.future {
            Some(future) => future.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

impl<F> Drop for Gated<F> {
    fn drop(&mut self) {
        let future = self.future.take();
        match self.release() {
            Some(_abort) => {
                let _inside = enter(self.incarnation);
                drop(future);
            }
            None => mem::forget(future),
        }
    }
}

/// What a spawn returns, and how to abort through it.
pub(crate) trait Spawned {
    fn abort_handle(&self) -> AbortHandle;
}

impl<T> Spawned for JoinHandle<T> {
    fn abort_handle(&self) -> AbortHandle {
        Self::abort_handle(self)
    }
}

impl Spawned for AbortHandle {
    fn abort_handle(&self) -> AbortHandle {
        self.clone()
    }
}

#[cfg(feature = "tracing")]
impl<S: Spawned> Spawned for std::io::Result<S> {
    fn abort_handle(&self) -> AbortHandle {
        match self {
            Ok(spawned) => spawned.abort_handle(),
            Err(error) => panic!("the runtime refused a task of the simulation: {error}"),
        }
    }
}

/// Tells [`note_spawn`] that the next spawn comes through the gate.
struct Announcement;

impl Announcement {
    fn new() -> Self {
        HOT.with(|hot| hot.announced.set(true));
        Self
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        HOT.with(|hot| hot.announced.set(false));
    }
}

/// Wraps `future` for the current incarnation, spawns it with `how` and keeps its abort handle.
#[track_caller]
pub(crate) fn spawn_with<F: Future, S: Spawned>(future: F, how: impl FnOnce(Gated<F>) -> S) -> S {
    let incarnation = current();
    let (epoch, (slot, serial)) = TABLE.with_borrow_mut(|table| (table.epoch, table.of(incarnation).reserve()));
    let gated = Gated { future: Some(Box::pin(future)), epoch, incarnation, slot, parked_in: 0 };
    let announcement = Announcement::new();
    let spawned = how(gated);
    drop(announcement);
    keep(incarnation, slot, serial, spawned.abort_handle());
    spawned
}

/// Stores the abort handle, unless the runtime has dropped the task already. A task of a dead
/// incarnation (say, one that a destructor spawns) is aborted at once.
fn keep(incarnation: u32, slot: u32, serial: u64, abort: AbortHandle) {
    let dead = with(incarnation, |found| {
        let entry = &mut found.slots[slot as usize];
        if entry.serial == Some(serial) {
            entry.abort = Some(abort.clone());
        }
        found.state == State::Dead
    });
    if dead {
        abort.abort();
    }
}
