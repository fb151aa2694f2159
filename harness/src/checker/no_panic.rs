//! `no-panic`: simulated code never panics.
//!
//! **Promise.** No task of any host panicked. **Evidence.** The world's panic hook. **Fails** on the first panic; the
//! evidence shows message and place of all of them.

use super::Checker;
use super::index::Index;
use super::text::{self, Evidence, Seconds, count};
use squall_reports::Check;

/// Nothing panicked. Always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPanic;

const NAME: &str = "no-panic";

impl Checker for NoPanic {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        let Some(first) = record.panics.first() else {
            let nodes = count(usize::from(record.nodes), "node", "nodes");
            return text::pass(NAME, format!("nothing panicked on {nodes} and their servers"));
        };
        let mut evidence = Evidence::default();
        for panic in &record.panics {
            evidence.note(panic.at_ns, format_args!("{}: {}", panic.host, panic.message));
        }
        let reason = format!(
            "{} panicked at {}: {} ({} in all)",
            first.host,
            Seconds(first.at_ns),
            first.message,
            count(record.panics.len(), "panic", "panics"),
        );
        text::fail(NAME, reason, evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::{Run, ms};
    use crate::record::Panic;
    use squall_reports::Verdict;

    #[test]
    fn a_quiet_run_passes() {
        assert_eq!(NoPanic.check(&Run::of(3).finish()).verdict, Verdict::Pass);
    }

    #[test]
    fn a_panic_fails_with_host_time_and_message() {
        let mut record = Run::of(3).finish();
        let message = "index out of bounds at list.rs:7".to_owned();
        record.panics.push(Panic { at_ns: ms(2_500), host: "node-2".into(), message });
        let check = NoPanic.check(&record);
        assert_eq!(check.verdict, Verdict::Fail);
        assert_eq!(check.reason, "node-2 panicked at 2.500 s: index out of bounds at list.rs:7 (1 panic in all)");
        assert_eq!(check.evidence, ["2.500 s: node-2: index out of bounds at list.rs:7"]);
    }

    #[test]
    fn a_storm_of_panics_shows_at_most_twenty_lines() {
        let mut record = Run::of(1).finish();
        for at in 0..50 {
            record.panics.push(Panic { at_ns: ms(at), host: "node-1".into(), message: "again".into() });
        }
        let check = NoPanic.check(&record);
        assert_eq!(check.evidence.len(), 20);
        assert!(check.reason.contains("50 panics"), "{}", check.reason);
    }
}
