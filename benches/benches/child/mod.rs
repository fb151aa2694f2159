//! One measurement: work in a forked child of this process, which itself never runs a world and stays single-threaded.

use squall_interpose::layout;
use squall_interpose::pool::{Exit, Limits, Pool};
use std::time::{Duration, Instant};

/// Address space that a measured child may use, bytes.
const MEMORY_BYTES: u64 = 8 << 30;

/// What a child returned and cost.
pub(crate) struct Measured {
    pub(crate) output: Vec<u8>,
    /// User and system time of the child, from fork to exit.
    pub(crate) cpu: Duration,
    /// From before the fork to after the wait.
    pub(crate) wall: Duration,
    pub(crate) peak_rss_kib: u64,
}

/// Why there is no measurement.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It used up its real time.
    TimedOut,
    /// It ended otherwise; how.
    Broke(String),
}

/// Gives this process the address layout that `squall` has, so that children do what its children do.
pub(crate) fn fix_layout() {
    if let Err(error) = layout::fix() {
        eprintln!("note: {error}; runs are measured with a random address layout");
    }
}

/// What children of this benchmark may use.
pub(crate) fn limits(real_time: Duration) -> Limits {
    Limits { memory_bytes: MEMORY_BYTES, real_time }
}

/// Does `work` in a child.
pub(crate) fn measure(real_time: Duration, work: impl FnOnce() -> Vec<u8>) -> Result<Measured, Failed> {
    let broke = |error: std::io::Error| Failed::Broke(error.to_string());
    let mut pool = Pool::new();
    let began = Instant::now();
    pool.start(0, limits(real_time), work).map_err(broke)?;
    let ended = pool.wait().map_err(broke)?.ok_or_else(|| Failed::Broke("interrupted".to_owned()))?;
    let wall = began.elapsed();
    match ended.exit {
        Exit::Done => Ok(Measured { output: ended.output, cpu: ended.cpu, wall, peak_rss_kib: ended.max_rss_kib }),
        Exit::TimedOut => Err(Failed::TimedOut),
        other => Err(Failed::Broke(format!("{other:?}"))),
    }
}
