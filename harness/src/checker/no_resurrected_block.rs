//! `no-resurrected-block`: what was unblocked does not come back by itself.
//!
//! **Promise.** In one incarnation the versions of a network that take effect only ever get newer. And when the run
//! ends, no running node blocks a network by a version older than the newest acknowledged unblock of it.
//!
//! **Evidence.** The order in which each incarnation applied versions, the acknowledged unblocks, and the lists of the
//! running nodes at the end.
//!
//! **Fails** when an incarnation applies a version older than one it had, above all a block older than the unblock it
//! knew; when a node ends with such a block; and when a node still blocks what was unblocked elsewhere, with
//! acknowledgement, before the heal. A block that has expired by true time harms nobody and is left out.

use super::Checker;
use super::expiry::Standing;
use super::index::{Applied, Index, VersionId};
use super::lives::Slot;
use super::story;
use super::text::{self, Evidence, Net, Seconds, count, route, verb};
use squall_reports::Check;

/// An unblocked network stays open until somebody blocks it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoResurrectedBlock;

const NAME: &str = "no-resurrected-block";

/// An incarnation that went back in time.
struct Step {
    knew: Applied,
    then: Applied,
}

/// A node that ends with a block that an unblock had ended.
struct Undead {
    node: u16,
    unblock: VersionId,
    why: &'static str,
}

impl Checker for NoResurrectedBlock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let steps = steps_back(index);
        let undead = undead_at_the_end(index);
        if !steps.is_empty() || !undead.is_empty() {
            return failure(index, &steps, &undead);
        }
        let unblocks = index.versions.iter().filter(|version| !version.is_block()).count();
        if unblocks == 0 {
            let reason = "no address was ever unblocked: give the scenario's workload a share of unblocks".to_owned();
            return text::unknown(NAME, reason, Evidence::default());
        }
        let reason = format!(
            "{} stayed in force on {}; {} took effect, none older than what the node knew",
            count(unblocks, "unblock", "unblocks"),
            count(index.up.len(), "running node", "running nodes"),
            count(index.applied.len(), "version", "versions"),
        );
        text::pass(NAME, reason)
    }
}

fn steps_back(index: &Index<'_>) -> Vec<Step> {
    let mut net_of = vec![0; index.versions.len()];
    for (position, net) in index.nets.iter().enumerate() {
        net_of[net.versions.clone()].fill(position);
    }
    // The newest version each incarnation had so far, by slot and network.
    let mut newest: Vec<Option<Applied>> = vec![None; index.lives.spans.len() * index.nets.len()];
    let mut steps = Vec::new();
    for one in &index.applied {
        let cell = &mut newest[one.slot.0 * index.nets.len() + net_of[one.version.0]];
        match cell {
            Some(knew) if one.version < knew.version => steps.push(Step { knew: *knew, then: *one }),
            _ => *cell = Some(*one),
        }
    }
    // A block that came back is worse than any other step back: show it first.
    steps.sort_by_key(|step| !is_resurrection(index, step));
    steps
}

fn is_resurrection(index: &Index<'_>, step: &Step) -> bool {
    index.version(step.then.version).is_block() && !index.version(step.knew.version).is_block()
}

fn undead_at_the_end(index: &Index<'_>) -> Vec<Undead> {
    let mut found = Vec::new();
    for net in 0..index.nets.len() {
        let acknowledged = index.versions_of(net).rev().find(|(_, version)| {
            let answered_ns = version.operation.and_then(|operation| operation.completed_ns);
            !version.is_block()
                && version.is_acknowledged()
                && answered_ns.is_some_and(|at_ns| at_ns <= index.record.healed_ns)
        });
        let newest_unblock = index.versions_of(net).rev().find(|(_, version)| !version.is_block());
        let Some((newest_unblock, _)) = newest_unblock else { continue };
        for up in &index.up {
            let Some(held) = up.holds[net].filter(|held| index.expiry.at_end(held) == Standing::Blocks) else {
                continue;
            };
            let older = |id: &VersionId| held.version < index.version(*id).entry.version;
            let own = own_unblock(index, net, up.slot, newest_unblock).filter(older);
            if let Some(unblock) = own {
                found.push(Undead { node: up.node, unblock, why: "had applied" });
            } else if let Some(unblock) = acknowledged.map(|(id, _)| id).filter(older) {
                found.push(Undead { node: up.node, unblock, why: "should know" });
            }
        }
    }
    found
}

/// The newest unblock of the network that this incarnation applied.
fn own_unblock(index: &Index<'_>, net: usize, slot: Slot, newest: VersionId) -> Option<VersionId> {
    let unblocks = index.versions_of(net).rev().skip_while(|(id, _)| *id > newest);
    unblocks
        .filter(|(_, version)| !version.is_block())
        .map(|(id, _)| id)
        .find(|id| index.learned(net, slot, *id).is_some_and(|learned| learned.version == *id))
}

fn failure(index: &Index<'_>, steps: &[Step], undead: &[Undead]) -> Check {
    let mut evidence = Evidence::default();
    let mut reasons = Vec::new();
    if let Some(first) = steps.first() {
        let (knew, then) = (index.version(first.knew.version), index.version(first.then.version));
        reasons.push(format!(
            "node {} applied an older version of {} at {} ({}) over the one it knew since {} ({}); {}",
            index.node(first.then.slot),
            Net(&then.entry.net),
            Seconds(first.then.at_ns),
            story::origin(index, then),
            Seconds(first.knew.at_ns),
            story::origin(index, knew),
            count(steps.len(), "such step back", "such steps back"),
        ));
    }
    if let Some(first) = undead.first() {
        let unblock = index.version(first.unblock);
        reasons.push(format!(
            "node {} still blocks {} at the end although it {} the unblock ({}); {}",
            first.node,
            Net(&unblock.entry.net),
            first.why,
            story::origin(index, unblock),
            count(undead.len(), "such block", "such blocks"),
        ));
        evidence.note(index.record.end_ns, format_args!("node {} blocks {}", first.node, Net(&unblock.entry.net)));
    }
    for step in steps {
        for one in [step.knew, step.then] {
            let entry = index.version(one.version).entry;
            let line = format!(
                "node {} learned by {} that {} is {} (version {})",
                index.node(one.slot),
                route(one.source),
                Net(&entry.net),
                verb(entry),
                entry.version,
            );
            evidence.note(one.at_ns, line);
        }
    }
    if let Some(first) = undead.first() {
        story::tell(index, first.unblock, first.node, &mut evidence);
    }
    for one in undead.iter().skip(1) {
        let net = Net(&index.version(one.unblock).entry.net);
        evidence.note(index.record.end_ns, format_args!("node {} blocks {net}", one.node));
    }
    text::fail(NAME, reasons.join("; "), evidence)
}

#[cfg(test)]
#[path = "tests/no_resurrected_block.rs"]
mod tests;
