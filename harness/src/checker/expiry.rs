//! Whether an entry still blocks at the end, judged by true time.

use crate::record::RunRecord;
use squall_cluster::blocklist::{Entry, State};
use squall_sim::fault::Fault;
use std::collections::BTreeMap;

/// Nobody is asked to agree to the millisecond on when an entry ends.
const MARGIN_MS: u64 = 1_000;

/// What an entry means when the run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It blocks.
    Blocks,
    /// It was an unblock, or it has expired.
    Open,
    /// It expires so close to the end that a node whose clock was wrong may see it either way.
    Unclear,
}

/// The end of the run on the wall, and how wrong a node's wall clock ever was.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expiry {
    epoch_ms: u64,
    end_ms: u64,
    margin_ms: u64,
}

impl Expiry {
    pub(super) fn new(record: &RunRecord) -> Self {
        Self {
            epoch_ms: record.epoch_ms,
            end_ms: record.epoch_ms + record.end_ns / 1_000_000,
            margin_ms: MARGIN_MS + clock_error_ms(record),
        }
    }

    /// What the entry means at the end.
    pub(super) fn at_end(&self, entry: &Entry) -> Standing {
        match entry.state {
            State::Unblocked => Standing::Open,
            State::Blocked { expires_ms: None, .. } => Standing::Blocks,
            State::Blocked { expires_ms: Some(expires_ms), .. } => {
                if expires_ms > self.end_ms.saturating_add(self.margin_ms) {
                    Standing::Blocks
                } else if expires_ms.saturating_add(self.margin_ms) < self.end_ms {
                    Standing::Open
                } else {
                    Standing::Unclear
                }
            }
        }
    }

    /// When a block ends by itself, nanoseconds since the world began; `u64::MAX` for never.
    pub(super) fn ends_ns(&self, entry: &Entry) -> u64 {
        match entry.state {
            State::Blocked { expires_ms: Some(expires_ms), .. } => {
                expires_ms.saturating_sub(self.epoch_ms).saturating_mul(1_000_000)
            }
            _ => u64::MAX,
        }
    }
}

/// The largest distance of any host's wall clock from true time, by the faults that moved it.
fn clock_error_ms(record: &RunRecord) -> u64 {
    let mut offsets: BTreeMap<&str, i64> = BTreeMap::new();
    let mut worst_ns = 0;
    for applied in &record.faults {
        let offset = match &applied.planned.fault {
            Fault::Skew { host, offset_ns } => {
                let offset = offsets.entry(host).or_default();
                *offset = *offset_ns;
                *offset
            }
            Fault::ClockJump { host, by_ns } => {
                let offset = offsets.entry(host).or_default();
                *offset = offset.saturating_add(*by_ns);
                *offset
            }
            _ => continue,
        };
        worst_ns = worst_ns.max(offset.unsigned_abs());
    }
    worst_ns.div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::{EPOCH_MS, Run, blocked_until};

    fn standing(run: &mut Run, expires_at_ms: u64) -> Standing {
        let record = run.finish();
        Expiry::new(&record).at_end(&blocked_until("10.0.0.1", EPOCH_MS + expires_at_ms))
    }

    #[test]
    fn without_skew_only_the_last_second_is_unclear() {
        assert_eq!(standing(&mut Run::of(1), 78_000), Standing::Open);
        assert_eq!(standing(&mut Run::of(1), 79_500), Standing::Unclear);
        assert_eq!(standing(&mut Run::of(1), 80_900), Standing::Unclear);
        assert_eq!(standing(&mut Run::of(1), 82_000), Standing::Blocks);
    }

    #[test]
    fn skew_and_jumps_add_up_and_widen_what_is_unclear() {
        let jump = |by_s: i64| Fault::ClockJump { host: "node-1".into(), by_ns: by_s * 1_000_000_000 };
        let skew = |s: i64| Fault::Skew { host: "node-1".into(), offset_ns: s * 1_000_000_000 };
        let mut run = Run::of(1);
        run.fault(2_000, 0, skew(-60), 1).fault(3_000, 1, jump(-40), 1).fault(9_000, 0, skew(0), 1);
        assert_eq!(standing(&mut run, 180_900), Standing::Unclear);
        assert_eq!(standing(&mut run, 181_100), Standing::Blocks);
    }
}
