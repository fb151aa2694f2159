//! Which full reads of the store are due: never more than one running and one queued. A pure state machine.

use crate::observe::ResyncReason;
use tokio::time::Instant;

/// The queue of length one.
#[derive(Clone, Debug, Default)]
pub(super) struct ResyncQueue {
    queued: Option<(ResyncReason, Instant)>,
}

impl ResyncQueue {
    /// Asks for a read at `due`. One that is queued already serves, earlier if need be.
    pub(super) fn request(&mut self, reason: ResyncReason, due: Instant) {
        self.queued = Some(match self.queued {
            Some((known, at)) => (known, at.min(due)),
            None => (reason, due),
        });
    }

    /// When the queued read is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.queued.map(|(_, due)| due)
    }

    /// Takes the queued read out if it is due.
    pub(super) fn take(&mut self, now: Instant) -> Option<ResyncReason> {
        let (reason, due) = self.queued?;
        (due <= now).then(|| {
            self.queued = None;
            reason
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn requests_in_a_burst_are_one_read() {
        let (mut queue, now) = (ResyncQueue::default(), Instant::now());
        let later = now + Duration::from_millis(9);
        queue.request(ResyncReason::Gap, later);
        queue.request(ResyncReason::Lagged, later + Duration::from_secs(1));
        queue.request(ResyncReason::Reconnected, later);
        assert_eq!(queue.take(now), None);
        assert_eq!(queue.due(), Some(later));
        assert_eq!(queue.take(later), Some(ResyncReason::Gap));
        assert_eq!(queue.take(later), None);
    }
}
