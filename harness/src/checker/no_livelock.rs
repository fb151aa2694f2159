//! `no-livelock`: simulated time never stands still while tasks keep running.
//!
//! **Promise.** No task spins. **Evidence.** The world's count of polls between two advances of the clock. **Fails**
//! when the world gave up waiting for the clock to move.

use super::Checker;
use super::index::Index;
use super::text::{self, Evidence, Seconds};
use squall_reports::Check;

/// Time always moved on. Always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoLivelock;

const NAME: &str = "no-livelock";

impl Checker for NoLivelock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        match &record.world.livelock {
            None => text::pass(NAME, format!("time moved on until the end at {}", Seconds(record.end_ns))),
            Some(what) => {
                let mut evidence = Evidence::default();
                evidence.note(record.end_ns, "the run was ended here: its tasks would have gone on for ever");
                let reason = format!("time stood still while tasks kept running: {what}");
                text::fail(NAME, reason, evidence)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::Run;
    use squall_reports::Verdict;

    #[test]
    fn moving_time_passes_and_standing_time_fails() {
        let mut record = Run::of(1).finish();
        assert_eq!(NoLivelock.check(&record).verdict, Verdict::Pass);
        record.world.livelock = Some("node-1, 1000000 polls at 3.000 s".into());
        let check = NoLivelock.check(&record);
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.reason.contains("node-1, 1000000 polls"), "{}", check.reason);
        assert_eq!(check.evidence.len(), 1);
    }
}
