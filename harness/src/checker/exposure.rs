//! `exposure`: for how long a blocked address was still let in elsewhere.
//!
//! **Promise.** No node lets a blocked network in for longer than `max` in all, from the moment the block took effect
//! on its origin until that node applied it or something newer.
//!
//! **Evidence.** When which node applied which version and how it learned it, and the times at which each node ran:
//! one that is down or paused lets nobody in. An incarnation that booted later counts from its boot. Exposure ends
//! with the block: by expiry (true time), when a newer unblock takes effect anywhere, or with the run.
//!
//! **Fails** when the longest exposure of one node to one entry exceeds `max`. The reason gives all node-seconds by
//! what ended them: propagation (broadcast), reconnect (resync or boot), anti-entropy, an operation of the node's
//! own, or nothing. A second in which two versions of one block were both missing counts once.

use super::Checker;
use super::index::{Index, VersionId};
use super::lives::Slot;
use super::story;
use super::text::{self, Evidence, Net, Seconds, count};
use squall_cluster::observe::Source;
use squall_reports::{Check, compare};
use std::fmt;
use std::time::Duration;

/// Bounds how long a blocked network is let in anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The longest exposure of one node to one entry.
    pub max: Duration,
}

const NAME: &str = "exposure";

/// What ended an exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Propagation,
    Reconnect,
    AntiEntropy,
    OwnOperation,
    Never,
}

impl Ended {
    fn by(source: Source) -> Self {
        match source {
            Source::Broadcast => Self::Propagation,
            Source::Boot | Source::Resync => Self::Reconnect,
            Source::AntiEntropy => Self::AntiEntropy,
            Source::Local => Self::OwnOperation,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Propagation => "propagation",
            Self::Reconnect => "reconnect",
            Self::AntiEntropy => "anti-entropy",
            Self::OwnOperation => "own operation",
            Self::Never => "never learned",
        })
    }
}

/// One node's exposure to one version of a block.
#[derive(Clone, Copy, Debug)]
struct Case {
    node: u16,
    version: VersionId,
    ns: u64,
    /// What ended its last part.
    ended: Ended,
}

/// All exposures of a run.
#[derive(Default)]
struct Sum {
    /// Node-nanoseconds by what ended them, in the order of [`Ended`].
    by_end_ns: [u64; 5],
    blocks: usize,
    cases: Vec<Case>,
}

impl Checker for Exposure {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        let mut sum = measure(index);
        if sum.blocks == 0 || record.nodes < 2 {
            let reason = format!(
                "{} took effect among {}: nobody could be exposed",
                count(sum.blocks, "block", "blocks"),
                count(usize::from(record.nodes), "node", "nodes"),
            );
            return text::unknown(NAME, reason, Evidence::default());
        }
        sum.cases.sort_by_key(|case| std::cmp::Reverse(case.ns));
        let limit_ns = u64::try_from(self.max.as_nanos()).unwrap_or(u64::MAX);
        let Some(worst) = sum.cases.first() else {
            let blocks = count(sum.blocks, "block", "blocks");
            return text::pass(NAME, format!("{blocks} took effect, and no other running node was ever without them"));
        };
        if worst.ns <= limit_ns {
            return text::pass(NAME, format!("worst {}; {}", described(index, worst), sum.totals()));
        }
        let over = sum.cases.iter().take_while(|case| case.ns > limit_ns);
        let mut evidence = Evidence::default();
        story::tell(index, worst.version, worst.node, &mut evidence);
        for case in over.clone() {
            evidence.note(index.version(case.version).created_ns(), described(index, case));
        }
        let reason = format!(
            "{} of {} took longer than {}, the worst {}; {}",
            over.count(),
            count(sum.cases.len(), "exposure", "exposures"),
            Seconds(limit_ns),
            described(index, worst),
            sum.totals(),
        );
        text::fail(NAME, reason, evidence)
    }
}

/// All node-seconds of a run, whatever is allowed.
pub(super) fn node_seconds(index: &Index<'_>) -> compare::Exposure {
    let Sum { by_end_ns, blocks, .. } = measure(index);
    let ended_by = |kind: Ended| by_end_ns[kind as usize];
    compare::Exposure {
        blocks: blocks as u64,
        propagation_ns: ended_by(Ended::Propagation),
        reconnect_ns: ended_by(Ended::Reconnect),
        anti_entropy_ns: ended_by(Ended::AntiEntropy),
        own_operation_ns: ended_by(Ended::OwnOperation),
        never_ns: ended_by(Ended::Never),
    }
}

impl Sum {
    fn totals(&self) -> String {
        let kinds = [Ended::Propagation, Ended::Reconnect, Ended::AntiEntropy, Ended::OwnOperation, Ended::Never];
        let parts: Vec<String> =
            kinds.iter().map(|kind| format!("{kind} {}", Seconds(self.by_end_ns[*kind as usize]))).collect();
        let blocks = count(self.blocks, "block", "blocks");
        format!("node-seconds let in over {blocks}: {}", parts.join(", "))
    }
}

fn described(index: &Index<'_>, case: &Case) -> String {
    let version = index.version(case.version);
    format!(
        "{} ({}) was let in by node {} for {}, ended by: {}",
        Net(&version.entry.net),
        story::origin(index, version),
        case.node,
        Seconds(case.ns),
        case.ended,
    )
}

fn measure(index: &Index<'_>) -> Sum {
    let mut sum = Sum::default();
    // Up to when each slot's exposure to the current network is already in the totals.
    let mut counted_ns = vec![0; index.lives.spans.len()];
    for net in 0..index.nets.len() {
        counted_ns.fill(0);
        let mut blocks: Vec<(u64, u64, VersionId)> = windows(index, net);
        blocks.sort_unstable();
        sum.blocks += blocks.len();
        for (from_ns, to_ns, version) in blocks {
            for node in 1..=index.record.nodes {
                let case = expose(index, net, (from_ns, to_ns, version), node, &mut counted_ns, &mut sum.by_end_ns);
                sum.cases.extend(case);
            }
        }
    }
    sum
}

/// From when to when each block of a network was in force.
fn windows(index: &Index<'_>, net: usize) -> Vec<(u64, u64, VersionId)> {
    let mut unblocked_ns = u64::MAX;
    let mut windows = Vec::new();
    for (id, version) in index.versions_of(net).rev() {
        let took_effect = version.origin.is_some() || version.is_acknowledged();
        if !version.is_block() {
            unblocked_ns = unblocked_ns.min(if took_effect { version.created_ns() } else { u64::MAX });
        } else if took_effect {
            let to_ns = unblocked_ns.min(index.expiry.ends_ns(version.entry)).min(index.record.end_ns);
            windows.push((version.created_ns(), to_ns, id));
        }
    }
    windows
}

/// One node's exposure to one block, over all its incarnations.
fn expose(
    index: &Index<'_>,
    net: usize,
    (from_ns, to_ns, version): (u64, u64, VersionId),
    node: u16,
    counted_ns: &mut [u64],
    by_end_ns: &mut [u64; 5],
) -> Option<Case> {
    let mut case = Case { node, version, ns: 0, ended: Ended::Never };
    let mut ended = Ended::Never;
    // Backwards: what an incarnation that died unaware did not learn, a later one may have.
    for slot in index.lives.of_node(node).rev() {
        let learned = index.learned(net, Slot(slot), version);
        ended = learned.map_or(ended, |learned| Ended::by(learned.source));
        let until_ns = learned.map_or(to_ns, |learned| to_ns.min(learned.at_ns));
        let span = index.lives.span(Slot(slot));
        let ns = span.ran_for_ns(from_ns, until_ns);
        if ns == 0 {
            continue;
        }
        if case.ns == 0 {
            case.ended = ended;
        }
        case.ns += ns;
        by_end_ns[ended as usize] += span.ran_for_ns(from_ns.max(counted_ns[slot]), until_ns);
        counted_ns[slot] = counted_ns[slot].max(until_ns);
    }
    (case.ns > 0).then_some(case)
}

#[cfg(test)]
#[path = "tests/exposure.rs"]
mod tests;
