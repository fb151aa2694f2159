//! Randomness for plans.

use rand_core::Rng;
use std::time::Duration;

/// Draws from one stream.
pub(crate) struct Draw<'a> {
    rng: &'a mut dyn Rng,
}

impl<'a> Draw<'a> {
    pub(crate) fn new(rng: &'a mut dyn Rng) -> Self {
        Self { rng }
    }

    /// A number below `bound`, every one as likely (Lemire, "Fast Random Integer Generation in an Interval", 2019).
    ///
    /// # Panics
    /// When `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "there is no number below 0");
        let reject_below = bound.wrapping_neg() % bound;
        loop {
            let product = u128::from(self.rng.next_u64()) * u128::from(bound);
            if product as u64 >= reject_below {
                return (product >> 64) as u64;
            }
        }
    }

    /// A number from `low` to `high`, both possible.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// Any number, to seed another stream with.
    pub(crate) fn number(&mut self) -> u64 {
        self.rng.next_u64()
    }

    /// Heads or tails.
    pub(crate) fn coin(&mut self) -> bool {
        self.below(2) == 1
    }

    /// A moment within a span of time, to the nanosecond.
    pub(crate) fn moment(&mut self, span: Duration) -> Duration {
        Duration::from_nanos(self.below(span.as_nanos() as u64))
    }

    /// The items in random order (Fisher and Yates).
    pub(crate) fn shuffled<T>(&mut self, items: impl IntoIterator<Item = T>) -> Vec<T> {
        let mut items: Vec<T> = items.into_iter().collect();
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
        items
    }
}
