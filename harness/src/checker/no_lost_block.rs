//! `no-lost-block`: what a client was told is blocked stays blocked.
//!
//! **Promise.** A block that was acknowledged (so: durable) is at the end in the store and in the list of every node
//! that is up, as that very version, unless it expired or was replaced.
//!
//! **Evidence.** The acknowledged operations, the lists of the running nodes and the store's content at the end.
//!
//! **Fails** when a node or the store holds no block of that network or holds another version. A newer operation on
//! the same network excuses it: by its version, or, when nobody knows the version of an operation that may have
//! happened, by not having completed before this one began. Entries that expire around the end are left out, as far
//! as the largest clock skew reaches. A block acknowledged after the heal is asked of the store only: how fast nodes
//! learn it is the business of `blocklist-converges`.

use super::Checker;
use super::expiry::Standing;
use super::index::{Index, VersionId};
use super::story;
use super::text::{self, Evidence, Net, Seconds, count, nodes};
use crate::record::{Operation, Outcome, Request, RunRecord};
use ipnet::IpNet;
use squall_cluster::blocklist::{Entry, State};
use squall_reports::Check;
use std::collections::BTreeMap;

/// No acknowledged block is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoLostBlock;

const NAME: &str = "no-lost-block";

/// Why acknowledged blocks were not judged, and how many were.
#[derive(Default)]
struct Tally {
    judged: usize,
    expired: usize,
    replaced: usize,
    unversioned: usize,
}

/// An acknowledged block that is not everywhere.
struct Lost<'r> {
    operation: &'r Operation,
    version: VersionId,
    nodes: Vec<u16>,
    from_store: bool,
}

impl Checker for NoLostBlock {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let record = index.record;
        let mut tally = Tally::default();
        let mut lost = Vec::new();
        let stored: BTreeMap<&IpNet, &Entry> = record.stored.iter().map(|entry| (&entry.net, entry)).collect();
        for (operation, entry, rivals) in acknowledged_blocks(record, &mut tally) {
            if index.expiry.at_end(entry) != Standing::Blocks {
                tally.expired += 1;
            } else if rivals.iter().any(|rival| may_replace(rival, operation, entry)) {
                tally.replaced += 1;
            } else {
                tally.judged += 1;
                lost.extend(find_loss(index, operation, entry, stored.get(&entry.net).copied()));
            }
        }
        if !lost.is_empty() {
            return failure(index, &lost, &tally);
        }
        if tally.judged == 0 {
            let reason = format!("no acknowledged block could be judged: {}", tally.left_out());
            return text::unknown(NAME, reason, Evidence::default());
        }
        let kept = count(tally.judged, "acknowledged block is", "acknowledged blocks are");
        let up = count(index.up.len(), "running node", "running nodes");
        text::pass(NAME, format!("{kept} in the store and on {up}; left out: {}", tally.left_out()))
    }
}

impl Tally {
    fn left_out(&self) -> String {
        let mut text = format!("{} expired, {} replaced", self.expired, self.replaced);
        if self.unversioned > 0 {
            text.push_str(&format!(", {} without a version", self.unversioned));
        }
        text
    }
}

type Acknowledged<'r> = (&'r Operation, &'r Entry, Vec<&'r Operation>);

/// Every acknowledged block with all operations on its network that happened or may have.
fn acknowledged_blocks<'r>(record: &'r RunRecord, tally: &mut Tally) -> Vec<Acknowledged<'r>> {
    let mut by_net: BTreeMap<IpNet, Vec<&Operation>> = BTreeMap::new();
    for operation in &record.operations {
        if !matches!(operation.outcome, Outcome::Fail(_)) {
            let (Request::Block { net, .. } | Request::Unblock { net }) = &operation.request;
            by_net.entry(net.trunc()).or_default().push(operation);
        }
    }
    let mut blocks = Vec::new();
    for rivals in by_net.values() {
        let newest = rivals.iter().filter_map(|rival| rival.entry.as_ref()).map(|entry| entry.version).max();
        // Only the newest version can be asked for; of the others all that counts is the number.
        let unknown: Vec<&Operation> = rivals.iter().filter(|rival| rival.entry.is_none()).copied().collect();
        for operation in rivals.iter().filter(|one| is_acknowledged_block(one)) {
            match &operation.entry {
                Some(entry) if Some(entry.version) < newest => tally.replaced += 1,
                Some(entry) => blocks.push((*operation, entry, unknown.clone())),
                None => tally.unversioned += 1,
            }
        }
    }
    blocks
}

fn is_acknowledged_block(operation: &Operation) -> bool {
    operation.outcome == Outcome::Ok && matches!(operation.request, Request::Block { .. })
}

/// Whether an operation whose version nobody knows may have made a newer one than this entry.
fn may_replace(rival: &Operation, operation: &Operation, entry: &Entry) -> bool {
    debug_assert!(rival.entry.is_none() && operation.entry.as_ref() == Some(entry));
    // One that may have happened may do so at any time after its invocation.
    let ended_ns = if rival.outcome == Outcome::Ok { rival.completed_ns.unwrap_or(u64::MAX) } else { u64::MAX };
    ended_ns >= operation.invoked_ns
}

fn find_loss<'r>(
    index: &Index<'r>,
    operation: &'r Operation,
    entry: &Entry,
    stored: Option<&Entry>,
) -> Option<Lost<'r>> {
    let net = index.net(&entry.net)?;
    let (version, _) = index.versions_of(net).find(|(_, version)| version.entry.version == entry.version)?;
    let has = |held: Option<&Entry>| {
        held.is_some_and(|held| held.version == entry.version && matches!(held.state, State::Blocked { .. }))
    };
    let acknowledged_ns = operation.completed_ns.unwrap_or(operation.invoked_ns);
    let nodes: Vec<u16> = if acknowledged_ns <= index.record.healed_ns {
        index.up.iter().filter(|up| !has(up.holds[net])).map(|up| up.node).collect()
    } else {
        Vec::new()
    };
    let from_store = !has(stored);
    (from_store || !nodes.is_empty()).then_some(Lost { operation, version, nodes, from_store })
}

impl Lost<'_> {
    fn places(&self) -> String {
        match (self.nodes.as_slice(), self.from_store) {
            ([], _) => "in the store".to_owned(),
            (list, false) => format!("on {}", nodes(list)),
            (list, true) => format!("on {} and in the store", nodes(list)),
        }
    }
}

fn failure(index: &Index<'_>, lost: &[Lost<'_>], tally: &Tally) -> Check {
    let mut evidence = Evidence::default();
    let end_ns = index.record.end_ns;
    let mut reason = String::new();
    for one in lost {
        let net = Net(&index.version(one.version).entry.net);
        evidence.note(end_ns, format_args!("{net} is missing {}", one.places()));
        if reason.is_empty() {
            let at = Seconds(one.operation.completed_ns.unwrap_or(one.operation.invoked_ns));
            reason = format!(
                "the block of {net} that node {} acknowledged at {at} is missing {} at the end; {} of {} acknowledged blocks lost",
                one.operation.node,
                one.places(),
                lost.len(),
                tally.judged,
            );
            let node = one.nodes.first().copied().unwrap_or(one.operation.node);
            story::tell(index, one.version, node, &mut evidence);
        }
    }
    text::fail(NAME, reason, evidence)
}

#[cfg(test)]
#[path = "tests/no_lost_block.rs"]
mod tests;
