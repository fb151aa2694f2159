//! How a healthy network behaves: latency, loss, bandwidth.

use crate::entropy::below;
use rand_core::Rng;

/// A one-way latency distribution given by four quantiles, linear in between.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The shortest, nanoseconds.
    pub min_ns: u64,
    /// Half of all packets are at most this late, nanoseconds.
    pub median_ns: u64,
    /// 99 of 100 packets are at most this late, nanoseconds.
    pub p99_ns: u64,
    /// The longest, nanoseconds.
    pub max_ns: u64,
}

impl Latency {
    /// The same for every packet.
    #[must_use]
    pub const fn fixed(ns: u64) -> Self {
        Self { min_ns: ns, median_ns: ns, p99_ns: ns, max_ns: ns }
    }

    /// One draw, nanoseconds. Integers only: floating point may differ between machines.
    pub fn sample(&self, rng: &mut impl Rng) -> u64 {
        let per_mille_of_mille = below(rng, 1_000_000);
        let (from, to, done, width) = match per_mille_of_mille {
            p @ 0..500_000 => (self.min_ns, self.median_ns, p, 500_000),
            p @ 500_000..990_000 => (self.median_ns, self.p99_ns, p - 500_000, 490_000),
            p => (self.p99_ns, self.max_ns, p - 990_000, 10_000),
        };
        from + to.saturating_sub(from) * done / width
    }
}

/// A healthy network between any two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkProfile {
    /// One-way latency of a packet.
    pub latency: Latency,
    /// Lost packets in a million.
    pub loss_per_million: u32,
    /// What a host's interface sends, bytes per second; its packets leave one after another.
    pub nic_bytes_per_s: Option<u64>,
}

impl Default for NetworkProfile {
    /// A quiet local network.
    fn default() -> Self {
        let latency = Latency { min_ns: 150_000, median_ns: 250_000, p99_ns: 1_000_000, max_ns: 5_000_000 };
        Self { latency, loss_per_million: 0, nic_bytes_per_s: Some(1_250_000_000) }
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;
    use crate::entropy::{Subsystem, stream};

    #[test]
    fn samples_have_the_quantiles_they_promise() {
        let latency = Latency { min_ns: 100, median_ns: 200, p99_ns: 1_000, max_ns: 5_000 };
        let mut rng = stream(1, Subsystem::Network);
        let mut drawn: Vec<u64> = (0..100_000).map(|_| latency.sample(&mut rng)).collect();
        drawn.sort_unstable();
        assert!(drawn[0] >= 100 && drawn[99_999] <= 5_000);
        assert!((195..=205).contains(&drawn[50_000]), "median {}", drawn[50_000]);
        // Just below and above the 99th percentile, where the slope changes.
        assert!(drawn[98_800] <= 1_000 && drawn[99_200] >= 1_000, "{} {}", drawn[98_800], drawn[99_200]);
    }
}
