//! Randomness. The operating system is asked once per node boot; all later draws come from one seeded generator.

use crate::ids::Incarnation;
use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};
use std::time::Duration;
use thiserror::Error;

/// The operating system gave no random bytes.
#[derive(Debug, Error)]
#[error("no randomness from the operating system ({0}); check that getrandom(2) is permitted")]
pub struct EntropyError(getrandom::Error);

/// A node's random generator.
#[derive(Clone, Debug)]
pub struct NodeRng(ChaCha12Rng);

impl NodeRng {
    /// Seeds a generator from the operating system.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that asks the operating system for randomness"
    )]
    pub fn from_system() -> Result<Self, EntropyError> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(EntropyError)?;
        Ok(Self(ChaCha12Rng::from_seed(seed)))
    }

    /// A generator whose draws depend on `seed` alone.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// A generator of its own for one part of the node, so that its draws do not shift the others'.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::from_seed(self.next_u64())
    }

    /// A nonce for one boot.
    pub fn incarnation(&mut self) -> Incarnation {
        Incarnation(self.next_u64())
    }

    /// Any number.
    pub fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A duration in `low..high`, or `low` when the range is empty.
    pub fn duration(&mut self, low: Duration, high: Duration) -> Duration {
        let width = u64::try_from(high.saturating_sub(low).as_nanos()).unwrap_or(u64::MAX);
        // The high half of a 128-bit product maps evenly enough: the bias is below width / 2^64.
        let drawn = (u128::from(self.next_u64()) * u128::from(width)) >> 64;
        low + Duration::from_nanos(u64::try_from(drawn).unwrap_or(0))
    }
}

/// Retry delays: doubling from `first`, at most `cap`, each drawn from the upper half so that a crowd disperses.
#[derive(Clone, Debug)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    failures: u32,
}

impl Backoff {
    /// Starts at `first`, never above `cap`.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, failures: 0 }
    }

    /// Counts a failure; how long to wait before the next try.
    pub fn failed(&mut self, rng: &mut NodeRng) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(16));
        self.failures = self.failures.saturating_add(1);
        let delay = doubled.min(self.cap);
        rng.duration(delay / 2, delay)
    }

    /// A success: the next failure waits the first delay again.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_stay_in_their_range() {
        let mut rng = NodeRng::from_seed(1);
        let (low, high) = (Duration::from_millis(5), Duration::from_millis(9));
        for _ in 0..1000 {
            let drawn = rng.duration(low, high);
            assert!(low <= drawn && drawn < high, "{drawn:?}");
        }
        assert_eq!(rng.duration(high, low), high);
    }

    #[test]
    fn backoff_doubles_to_its_cap_and_starts_over_after_a_success() {
        let mut rng = NodeRng::from_seed(2);
        let cap = Duration::from_secs(2);
        let mut backoff = Backoff::new(Duration::from_millis(100), cap);
        assert!(backoff.failed(&mut rng) <= Duration::from_millis(100));
        for _ in 0..40 {
            assert!(backoff.failed(&mut rng) <= cap);
        }
        assert!(backoff.failed(&mut rng) >= cap / 2);
        backoff.succeeded();
        assert!(backoff.failed(&mut rng) <= Duration::from_millis(100));
    }
}
