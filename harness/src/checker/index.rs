//! One pass over a record, so that no checker scans the observations twice.

use super::expiry::Expiry;
use super::lives::{Lives, Slot};
use crate::record::{Operation, Outcome, RunRecord};
use ipnet::IpNet;
use squall_cluster::blocklist::{Entry, Hlc, State};
use squall_cluster::observe::{NodeEvent, Source};
use std::collections::BTreeMap;
use std::ops::Range;

/// One version of one network's entry: a position in [`Index::versions`], ordered by network, then version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct VersionId(pub(super) usize);

/// Everything the record says about one version.
#[derive(Clone, Debug)]
pub(super) struct Version<'r> {
    /// As its origin made it, where that is known.
    pub(super) entry: &'r Entry,
    /// Where and when its own node put it into effect.
    pub(super) origin: Option<(Slot, u64)>,
    /// When it first took effect anywhere; `None` when nobody reported that.
    first_applied_ns: Option<u64>,
    /// The operation that was answered with it.
    pub(super) operation: Option<&'r Operation>,
    /// Applied or held by a process that is up at the end.
    alive: bool,
}

impl Version<'_> {
    /// Whether a client was told that it is durable.
    pub(super) fn is_acknowledged(&self) -> bool {
        self.operation.is_some_and(|operation| operation.outcome == Outcome::Ok)
    }

    /// Whether every node must know it: it was acknowledged, or a running process knows it. What only the dead
    /// knew and nobody was promised may be gone.
    pub(super) fn is_binding(&self) -> bool {
        self.is_acknowledged() || self.alive
    }

    /// When it came into the world, as far as the record tells.
    pub(super) fn created_ns(&self) -> u64 {
        self.first_applied_ns.or_else(|| self.operation.and_then(|operation| operation.completed_ns)).unwrap_or(0)
    }

    /// Whether it blocks (it may still expire).
    pub(super) fn is_block(&self) -> bool {
        matches!(self.entry.state, State::Blocked { .. })
    }
}

/// A version that took effect in one incarnation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Applied {
    pub(super) at_ns: u64,
    pub(super) slot: Slot,
    pub(super) version: VersionId,
    pub(super) source: Source,
}

/// A node that is up at the end and what it holds.
#[derive(Debug)]
pub(super) struct UpNode<'r> {
    pub(super) node: u16,
    pub(super) slot: Slot,
    /// By position in [`Index::nets`].
    pub(super) holds: Vec<Option<&'r Entry>>,
}

/// A network and its versions, oldest version first.
#[derive(Clone, Debug)]
pub(super) struct NetVersions {
    pub(super) net: IpNet,
    pub(super) versions: Range<usize>,
}

/// The record of a run, sorted out.
#[derive(Debug)]
pub struct Index<'r> {
    pub(super) record: &'r RunRecord,
    pub(super) lives: Lives,
    pub(super) expiry: Expiry,
    pub(super) versions: Vec<Version<'r>>,
    /// Ordered by network.
    pub(super) nets: Vec<NetVersions>,
    /// By time.
    pub(super) applied: Vec<Applied>,
    /// By node; without nodes that are paused at the end.
    pub(super) up: Vec<UpNode<'r>>,
    /// By network: the news of each slot, ordered by slot, then version (and so by time).
    news: Vec<Vec<Applied>>,
}

/// Versions in the order in which they are met, until all are known.
#[derive(Default)]
struct Collector<'r> {
    ids: BTreeMap<(IpNet, Hlc), usize>,
    versions: Vec<Version<'r>>,
}

impl<'r> Collector<'r> {
    fn version(&mut self, entry: &'r Entry) -> (usize, &mut Version<'r>) {
        let versions = &mut self.versions;
        let id = *self.ids.entry((entry.net, entry.version)).or_insert_with(|| {
            versions.push(Version { entry, origin: None, first_applied_ns: None, operation: None, alive: false });
            versions.len() - 1
        });
        (id, &mut versions[id])
    }
}

impl<'r> Index<'r> {
    /// Sorts a record out, in one pass over its observations.
    #[must_use]
    pub fn new(record: &'r RunRecord) -> Self {
        let lives = Lives::new(record);
        let alive = slots_alive(record, &lives);
        let mut collector = Collector::default();
        for operation in &record.operations {
            if let Some(entry) = &operation.entry {
                collector.version(entry).1.operation = Some(operation);
            }
        }
        let mut applied = collect_applied(record, &lives, &alive, &mut collector);
        for last in &record.finals {
            let running = last.incarnation.and_then(|incarnation| lives.slot(last.node, incarnation));
            let counts = running.is_some_and(|slot| alive[slot.0]);
            for entry in &last.entries {
                collector.version(entry).1.alive |= counts;
            }
        }
        for entry in &record.stored {
            collector.version(entry);
        }

        // Give the versions their final order, and everything that names one its final number.
        let mut ranks = vec![0; collector.versions.len()];
        let mut versions = Vec::with_capacity(ranks.len());
        let mut nets: Vec<NetVersions> = Vec::new();
        for (rank, ((net, _), met)) in collector.ids.iter().enumerate() {
            ranks[*met] = rank;
            versions.push(collector.versions[*met].clone());
            match nets.last_mut() {
                Some(last) if last.net == *net => last.versions.end = rank + 1,
                _ => nets.push(NetVersions { net: *net, versions: rank..rank + 1 }),
            }
        }
        for one in &mut applied {
            one.version = VersionId(ranks[one.version.0]);
        }
        let news = collect_news(&applied, &nets, versions.len());
        let up = collect_up(record, &lives, &alive, &nets);
        Self { record, lives, expiry: Expiry::new(record), versions, nets, applied, up, news }
    }

    pub(super) fn version(&self, id: VersionId) -> &Version<'r> {
        &self.versions[id.0]
    }

    /// The versions of one network, oldest first, with their ids.
    pub(super) fn versions_of(&self, net: usize) -> impl DoubleEndedIterator<Item = (VersionId, &Version<'r>)> {
        self.nets[net].versions.clone().map(|id| (VersionId(id), &self.versions[id]))
    }

    /// When and how an incarnation first knew this version of the network (by position) or a newer one.
    pub(super) fn learned(&self, net: usize, slot: Slot, id: VersionId) -> Option<&Applied> {
        let news = &self.news[net];
        let place = news.partition_point(|one| (one.slot, one.version) < (slot, id));
        news.get(place).filter(|one| one.slot == slot)
    }

    /// The node of an incarnation.
    pub(super) fn node(&self, slot: Slot) -> u16 {
        self.lives.span(slot).node
    }

    /// The position of a network, if any version of it is known.
    pub(super) fn net(&self, net: &IpNet) -> Option<usize> {
        position(&self.nets, net)
    }
}

fn position(nets: &[NetVersions], net: &IpNet) -> Option<usize> {
    nets.binary_search_by(|one| one.net.cmp(net)).ok()
}

/// Which slots run when the run ends.
fn slots_alive(record: &RunRecord, lives: &Lives) -> Vec<bool> {
    let mut alive = vec![false; lives.spans.len()];
    for last in &record.finals {
        if let Some(slot) = last.incarnation.and_then(|incarnation| lives.slot(last.node, incarnation)) {
            alive[slot.0] = !lives.is_paused_at(slot, record.end_ns);
        }
    }
    alive
}

fn collect_applied<'r>(
    record: &'r RunRecord,
    lives: &Lives,
    alive: &[bool],
    collector: &mut Collector<'r>,
) -> Vec<Applied> {
    let mut applied = Vec::with_capacity(record.observations.len());
    for seen in &record.observations {
        let NodeEvent::Applied { entry, source } = &seen.event else { continue };
        let Some(slot) = lives.slot(seen.node, seen.incarnation) else { continue };
        let (id, version) = collector.version(entry);
        version.first_applied_ns.get_or_insert(seen.at_ns);
        version.alive |= alive[slot.0];
        if *source == Source::Local && version.origin.is_none() {
            version.origin = Some((slot, seen.at_ns));
            version.entry = entry;
        }
        applied.push(Applied { at_ns: seen.at_ns, slot, version: VersionId(id), source: *source });
    }
    applied
}

/// For each network and slot the versions that were newer than all before.
fn collect_news(applied: &[Applied], nets: &[NetVersions], versions: usize) -> Vec<Vec<Applied>> {
    let mut net_of = vec![0; versions];
    for (position, net) in nets.iter().enumerate() {
        net_of[net.versions.clone()].fill(position);
    }
    let mut news: Vec<Vec<Applied>> = vec![Vec::new(); nets.len()];
    for one in applied {
        news[net_of[one.version.0]].push(*one);
    }
    for list in &mut news {
        // Stable: within a slot the order stays that of time.
        list.sort_by_key(|one| one.slot);
        list.dedup_by(|next, kept| next.slot == kept.slot && next.version <= kept.version);
    }
    news
}

fn collect_up<'r>(record: &'r RunRecord, lives: &Lives, alive: &[bool], nets: &[NetVersions]) -> Vec<UpNode<'r>> {
    let mut up = Vec::with_capacity(record.finals.len());
    for last in &record.finals {
        let Some(slot) = last.incarnation.and_then(|incarnation| lives.slot(last.node, incarnation)) else { continue };
        if !alive[slot.0] {
            continue;
        }
        let mut holds = vec![None; nets.len()];
        for entry in &last.entries {
            if let Some(net) = position(nets, &entry.net) {
                holds[net] = Some(entry);
            }
        }
        up.push(UpNode { node: last.node, slot, holds });
    }
    up
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::{Run, ms, net};

    #[test]
    fn versions_are_ordered_by_network_then_version() {
        let mut run = Run::of(2);
        run.block(1, 5_000, "10.0.0.2");
        run.block(1, 6_000, "10.0.0.1");
        run.unblock(2, 7_000, "10.0.0.1");
        let record = run.finish();
        let index = Index::new(&record);
        let first = index.net(&net("10.0.0.1")).unwrap();
        assert_eq!(first, 0);
        let states: Vec<bool> = index.versions_of(first).map(|(_, version)| version.is_block()).collect();
        assert_eq!(states, [true, false]);
        assert_eq!(index.net(&net("10.9.9.9")), None);
    }

    #[test]
    fn learning_a_newer_version_counts_as_learning_the_older_one() {
        let mut run = Run::of(2);
        let old = run.block(1, 5_000, "10.0.0.1");
        let new = run.unblock(1, 6_000, "10.0.0.1");
        run.learn(2, 6_500, &new, Source::Resync).learn(2, 6_600, &old, Source::Broadcast);
        let record = run.finish();
        let index = Index::new(&record);
        let slot = index.lives.slot(2, 0).unwrap();
        let learned = index.learned(0, slot, VersionId(0)).unwrap();
        assert_eq!((learned.at_ns, learned.source), (ms(6_500), Source::Resync));
        assert!(index.learned(0, slot, VersionId(1)).is_some());
    }

    #[test]
    fn what_only_the_dead_knew_binds_nobody() {
        let mut run = Run::of(3);
        run.block_unanswered(1, 5_000, "10.0.0.1");
        run.kill(1, 5_001);
        let record = run.finish();
        let index = Index::new(&record);
        assert!(!index.versions[0].is_binding());
        assert_eq!(index.up.len(), 2);
    }
}
