//! The simulated clock behind `clock_gettime` on the simulation thread.

use std::cell::Cell;
use std::sync::OnceLock;

/// `CLOCK_MONOTONIC` at world time 0; any value but 0, which some libraries take for "unset".
const MONOTONIC_BASE_NS: i64 = 1_000_000_000_000;

thread_local! {
    /// Nanoseconds since the world began; negative while no simulation runs on this thread.
    static NOW_NS: Cell<i64> = const { Cell::new(-1) };
    static EPOCH_NS: Cell<i64> = const { Cell::new(0) };
}
static WALL_OFFSET: OnceLock<fn() -> i64> = OnceLock::new();

/// Starts the clock at world time 0, which is `epoch_ms` after the Unix epoch.
pub fn start(epoch_ms: u64) {
    EPOCH_NS.set(i64::try_from(epoch_ms).unwrap_or(0).saturating_mul(1_000_000));
    NOW_NS.set(0);
}

/// Gives this thread the machine's clock back.
pub fn stop() {
    NOW_NS.set(-1);
}

/// Whether this thread's clock is simulated.
#[must_use]
pub fn simulated() -> bool {
    NOW_NS.try_with(Cell::get).unwrap_or(-1) >= 0
}

/// Nanoseconds since the world began.
#[must_use]
pub fn now_ns() -> u64 {
    u64::try_from(NOW_NS.get()).unwrap_or(0)
}

/// Moves the clock to `ns` after the world's begin; it never goes back.
pub fn advance_to(ns: u64) {
    NOW_NS.set(NOW_NS.get().max(i64::try_from(ns).unwrap_or(i64::MAX)));
}

/// Registers who knows by how many nanoseconds the wall clock of the running host differs from the
/// true time; called at each wall-clock read.
pub fn set_wall_offset(offset_ns: fn() -> i64) {
    let _first_wins = WALL_OFFSET.set(offset_ns);
}

/// Which clock is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clock {
    Wall,
    Monotonic,
}

/// Reads the simulated clock, or `None` outside a simulation.
///
/// Each read moves it by one nanosecond: code that spins until time passes would otherwise never end.
pub(crate) fn read(clock: Clock) -> Option<i64> {
    let now = NOW_NS.try_with(Cell::get).unwrap_or(-1);
    if now < 0 {
        return None;
    }
    NOW_NS.set(now + 1);
    Some(match clock {
        Clock::Monotonic => MONOTONIC_BASE_NS + now,
        Clock::Wall => EPOCH_NS.get() + now + WALL_OFFSET.get().map_or(0, |offset| offset()),
    })
}

/// A timed wait on the simulation thread can only time out, since nothing else runs: skip to its
/// end. Returns false outside a simulation.
pub(crate) fn skip_wait(timeout: Timeout) -> bool {
    let now = NOW_NS.try_with(Cell::get).unwrap_or(-1);
    if now < 0 {
        return false;
    }
    NOW_NS.set(now.max(match timeout {
        Timeout::AfterNs(ns) => now.saturating_add(ns),
        Timeout::AtMonotonicNs(ns) => ns - MONOTONIC_BASE_NS,
    }));
    true
}

/// How long a futex wait may last.
pub(crate) enum Timeout {
    AfterNs(i64),
    AtMonotonicNs(i64),
}

/// The clock of a helper thread that starts now.
pub fn inherit() -> impl FnOnce() + Send + 'static {
    let (now, epoch) = (NOW_NS.get(), EPOCH_NS.get());
    move || {
        NOW_NS.set(now);
        EPOCH_NS.set(epoch);
    }
}
