//! The seeded stream that answers `getrandom` on the simulation thread.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use std::cell::RefCell;

thread_local! {
    static STREAM: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
}

/// Answers `getrandom` on this thread from `seed`.
pub fn seed(seed: u64) {
    STREAM.with(|s| *s.borrow_mut() = Some(ChaCha8Rng::seed_from_u64(seed)));
}

/// Gives this thread the kernel's randomness back.
pub fn unseed() {
    STREAM.with(|s| *s.borrow_mut() = None);
}

/// Fills `out` from the stream; false outside a simulation.
pub(crate) fn fill(out: &mut [u8]) -> bool {
    STREAM.try_with(|s| {
        // Borrowed only by a draw that is interrupted by a signal handler, which draws nothing.
        let Ok(mut stream) = s.try_borrow_mut() else { return false };
        stream.as_mut().is_some_and(|rng| {
            rng.fill_bytes(out);
            true
        })
    }) == Ok(true)
}

/// The entropy of a helper thread that starts now: a stream of its own, drawn from this one.
pub fn inherit() -> impl FnOnce() + Send + 'static {
    let child = STREAM.with(|s| s.borrow_mut().as_mut().map(Rng::next_u64));
    move || {
        if let Some(child) = child {
            seed(child);
        }
    }
}
