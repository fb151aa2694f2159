//! Builds small records by hand, so that a test reads as the story it judges.

use crate::record::{AppliedFault, FinalState, Life, LifeEvent, Observation, Operation, Outcome, Request, RunRecord};
use ipnet::IpNet;
use squall_cluster::blocklist::{Entry, Hlc, State};
use squall_cluster::ids::Incarnation;
use squall_cluster::observe::{NodeEvent, Source};
use squall_sim::fault::{Fault, PlannedFault};
use std::collections::BTreeMap;
use std::time::Duration;

/// Wall time at world time 0, milliseconds.
pub(super) const EPOCH_MS: u64 = 1_700_000_000_000;

/// Milliseconds as nanoseconds.
pub(super) fn ms(ms: u64) -> u64 {
    ms * 1_000_000
}

/// An address or a network.
pub(super) fn net(text: &str) -> IpNet {
    text.parse().unwrap_or_else(|_| IpNet::from(text.parse::<std::net::IpAddr>().unwrap()))
}

/// A block with an end, made by nobody in particular.
pub(super) fn blocked_until(address: &str, expires_ms: u64) -> Entry {
    let version = Hlc { wall_ms: EPOCH_MS, counter: 0, incarnation: Incarnation(1) };
    let state = State::Blocked { reason: "test".into(), expires_ms: Some(expires_ms) };
    Entry { net: net(address), version, state }
}

/// A run in the making: chaos from 1 s to 60 s, end at 80 s, all nodes booted at 0. Times are milliseconds.
pub(super) struct Run {
    record: RunRecord,
    incarnations: BTreeMap<u16, u32>,
    down: BTreeMap<u16, bool>,
    counter: u32,
}

impl Run {
    pub(super) fn of(nodes: u16) -> Self {
        let record = RunRecord {
            nodes,
            chaos_from_ns: ms(1_000),
            healed_ns: ms(60_000),
            end_ns: ms(80_000),
            epoch_ms: EPOCH_MS,
            ..RunRecord::default()
        };
        let mut run = Self { record, incarnations: BTreeMap::new(), down: BTreeMap::new(), counter: 0 };
        for node in 1..=nodes {
            run.incarnations.insert(node, 0);
            run.life(node, 0, LifeEvent::Booted);
        }
        run
    }

    fn life(&mut self, node: u16, at_ms: u64, event: LifeEvent) -> &mut Self {
        let incarnation = self.incarnations[&node];
        self.record.lives.push(Life { at_ns: ms(at_ms), node, incarnation, event });
        self
    }

    pub(super) fn kill(&mut self, node: u16, at_ms: u64) -> &mut Self {
        self.down.insert(node, true);
        self.life(node, at_ms, LifeEvent::Died)
    }

    pub(super) fn boot(&mut self, node: u16, at_ms: u64) -> &mut Self {
        self.down.insert(node, false);
        *self.incarnations.entry(node).or_default() += 1;
        self.life(node, at_ms, LifeEvent::Booted)
    }

    pub(super) fn pause(&mut self, node: u16, at_ms: u64) -> &mut Self {
        self.life(node, at_ms, LifeEvent::Paused)
    }

    pub(super) fn resume(&mut self, node: u16, at_ms: u64) -> &mut Self {
        self.life(node, at_ms, LifeEvent::Resumed)
    }

    pub(super) fn see(&mut self, node: u16, at_ms: u64, event: NodeEvent) -> &mut Self {
        let incarnation = self.incarnations[&node];
        self.record.observations.push(Observation { at_ns: ms(at_ms), node, incarnation, event });
        self
    }

    pub(super) fn learn(&mut self, node: u16, at_ms: u64, entry: &Entry, source: Source) -> &mut Self {
        self.see(node, at_ms, NodeEvent::Applied { entry: entry.clone(), source })
    }

    /// Every node but `origin` learns the entry by broadcast.
    pub(super) fn broadcast(&mut self, origin: u16, at_ms: u64, entry: &Entry) -> &mut Self {
        for node in (1..=self.record.nodes).filter(|node| *node != origin) {
            self.learn(node, at_ms, entry, Source::Broadcast);
        }
        self
    }

    fn version(&mut self, node: u16, at_ms: u64) -> Hlc {
        self.counter += 1;
        let boot = u64::from(node) * 100 + u64::from(self.incarnations[&node]);
        Hlc { wall_ms: EPOCH_MS + at_ms, counter: self.counter, incarnation: Incarnation(boot) }
    }

    fn operate(&mut self, node: u16, at_ms: u64, request: Request, outcome: Outcome, entry: Option<Entry>) {
        self.record.operations.push(Operation {
            node,
            incarnation: self.incarnations[&node],
            request,
            invoked_ns: ms(at_ms),
            completed_ns: (outcome == Outcome::Ok).then(|| ms(at_ms + 5)),
            outcome,
            entry,
        });
    }

    /// An acknowledged block: takes effect at once, is stored and answered 5 ms later.
    pub(super) fn block(&mut self, node: u16, at_ms: u64, address: &str) -> Entry {
        self.block_for(node, at_ms, address, None)
    }

    pub(super) fn block_for(&mut self, node: u16, at_ms: u64, address: &str, expires_in: Option<Duration>) -> Entry {
        let expires_ms = expires_in.map(|after| EPOCH_MS + at_ms + after.as_millis() as u64);
        let state = State::Blocked { reason: "test".into(), expires_ms };
        let entry = Entry { net: net(address), version: self.version(node, at_ms), state };
        let request = Request::Block { net: entry.net, expires_in };
        self.operate(node, at_ms, request, Outcome::Ok, Some(entry.clone()));
        self.record.stored.push(entry.clone());
        self.learn(node, at_ms, &entry, Source::Local);
        entry
    }

    pub(super) fn unblock(&mut self, node: u16, at_ms: u64, address: &str) -> Entry {
        let entry = Entry { net: net(address), version: self.version(node, at_ms), state: State::Unblocked };
        self.operate(node, at_ms, Request::Unblock { net: entry.net }, Outcome::Ok, Some(entry.clone()));
        self.record.stored.push(entry.clone());
        self.learn(node, at_ms, &entry, Source::Local);
        entry
    }

    /// A block that took effect on its node and was never answered nor stored.
    pub(super) fn block_unanswered(&mut self, node: u16, at_ms: u64, address: &str) -> Entry {
        let state = State::Blocked { reason: "test".into(), expires_ms: None };
        let entry = Entry { net: net(address), version: self.version(node, at_ms), state };
        let request = Request::Block { net: entry.net, expires_in: None };
        self.operate(node, at_ms, request, Outcome::Info("the node died".into()), None);
        self.learn(node, at_ms, &entry, Source::Local);
        entry
    }

    pub(super) fn fault(&mut self, at_ms: u64, entry: usize, fault: Fault, effects: u64) -> &mut Self {
        let planned = PlannedFault { at_ns: ms(at_ms) - self.record.chaos_from_ns, entry, undo: false, fault };
        self.record.fault_entries = self.record.fault_entries.max(planned.entry + 1);
        self.record.faults.push(AppliedFault { at_ns: ms(at_ms), planned, effects });
        self
    }

    /// The record: each running node holds the newest of what its incarnation applied.
    pub(super) fn finish(&mut self) -> RunRecord {
        let mut record = self.record.clone();
        record.observations.sort_by_key(|seen| seen.at_ns);
        record.lives.sort_by_key(|life| life.at_ns);
        record.operations.sort_by_key(|operation| operation.invoked_ns);
        record.stored = newest(record.stored.iter());
        for node in 1..=record.nodes {
            let incarnation = self.incarnations[&node];
            let down = self.down.get(&node).copied().unwrap_or(false);
            let applied = record.observations.iter().filter_map(|seen| match &seen.event {
                NodeEvent::Applied { entry, .. } if (seen.node, seen.incarnation) == (node, incarnation) => Some(entry),
                _ => None,
            });
            let entries = if down { Vec::new() } else { newest(applied) };
            record.finals.push(FinalState { node, incarnation: (!down).then_some(incarnation), entries });
        }
        record
    }
}

fn newest<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<Entry> {
    let mut list: BTreeMap<IpNet, &Entry> = BTreeMap::new();
    for entry in entries {
        let held = list.entry(entry.net).or_insert(entry);
        if held.version < entry.version {
            *held = entry;
        }
    }
    list.into_values().cloned().collect()
}
