//! `blocklist-converges`: once everything is healed, all nodes block the same addresses.
//!
//! **Promise.** `within` after the heal, after an entry's creation or after a node's boot, whichever is last, every
//! node that is up knows the newest version of every network: all lists are equal, and equal to what the history
//! says they must be.
//!
//! **Evidence.** The lists of the running nodes at the end, the acknowledged operations, and when which node applied
//! which version.
//!
//! **Fails** when a running node lacks an entry, holds an older or different version, or still blocks what ended; and
//! when a node applied a version later than promised. Expiry is judged by true time; entries that expire so close to
//! the end that a skewed clock may see it either way are left out. A version that nobody was promised and only dead
//! processes knew may be in all lists or in none.

use super::Checker;
use super::expiry::Standing;
use super::index::{Index, UpNode, VersionId};
use super::lives::Slot;
use super::story;
use super::text::{self, Evidence, Net, Seconds, count, nodes, route, verb};
use squall_cluster::blocklist::Entry;
use squall_reports::Check;
use std::collections::BTreeSet;
use std::time::Duration;

/// All nodes end up with the same list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlocklistConverges {
    /// How long after the heal the lists may still differ.
    pub within: Duration,
}

const NAME: &str = "blocklist-converges";

/// A node that has a network wrong at the end.
struct Difference {
    node: u16,
    /// What it should know.
    version: VersionId,
    what: &'static str,
}

/// A version that reached a node after its time.
struct Late {
    node: u16,
    version: VersionId,
    at_ns: u64,
    deadline_ns: u64,
    how: &'static str,
}

/// What all nodes should agree on.
struct Model {
    /// The newest version that counts, by network.
    newest: Vec<Option<VersionId>>,
    /// How many of them block at the end.
    live: usize,
    /// How many expire too close to the end to judge.
    unclear: usize,
}

impl Checker for BlocklistConverges {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        if index.up.len() < 2 {
            let up = count(index.up.len(), "node was", "nodes were");
            let reason = format!("{up} up at the end of {}: nothing to compare", record.nodes);
            return text::unknown(NAME, reason, Evidence::default());
        }
        if index.versions.is_empty() {
            let reason = "no address was ever blocked: give the scenario a workload that blocks some".to_owned();
            return text::unknown(NAME, reason, Evidence::default());
        }
        let model = Model::new(index);
        let (differences, undecided): (Vec<_>, Vec<_>) = differences(index, &model)
            .into_iter()
            .partition(|(slot, difference)| self.deadline_ns(index, *slot, difference.version) <= record.end_ns);
        let differences: Vec<Difference> = differences.into_iter().map(|(_, difference)| difference).collect();
        let late = self.late(index);
        if !differences.is_empty() || !late.is_empty() {
            return self.failure(index, &differences, &late);
        }
        if let Some((_, first)) = undecided.first() {
            let reason = format!(
                "{} at the end, the first on node {}, but not yet {} old: make the settle phase longer",
                count(undecided.len(), "list entry differs", "list entries differ"),
                first.node,
                self.within_text(),
            );
            let mut evidence = Evidence::default();
            story::tell(index, first.version, first.node, &mut evidence);
            return text::unknown(NAME, reason, evidence);
        }
        text::pass(NAME, agreement(index, &model))
    }
}

impl BlocklistConverges {
    fn within_ns(&self) -> u64 {
        u64::try_from(self.within.as_nanos()).unwrap_or(u64::MAX)
    }

    fn within_text(&self) -> String {
        Seconds(self.within_ns()).to_string()
    }

    /// When that incarnation must know that version.
    fn deadline_ns(&self, index: &Index<'_>, slot: Slot, version: VersionId) -> u64 {
        let created_ns = index.version(version).created_ns();
        let from_ns = index.record.healed_ns.max(created_ns).max(index.lives.span(slot).booted_ns);
        from_ns.saturating_add(self.within_ns())
    }

    fn late(&self, index: &Index<'_>) -> Vec<Late> {
        let earliest_ns = index.record.healed_ns.saturating_add(self.within_ns());
        let start = index.applied.partition_point(|one| one.at_ns <= earliest_ns);
        let candidates = index.applied[start..].iter().filter(|one| {
            // News about what has ended by itself changes nothing for anybody.
            one.at_ns < index.expiry.ends_ns(index.version(one.version).entry)
        });
        candidates
            .filter_map(|one| {
                let deadline_ns = self.deadline_ns(index, one.slot, one.version);
                (one.at_ns > deadline_ns).then(|| Late {
                    node: index.node(one.slot),
                    version: one.version,
                    at_ns: one.at_ns,
                    deadline_ns,
                    how: route(one.source),
                })
            })
            .collect()
    }

    fn failure(&self, index: &Index<'_>, differences: &[Difference], late: &[Late]) -> Check {
        let mut evidence = Evidence::default();
        let mut reasons = Vec::new();
        let end_ns = index.record.end_ns;
        if let Some(first) = differences.first() {
            let wrong: BTreeSet<u16> = differences.iter().map(|difference| difference.node).collect();
            let wrong: Vec<u16> = wrong.into_iter().collect();
            reasons.push(format!(
                "node {} {} {} at the end, {} after the heal; {} on {} of {} running nodes",
                first.node,
                first.what,
                described(index, first.version),
                Seconds(end_ns.saturating_sub(index.record.healed_ns)),
                count(differences.len(), "difference", "differences"),
                wrong.len(),
                index.up.len(),
            ));
            evidence.note(end_ns, format_args!("the lists of {} are wrong", nodes(&wrong)));
        }
        if let Some(first) = late.first() {
            reasons.push(format!(
                "node {} learned {} by {} only at {}, {} later than promised; {} too late",
                first.node,
                described(index, first.version),
                first.how,
                Seconds(first.at_ns),
                Seconds(first.at_ns - first.deadline_ns),
                count(late.len(), "version came", "versions came"),
            ));
        }
        let wrong = differences.first().map(|difference| (difference.version, difference.node));
        if let Some((version, node)) = wrong.or_else(|| late.first().map(|late| (late.version, late.node))) {
            story::tell(index, version, node, &mut evidence);
        }
        for difference in differences {
            let net = Net(&index.version(difference.version).entry.net);
            evidence.note(end_ns, format_args!("node {} {} {net}", difference.node, difference.what));
        }
        for late in late {
            let entry = index.version(late.version).entry;
            let line = format!("node {} learned that {} is {}", late.node, Net(&entry.net), verb(entry));
            evidence.note(late.at_ns, line);
        }
        text::fail(NAME, reasons.join("; "), evidence)
    }
}

impl Model {
    fn new(index: &Index<'_>) -> Self {
        let newest: Vec<Option<VersionId>> = (0..index.nets.len())
            .map(|net| index.versions_of(net).rev().find(|(_, version)| version.is_binding()).map(|(id, _)| id))
            .collect();
        let with = |wanted: Standing| {
            let standings = newest.iter().flatten().map(|id| index.expiry.at_end(index.version(*id).entry));
            standings.filter(|standing| *standing == wanted).count()
        };
        let (live, unclear) = (with(Standing::Blocks), with(Standing::Unclear));
        Self { newest, live, unclear }
    }
}

fn differences(index: &Index<'_>, model: &Model) -> Vec<(Slot, Difference)> {
    let mut found = Vec::new();
    for (net, newest) in model.newest.iter().enumerate() {
        let Some(version) = *newest else { continue };
        let expected = index.version(version).entry;
        let standing = index.expiry.at_end(expected);
        if standing == Standing::Unclear {
            continue;
        }
        for up in &index.up {
            if let Some(what) = difference(index, up, net, expected, standing) {
                found.push((up.slot, Difference { node: up.node, version, what }));
            }
        }
    }
    found
}

/// What is wrong about a node's entry of one network, as a verb that takes the network.
fn difference(
    index: &Index<'_>,
    up: &UpNode<'_>,
    net: usize,
    expected: &Entry,
    standing: Standing,
) -> Option<&'static str> {
    let held = up.holds[net];
    match (standing, held) {
        (Standing::Blocks, None) => Some("misses"),
        (Standing::Blocks, Some(held)) if held == expected => None,
        (Standing::Blocks, Some(held)) if held.version == expected.version => Some("has a changed copy of"),
        (Standing::Blocks, Some(_)) => Some("has an old version of"),
        (_, Some(held)) if index.expiry.at_end(held) == Standing::Blocks => Some("still blocks"),
        _ => None,
    }
}

fn described(index: &Index<'_>, id: VersionId) -> String {
    let version = index.version(id);
    format!("{} ({})", Net(&version.entry.net), story::origin(index, version))
}

fn agreement(index: &Index<'_>, model: &Model) -> String {
    let nodes = count(index.up.len(), "node agrees", "nodes agree");
    let entries = count(model.live, "live entry", "live entries");
    let healed_ns = index.record.healed_ns;
    let last = match index.applied.last().map(|one| one.at_ns) {
        Some(at_ns) if at_ns > healed_ns => format!("{} after the heal", Seconds(at_ns - healed_ns)),
        Some(at_ns) => format!("{} before the heal", Seconds(healed_ns - at_ns)),
        None => "before anybody watched".to_owned(),
    };
    let unclear = match model.unclear {
        0 => String::new(),
        some => format!("; {} at the end left out", count(some, "entry that expires", "entries that expire")),
    };
    format!("{nodes} on {entries}; the last news was applied {last}{unclear}")
}

#[cfg(test)]
#[path = "tests/blocklist_converges.rs"]
mod tests;
