//! One random stream per subsystem, so that a new draw in one does not shift the others.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// Who draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Subsystem {
    /// Latency and loss of packets.
    Network = 1,
    /// Fault policies.
    Nemesis = 2,
    /// Workloads.
    Workload = 3,
    /// What simulated processes get from `getrandom`.
    Processes = 4,
    /// The executor's `select!` order.
    Executor = 5,
    /// Choices of simulated servers.
    Servers = 6,
}

/// The stream of one subsystem in the run with this seed.
#[must_use]
pub fn stream(seed: u64, subsystem: Subsystem) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(subsystem as u64);
    rng
}

/// A number from one subsystem's stream, to seed what takes a plain number.
#[must_use]
pub fn derive(seed: u64, subsystem: Subsystem) -> u64 {
    stream(seed, subsystem).next_u64()
}

/// A uniform draw from `0..bound`, without floating point (Lemire 2019, without the rejection step:
/// the bias is below `bound / 2^64`).
pub fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    let wide = u128::from(rng.next_u64()) * u128::from(bound);
    u64::try_from(wide >> 64).unwrap_or(0)
}
