//! The wall clock. Everything else in this crate is given the time or asks tokio's clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock, milliseconds since the Unix epoch. It may jump in either direction; a clock before the epoch reads 0.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
pub fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, duration_ms)
}

/// A duration in whole milliseconds, at most `u64::MAX`.
#[must_use]
pub fn duration_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
