//! Everything one run leaves behind for the checkers to judge.

use crate::scenario::Backend;
use ipnet::IpNet;
use squall_cluster::blocklist::Entry;
use squall_cluster::ids::Incarnation;
use squall_cluster::observe::NodeEvent;
use squall_sim::fault::PlannedFault;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It certainly happened.
    Ok,
    /// It certainly did not happen; why.
    Fail(String),
    /// It may have happened; why that is not known.
    Info(String),
}

/// What a client asked a node to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Block a network.
    Block {
        /// Which.
        net: IpNet,
        /// For how long.
        expires_in: Option<Duration>,
    },
    /// Unblock it.
    Unblock {
        /// Which.
        net: IpNet,
    },
}

/// One operation: invoked at one time, completed at another.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The node it was sent to, 1-based.
    pub node: u16,
    /// Which incarnation of that node, 0-based.
    pub incarnation: u32,
    /// What was asked.
    pub request: Request,
    /// Simulated time of the invocation, nanoseconds since the world began.
    pub invoked_ns: u64,
    /// Simulated time of the completion; `None` while open (the node died).
    pub completed_ns: Option<u64>,
    /// How it ended; `Info` while open.
    pub outcome: Outcome,
    /// The version the node gave it, when it answered.
    pub entry: Option<Entry>,
}

/// Something a node reported.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation of it, 0-based.
    pub incarnation: u32,
    /// What it reported.
    pub event: NodeEvent,
}

/// What one incarnation of a node received of one boot of a publisher; only messages with a number of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receptions {
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation of it, 0-based.
    pub incarnation: u32,
    /// Whose messages.
    pub publisher: Incarnation,
    /// The numbers received, ascending and with at least one number missing between two runs.
    pub runs: Vec<RangeInclusive<u64>>,
    /// Receptions that did not follow all earlier ones, by time.
    pub surprises: Vec<Surprise>,
}

/// A message that did not come after all that its receiver had of the publisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surprise {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// Its number.
    pub sequence: u64,
    /// The highest number before it.
    pub highest: u64,
    /// What it is.
    pub kind: SurpriseKind,
}

/// How a message can surprise its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SurpriseKind {
    /// It had come before.
    Repeated,
    /// It was overtaken by a later one.
    Overtaken,
}

impl Receptions {
    /// Nothing received yet.
    #[must_use]
    pub fn new(node: u16, incarnation: u32, publisher: Incarnation) -> Self {
        Self { node, incarnation, publisher, runs: Vec::new(), surprises: Vec::new() }
    }

    /// Takes note of one message. Allocates nothing while messages come in order.
    pub fn take_in(&mut self, sequence: u64, at_ns: u64) {
        match self.runs.last_mut() {
            None => self.runs.push(sequence..=sequence),
            Some(last) if sequence == last.end().saturating_add(1) => *last = *last.start()..=sequence,
            Some(last) if sequence > *last.end() => self.runs.push(sequence..=sequence),
            Some(last) => {
                let highest = *last.end();
                let kind = if self.contains(sequence) { SurpriseKind::Repeated } else { SurpriseKind::Overtaken };
                self.surprises.push(Surprise { at_ns, sequence, highest, kind });
                if kind == SurpriseKind::Overtaken {
                    self.fill(sequence);
                }
            }
        }
    }

    /// Whether this number was received.
    #[must_use]
    pub fn contains(&self, sequence: u64) -> bool {
        let place = self.runs.partition_point(|run| *run.end() < sequence);
        self.runs.get(place).is_some_and(|run| run.contains(&sequence))
    }

    /// Puts a number into the hole where it is missing.
    fn fill(&mut self, sequence: u64) {
        let place = self.runs.partition_point(|run| *run.end() < sequence);
        let mut run = sequence..=sequence;
        if self.runs[place].start().checked_sub(1) == Some(sequence) {
            run = sequence..=*self.runs.remove(place).end();
        }
        match place.checked_sub(1).map(|before| &mut self.runs[before]) {
            Some(before) if before.end() + 1 == sequence => *before = *before.start()..=*run.end(),
            _ => self.runs.insert(place, run),
        }
    }
}

/// A change in a host's life, in the order in which they happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeEvent {
    /// A new incarnation runs.
    Booted,
    /// Killed or without power.
    Died,
    /// Stopped as by SIGSTOP.
    Paused,
    /// Continued.
    Resumed,
}

/// When a node came and went.
#[derive(Clone, Debug)]
pub struct Life {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation, 0-based.
    pub incarnation: u32,
    /// What happened.
    pub event: LifeEvent,
}

/// A fault that was applied.
#[derive(Clone, Debug)]
pub struct AppliedFault {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The plan's entry.
    pub planned: PlannedFault,
    /// How often it mattered (packets dropped, tasks stopped, clocks read, …).
    pub effects: u64,
}

/// What one node held when the run ended.
#[derive(Clone, Debug)]
pub struct FinalState {
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation, 0-based; `None` when the node was down.
    pub incarnation: Option<u32>,
    /// Its list with tombstones, ordered by network.
    pub entries: Vec<Entry>,
}

/// A panic inside simulated code.
#[derive(Clone, Debug)]
pub struct Panic {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The host's name.
    pub host: String,
    /// Message and place.
    pub message: String,
}

/// What the world counted; see the always-on checkers.
#[derive(Clone, Debug, Default)]
pub struct WorldFacts {
    /// Polls of tasks of dead incarnations.
    pub polls_after_death: u64,
    /// Sockets of dead incarnations still open.
    pub sockets_after_death: u64,
    /// Tasks that were spawned past the world's gate.
    pub escaped_spawns: u64,
    /// Live tasks of each node when it was first ready and at the end, `(node, ready, end)`.
    pub tasks: Vec<(u16, usize, usize)>,
    /// Set when simulated time stood still while tasks kept running: where and how often.
    pub livelock: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct RunRecord {
    /// What the nodes were coordinated by; `None` in records that were not made by a run.
    pub backend: Option<Backend>,
    /// Number of nodes.
    pub nodes: u16,
    /// When the chaos phase began, nanoseconds since the world began.
    pub chaos_from_ns: u64,
    /// When everything was healed and the settle phase began.
    pub healed_ns: u64,
    /// When the run ended.
    pub end_ns: u64,
    /// Wall time of the Unix epoch at world time 0, milliseconds: `wall = epoch_ms + at_ns / 1e6` for an unskewed node.
    pub epoch_ms: u64,
    /// Operations, by invocation time.
    pub operations: Vec<Operation>,
    /// Observations, by time.
    pub observations: Vec<Observation>,
    /// Messages received, in the order of boots; empty unless a check or a measurement needs them.
    pub receptions: Vec<Receptions>,
    /// Lives, by time.
    pub lives: Vec<Life>,
    /// How many `[[fault]]` entries the scenario has.
    pub fault_entries: usize,
    /// Those of them that have no victims on this backend.
    pub inapplicable: Vec<usize>,
    /// Applied faults, by time.
    pub faults: Vec<AppliedFault>,
    /// What each node held at the end, by node.
    pub finals: Vec<FinalState>,
    /// What the store held at the end, ordered by network.
    pub stored: Vec<Entry>,
    /// Panics of simulated code.
    pub panics: Vec<Panic>,
    /// Counts.
    pub world: WorldFacts,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn received(sequences: &[u64]) -> Receptions {
        let mut receptions = Receptions::new(1, 0, Incarnation(7));
        for (at_ns, sequence) in (0..).zip(sequences) {
            receptions.take_in(*sequence, at_ns);
        }
        receptions
    }

    #[test]
    fn messages_in_order_are_one_run_whatever_their_number() {
        let all: Vec<u64> = (5..5_000).collect();
        let receptions = received(&all);
        assert_eq!((receptions.runs, receptions.surprises), (vec![5..=4_999], vec![]));
    }

    #[test]
    fn repeats_and_overtaken_messages_are_told_apart() {
        let receptions = received(&[1, 2, 5, 2, 3, 3]);
        let surprise = |at_ns, sequence, kind| Surprise { at_ns, sequence, highest: 5, kind };
        assert_eq!(receptions.runs, [1..=3, 5..=5]);
        assert_eq!(
            receptions.surprises,
            [
                surprise(3, 2, SurpriseKind::Repeated),
                surprise(4, 3, SurpriseKind::Overtaken),
                surprise(5, 3, SurpriseKind::Repeated),
            ]
        );
    }

    proptest! {
        #[test]
        fn runs_hold_exactly_what_was_received(sequences in prop::collection::vec(0..40_u64, 0..60)) {
            let receptions = received(&sequences);
            let expected: BTreeSet<u64> = sequences.iter().copied().collect();
            let held: Vec<u64> = receptions.runs.iter().cloned().flatten().collect();
            prop_assert_eq!(held, expected.iter().copied().collect::<Vec<_>>());
            prop_assert!((0..45).all(|sequence| receptions.contains(sequence) == expected.contains(&sequence)));
            let apart = receptions.runs.windows(2).all(|pair| pair[0].end() + 1 < *pair[1].start());
            prop_assert!(apart, "{:?}", receptions.runs);
            let repeats = receptions.surprises.iter().filter(|one| one.kind == SurpriseKind::Repeated).count();
            prop_assert_eq!(repeats, sequences.len() - expected.len());
        }
    }
}
