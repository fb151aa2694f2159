//! Keys of `ahash`'s maps, which Zenoh iterates over.
//!
//! By default each new map's key depends on the address of an object on the heap, and the heap on what the process did
//! before. Here it depends on how many maps the world has made.

use ahash::RandomState;
use ahash::random_state::{RandomSource, set_random_source};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Far apart, and odd, so that all numbers come before one comes again.
const STEP: usize = 0x9e37_79b9_7f4a_7c15;

static NEXT: AtomicUsize = AtomicUsize::new(0);

struct Counted;

impl RandomSource for Counted {
    fn gen_hasher_seed(&self) -> usize {
        NEXT.fetch_add(STEP, Ordering::Relaxed)
    }
}

/// Takes the keys of `ahash`'s maps into the hand of the worlds of this process, and draws what they have in common.
///
/// A process that forks worlds calls it before anything makes such a map, with its entropy seeded; a world that runs
/// alone does it by itself.
pub fn settle_hash_keys() {
    // A second call finds it settled, and one that comes too late cannot help it.
    let _settled = set_random_source(Counted);
    let _drawn = RandomState::new();
}

/// Begins anew, for a new world.
pub(crate) fn begin() {
    settle_hash_keys();
    NEXT.store(0, Ordering::Relaxed);
}
