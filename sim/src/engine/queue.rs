//! The event queue: a total order by (time, sequence).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Events that are due at known instants. Two events of one instant come out as they went in.
#[derive(Debug)]
pub(crate) struct EventQueue<E> {
    /// Keys apart from the events: the heap moves 24 bytes per step, whatever an event holds.
    heap: BinaryHeap<Reverse<(u64, u64, u32)>>,
    slots: Vec<Option<E>>,
    free: Vec<u32>,
    sequence: u64,
}

impl<E> EventQueue<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), slots: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    pub(crate) fn push(&mut self, at_ns: u64, event: E) {
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = Some(event);
                slot
            }
            None => {
                self.slots.push(Some(event));
                u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 events in flight")
            }
        };
        self.sequence += 1;
        self.heap.push(Reverse((at_ns, self.sequence, slot)));
    }

    /// When the earliest event is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The earliest event, if it is due at `now_ns`.
    pub(crate) fn pop_due(&mut self, now_ns: u64) -> Option<E> {
        if self.next_at()? > now_ns {
            return None;
        }
        let Reverse((_, _, slot)) = self.heap.pop()?;
        self.free.push(slot);
        self.slots[slot as usize].take()
    }
}

#[cfg(test)]
mod tests {
    use super::EventQueue;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn events_leave_by_time_then_by_arrival(times in proptest::collection::vec(0_u64..50, 0..200)) {
            let mut queue = EventQueue::new();
            for (i, at) in times.iter().enumerate() {
                queue.push(*at, i);
            }
            let mut expected: Vec<(u64, usize)> = times.iter().copied().zip(0..).collect();
            expected.sort_unstable();
            let mut got = Vec::new();
            while let Some(at) = queue.next_at() {
                prop_assert!(at == 0 || queue.pop_due(at - 1).is_none());
                got.push((at, queue.pop_due(at).unwrap()));
            }
            prop_assert_eq!(got, expected);
        }
    }
}
