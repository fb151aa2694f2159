//! `faults-were-effective`: a run that broke nothing proves nothing.
//!
//! **Promise.** Every `[[fault]]` entry of the scenario mattered at least once: packets were dropped, tasks were
//! stopped, a moved clock was read. **Evidence.** The effects counted for each applied fault; what merely undoes an
//! earlier fault needs none, and a fault of brokers needs none where there are none. **Unknown**, never failed, when an entry had no effect: the other verdicts then say
//! less than they seem to.

use super::Checker;
use super::index::Index;
use super::text::{self, Evidence, count};
use crate::record::AppliedFault;
use squall_reports::Check;
use squall_sim::fault::Fault;
use std::collections::BTreeMap;

/// Each fault of the scenario did something. Always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultsWereEffective;

const NAME: &str = "faults-were-effective";

/// How often faults were applied and how often that mattered.
#[derive(Clone, Copy, Default)]
struct Score {
    effective: usize,
    applied: usize,
}

impl Checker for FaultsWereEffective {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        if record.fault_entries == 0 {
            return text::pass(NAME, "no fault in this scenario".to_owned());
        }
        let mut by_kind: BTreeMap<&str, Score> = BTreeMap::new();
        let applicable = |entry: &usize| !record.inapplicable.contains(entry);
        let mut by_entry: BTreeMap<usize, Vec<&AppliedFault>> =
            (0..record.fault_entries).filter(applicable).map(|entry| (entry, Vec::new())).collect();
        for fault in record.faults.iter().filter(|fault| !fault.planned.undo) {
            by_entry.entry(fault.planned.entry).or_default().push(fault);
            let score = by_kind.entry(fault.planned.fault.kind()).or_default();
            score.applied += 1;
            score.effective += usize::from(fault.effects > 0);
        }
        let idle: Vec<(usize, Vec<&AppliedFault>)> =
            by_entry.into_iter().filter(|(_, faults)| faults.iter().all(|fault| fault.effects == 0)).collect();
        if idle.is_empty() {
            let mut table: Vec<String> =
                by_kind.iter().map(|(kind, score)| format!("{kind} {}/{}", score.effective, score.applied)).collect();
            table.extend(record.inapplicable.iter().map(|entry| format!("fault {} strikes nobody here", entry + 1)));
            return text::pass(NAME, table.join(", "));
        }
        let mut evidence = Evidence::default();
        for fault in idle.iter().flat_map(|(_, faults)| faults) {
            evidence.note(fault.at_ns, format_args!("{} had no effect", fault.planned.fault.kind()));
        }
        let reasons: Vec<String> = idle.iter().map(|(entry, faults)| explain(*entry, faults)).collect();
        text::unknown(NAME, reasons.join("; "), evidence)
    }
}

/// Entries are counted from 1, as a reader of the scenario does.
fn explain(entry: usize, faults: &[&AppliedFault]) -> String {
    let number = entry + 1;
    match faults.first() {
        Some(first) => {
            let fault = &first.planned.fault;
            let times = count(faults.len(), "time", "times");
            format!("fault {number} ({}) was applied {times} without effect: {}", fault.kind(), usual_cause(fault))
        }
        None => format!(
            "fault {number} never struck: other faults held its victims, the backend has none of them, or the plan was edited"
        ),
    }
}

/// Why such a fault usually changes nothing.
fn usual_cause(fault: &Fault) -> &'static str {
    match fault {
        Fault::Cut { .. } | Fault::Mend { .. } | Fault::Hold { .. } | Fault::Release { .. } => {
            "no packet took that way meanwhile; let it last longer or give the nodes traffic"
        }
        Fault::Loss { .. } => "too few packets took that way to lose one; raise the ratio or the duration",
        Fault::Delay { .. } | Fault::Bandwidth { .. } => {
            "no packet took that way meanwhile; let it last longer or give the nodes traffic"
        }
        Fault::Reset { .. } => "no connection was open between the two groups",
        Fault::Kill { .. } | Fault::PowerLoss { .. } | Fault::Pause { .. } => {
            "the host was already down or paused, or had no task to stop"
        }
        Fault::Start { .. } | Fault::Resume { .. } => "the host was already running",
        Fault::Skew { .. } | Fault::ClockJump { .. } => "nothing on the host read its wall clock afterwards",
        Fault::StoreSlow { .. } => "no statement reached the store meanwhile",
        Fault::StoreSerialization { .. } => "no write reached the store afterwards",
        Fault::StoreDieAtCommit { .. } => "no commit reached the store afterwards",
        Fault::LameDuck { .. } => "no client was connected to that broker",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::Run;
    use squall_reports::Verdict;

    fn cut() -> Fault {
        Fault::Cut { from: vec!["node-1".into()], to: vec!["node-2".into()] }
    }

    fn kill() -> Fault {
        Fault::Kill { host: "node-3".into() }
    }

    #[test]
    fn a_scenario_without_faults_passes() {
        let check = FaultsWereEffective.check(&Run::of(2).finish());
        assert_eq!((check.verdict, check.reason.as_str()), (Verdict::Pass, "no fault in this scenario"));
    }

    #[test]
    fn one_effective_application_of_each_entry_is_enough() {
        let mut run = Run::of(3);
        run.fault(2_000, 0, cut(), 12).fault(3_000, 0, cut(), 0).fault(4_000, 1, kill(), 3);
        let check = FaultsWereEffective.check(&run.finish());
        assert_eq!((check.verdict, check.reason.as_str()), (Verdict::Pass, "cut 1/2, kill 1/1"));
    }

    #[test]
    fn an_idle_entry_is_named_even_if_another_of_its_kind_worked() {
        let mut run = Run::of(3);
        run.fault(2_000, 0, cut(), 12).fault(3_000, 1, cut(), 0);
        let check = FaultsWereEffective.check(&run.finish());
        assert_eq!(check.verdict, Verdict::Unknown);
        assert!(check.reason.starts_with("fault 2 (cut) was applied 1 time without effect: no packet"), "{check:?}");
        assert_eq!(check.evidence, ["3.000 s: cut had no effect"]);
    }

    #[test]
    fn an_entry_that_resolved_to_nothing_is_named() {
        let mut record = Run::of(3).finish();
        record.fault_entries = 1;
        let check = FaultsWereEffective.check(&record);
        assert_eq!(check.verdict, Verdict::Unknown);
        assert!(check.reason.starts_with("fault 1 never struck"), "{check:?}");
    }

    #[test]
    fn an_entry_without_victims_on_this_backend_is_told_apart() {
        let mut run = Run::of(3);
        run.fault(2_000, 0, cut(), 1);
        let mut record = run.finish();
        record.fault_entries = 2;
        record.inapplicable = vec![1];
        let check = FaultsWereEffective.check(&record);
        assert_eq!((check.verdict, check.reason.as_str()), (Verdict::Pass, "cut 1/1, fault 2 strikes nobody here"));
    }

    #[test]
    fn the_effects_of_an_undo_do_not_count() {
        let mut run = Run::of(3);
        run.fault(2_000, 0, cut(), 0).fault(3_000, 0, cut(), 9);
        let mut record = run.finish();
        record.faults[1].planned.undo = true;
        assert_eq!(FaultsWereEffective.check(&record).verdict, Verdict::Unknown);
        record.faults.remove(0);
        let check = FaultsWereEffective.check(&record);
        assert!(check.reason.starts_with("fault 1 never struck"), "{check:?}");
    }
}
