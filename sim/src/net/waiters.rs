//! Who waits on one direction of a socket.

use std::task::Waker;

/// The wakers of tasks that wait; a task is in it once, however often it polled. The first needs no allocation: nearly
/// always it is the only one.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Waiters {
    /// Adds a task. One look without waiting (a no-op waker) adds nobody.
    pub(crate) fn add(&mut self, waker: &Waker) {
        let known = |other: &Waker| other.will_wake(waker);
        if known(Waker::noop()) || self.first.as_ref().is_some_and(known) || self.more.iter().any(known) {
            return;
        }
        if self.first.is_none() {
            self.first = Some(waker.clone());
        } else {
            self.more.push(waker.clone());
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Moves all of them to `out`.
    pub(crate) fn drain_into(&mut self, out: &mut Vec<Waker>) {
        out.extend(self.first.take());
        out.append(&mut self.more);
    }
}
