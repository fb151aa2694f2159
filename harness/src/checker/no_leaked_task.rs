//! `no-leaked-task`: the dead stay dead, and the living do not grow for ever.
//!
//! **Promise.** No task of a dead incarnation is polled, none of its sockets stays open, no task is spawned past the
//! world's gate, and no node ends with many more tasks than it had when it was ready.
//!
//! **Evidence.** The world's counts. **Fails** when one of the first three is not 0, or when a node's live tasks at
//! the end exceed those at readiness by more than [`allowance`].

use super::Checker;
use super::index::Index;
use super::text::{self, Evidence, count};
use squall_reports::Check;

/// No task outlives its host or piles up. Always on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoLeakedTask;

const NAME: &str = "no-leaked-task";

/// How many tasks more than at readiness a node may have at the end: operations in flight, a reconnect and a resync
/// under way need a few each, and a node with many tasks has more such work.
fn allowance(ready: usize) -> usize {
    8 + ready / 2
}

impl Checker for NoLeakedTask {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        let world = &record.world;
        let mut evidence = Evidence::default();
        let mut broken = Vec::new();
        let counts = [
            (world.polls_after_death, "poll of a dead incarnation's task", "polls of dead incarnations' tasks"),
            (world.sockets_after_death, "open socket of a dead incarnation", "open sockets of dead incarnations"),
            (world.escaped_spawns, "task spawned past the gate", "tasks spawned past the gate"),
        ];
        for (n, one, many) in counts {
            if n > 0 {
                broken.push(count(n as usize, one, many));
            }
        }
        let grown: Vec<_> = world.tasks.iter().filter(|(_, ready, end)| *end > ready + allowance(*ready)).collect();
        if let Some((node, ready, end)) = grown.iter().max_by_key(|(_, ready, end)| end - ready) {
            let nodes = count(grown.len(), "node", "nodes");
            broken.push(format!("{nodes} with too many tasks, node {node} went from {ready} to {end}"));
        }
        if broken.is_empty() {
            let most = world.tasks.iter().map(|(_, _, end)| *end).max().unwrap_or(0);
            let nodes = count(world.tasks.len(), "node", "nodes");
            return text::pass(NAME, format!("nothing outlived its host; at most {most} tasks on each of {nodes}"));
        }
        for what in &broken {
            evidence.note(record.end_ns, what);
        }
        for (node, ready, end) in grown {
            evidence.note(record.end_ns, format_args!("node {node} had {ready} tasks when ready and has {end}"));
        }
        text::fail(NAME, format!("leaked: {}", broken.join("; ")), evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::Run;
    use crate::record::WorldFacts;
    use squall_reports::Verdict;

    fn judge(world: WorldFacts) -> Check {
        let mut record = Run::of(2).finish();
        record.world = world;
        NoLeakedTask.check(&record)
    }

    #[test]
    fn growth_within_the_allowance_passes_and_one_more_fails() {
        let check = judge(WorldFacts { tasks: vec![(1, 10, 23), (2, 0, 8)], ..WorldFacts::default() });
        assert_eq!(check.verdict, Verdict::Pass, "{}", check.reason);
        let check = judge(WorldFacts { tasks: vec![(1, 10, 24), (2, 0, 9)], ..WorldFacts::default() });
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.reason.contains("2 nodes with too many tasks, node 1 went from 10 to 24"), "{}", check.reason);
    }

    #[test]
    fn fewer_tasks_than_at_readiness_pass() {
        let check = judge(WorldFacts { tasks: vec![(1, 10, 3)], ..WorldFacts::default() });
        assert_eq!(check.verdict, Verdict::Pass);
    }

    #[test]
    fn each_count_of_the_dead_fails_by_its_name() {
        for (world, words) in [
            (WorldFacts { polls_after_death: 1, ..WorldFacts::default() }, "1 poll of a dead"),
            (WorldFacts { sockets_after_death: 2, ..WorldFacts::default() }, "2 open sockets"),
            (WorldFacts { escaped_spawns: 3, ..WorldFacts::default() }, "3 tasks spawned past the gate"),
        ] {
            let check = judge(world);
            assert_eq!(check.verdict, Verdict::Fail);
            assert!(check.reason.contains(words), "{}", check.reason);
        }
    }
}
