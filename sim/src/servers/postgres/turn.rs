//! Who may write: one transaction at a time, first come, first served.
//!
//! Pure state: no lock, no clock, no task. A turn is an entry here and never a guard in some future,
//! because the futures of a killed host are leaked and would hold a guard for ever. Opening an epoch
//! takes the turn from every session of the epochs before it.

use std::collections::VecDeque;
use std::task::{Poll, Waker};

/// One life of the server on its disk. A session of an older epoch can neither read nor write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch(u64);

/// One session of one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) epoch: Epoch,
    pub(super) session: u32,
}

/// The session belongs to a server that is no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Revoked;

/// The turn and those who wait for it.
#[derive(Debug, Default)]
pub(super) struct TurnQueue {
    epoch: Epoch,
    holder: Option<Ticket>,
    waiting: VecDeque<(Ticket, Waker)>,
}

impl TurnQueue {
    /// Starts a new epoch: nobody holds the turn, nobody waits, and no older ticket is good any more.
    pub(super) fn open_epoch(&mut self) -> Epoch {
        self.epoch = Epoch(self.epoch.0 + 1);
        self.holder = None;
        self.waiting.clear();
        self.epoch
    }

    /// Whether `epoch` is the one now open.
    pub(super) fn admit(&self, epoch: Epoch) -> Result<(), Revoked> {
        if epoch == self.epoch { Ok(()) } else { Err(Revoked) }
    }

    /// Whether nobody holds the turn. Then nobody waits either: leaving hands it on at once.
    pub(super) fn is_free(&self) -> bool {
        self.holder.is_none()
    }

    /// Whether this session holds the turn.
    pub(super) fn holds(&self, ticket: Ticket) -> bool {
        self.holder == Some(ticket)
    }

    /// Asks for the turn, or for news of it; `waker` is called when it is this session's.
    pub(super) fn poll(&mut self, ticket: Ticket, waker: &Waker) -> Poll<Result<(), Revoked>> {
        if let Err(revoked) = self.admit(ticket.epoch) {
            return Poll::Ready(Err(revoked));
        }
        match self.holder {
            None => {
                self.holder = Some(ticket);
                Poll::Ready(Ok(()))
            }
            Some(holder) if holder == ticket => Poll::Ready(Ok(())),
            Some(_) => {
                match self.waiting.iter_mut().find(|(waiting, _)| *waiting == ticket) {
                    Some((_, known)) => known.clone_from(waker),
                    None => self.waiting.push_back((ticket, waker.clone())),
                }
                Poll::Pending
            }
        }
    }

    /// Gives the turn back, or stops waiting for it. The first in line holds it from now on, and its
    /// waker is returned so that it can be called after the lock around this queue is let go.
    #[must_use = "the next session sleeps until its waker is called"]
    pub(super) fn leave(&mut self, ticket: Ticket) -> Option<Waker> {
        if self.holder == Some(ticket) {
            let next = self.waiting.pop_front();
            self.holder = next.as_ref().map(|(ticket, _)| *ticket);
            return next.map(|(_, waker)| waker);
        }
        self.waiting.retain(|(waiting, _)| *waiting != ticket);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Calls(AtomicU32);

    impl Wake for Calls {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ticket(epoch: Epoch, session: u32) -> Ticket {
        Ticket { epoch, session }
    }

    #[test]
    fn the_turn_goes_round_in_order_of_asking() {
        let mut queue = TurnQueue::default();
        let epoch = queue.open_epoch();
        assert_eq!(queue.poll(ticket(epoch, 1), Waker::noop()), Poll::Ready(Ok(())));
        for session in [4, 2, 3] {
            assert!(queue.poll(ticket(epoch, session), Waker::noop()).is_pending());
        }
        let mut order = Vec::new();
        for session in [1, 4, 2, 3] {
            assert!(queue.holds(ticket(epoch, session)));
            order.push(queue.leave(ticket(epoch, session)).is_some());
        }
        assert_eq!(order, [true, true, true, false]);
        assert!(queue.is_free());
    }

    #[test]
    fn a_waiter_that_gives_up_is_passed_over() {
        let mut queue = TurnQueue::default();
        let epoch = queue.open_epoch();
        assert!(queue.poll(ticket(epoch, 1), Waker::noop()).is_ready());
        assert!(queue.poll(ticket(epoch, 2), Waker::noop()).is_pending());
        assert!(queue.poll(ticket(epoch, 3), Waker::noop()).is_pending());
        assert!(queue.leave(ticket(epoch, 2)).is_none());
        assert!(queue.leave(ticket(epoch, 1)).is_some());
        assert!(queue.holds(ticket(epoch, 3)));
    }

    #[test]
    fn the_latest_waker_is_the_one_returned() {
        let (stale, fresh) = (Arc::new(Calls::default()), Arc::new(Calls::default()));
        let mut queue = TurnQueue::default();
        let epoch = queue.open_epoch();
        assert!(queue.poll(ticket(epoch, 1), Waker::noop()).is_ready());
        assert!(queue.poll(ticket(epoch, 2), &Waker::from(stale.clone())).is_pending());
        assert!(queue.poll(ticket(epoch, 2), &Waker::from(fresh.clone())).is_pending());
        queue.leave(ticket(epoch, 1)).unwrap().wake();
        assert_eq!(stale.0.load(Ordering::Relaxed), 0);
        assert_eq!(fresh.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_new_epoch_takes_the_turn_from_a_holder_that_never_lets_go() {
        let mut queue = TurnQueue::default();
        let old = queue.open_epoch();
        assert!(queue.poll(ticket(old, 1), Waker::noop()).is_ready());
        assert!(queue.poll(ticket(old, 2), Waker::noop()).is_pending());
        let new = queue.open_epoch();
        assert_eq!(queue.poll(ticket(old, 1), Waker::noop()), Poll::Ready(Err(Revoked)));
        assert_eq!(queue.poll(ticket(new, 1), Waker::noop()), Poll::Ready(Ok(())));
        assert!(queue.leave(ticket(old, 1)).is_none());
        assert!(queue.holds(ticket(new, 1)), "a late goodbye of the old holder must change nothing");
    }

    proptest! {
        #[test]
        fn whoever_waits_gets_the_turn_and_only_one_has_it(steps in proptest::collection::vec((0u32..5, any::<bool>()), 0..200)) {
            let mut queue = TurnQueue::default();
            let epoch = queue.open_epoch();
            for (session, asks) in steps {
                let ticket = ticket(epoch, session);
                if asks {
                    let ready = queue.poll(ticket, Waker::noop()).is_ready();
                    prop_assert_eq!(ready, queue.holds(ticket));
                } else {
                    let _ = queue.leave(ticket);
                    prop_assert!(!queue.holds(ticket));
                }
                prop_assert!(!queue.is_free() || queue.waiting.is_empty());
            }
        }
    }
}
