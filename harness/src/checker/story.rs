//! The story of one entry and one node that has it wrong, as evidence.

use super::index::{Index, Version, VersionId};
use super::text::{Evidence, Net, Seconds, count, route, verb};
use crate::record::{LifeEvent, Outcome};
use squall_cluster::observe::{Link, NodeEvent, ResyncReason};

/// How far before the entry's creation a node's troubles are of interest, nanoseconds.
const BEFORE_NS: u64 = 10_000_000_000;
/// How many learners are named.
const LEARNERS: usize = 3;
/// How many troubles of the node and of the origin are told.
const TROUBLES: usize = 8;

/// Who made a version and when, to stand in brackets.
pub(super) fn origin(index: &Index<'_>, version: &Version<'_>) -> String {
    let what = verb(version.entry);
    match (version.origin, version.operation) {
        (Some((slot, at_ns)), _) => format!("{what} by node {} at {}", index.node(slot), Seconds(at_ns)),
        (None, Some(operation)) => format!("{what} by node {} at {}", operation.node, Seconds(operation.invoked_ns)),
        (None, None) => format!("{what} by an operation that is not in the record"),
    }
}

/// Tells how the version came into the world, how others learned it, and what happened to `node` meanwhile.
pub(super) fn tell(index: &Index<'_>, id: VersionId, node: u16, evidence: &mut Evidence) {
    let version = index.version(id);
    let net = Net(&version.entry.net);
    let created_ns = version.created_ns();
    if let Some((slot, at_ns)) = version.origin {
        evidence.note(at_ns, format_args!("node {} {} {net}", index.node(slot), verb(version.entry)));
    }
    if let Some(operation) = version.operation {
        let at_ns = operation.completed_ns.unwrap_or(operation.invoked_ns);
        match &operation.outcome {
            Outcome::Ok => evidence.note(at_ns, format_args!("node {} acknowledged it", operation.node)),
            Outcome::Fail(why) => evidence.note(at_ns, format_args!("node {} refused it: {why}", operation.node)),
            Outcome::Info(why) => evidence.note(at_ns, format_args!("its outcome is unknown: {why}")),
        }
    }
    tell_learners(index, id, evidence);
    let from_ns = created_ns.saturating_sub(BEFORE_NS);
    tell_lives(index, node, from_ns, evidence);
    tell_troubles(index, node, from_ns, evidence);
    if let Some(origin) = version.origin.map(|(slot, _)| index.node(slot)).filter(|origin| *origin != node) {
        tell_troubles(index, origin, created_ns, evidence);
    }
}

fn tell_learners(index: &Index<'_>, id: VersionId, evidence: &mut Evidence) {
    let origin = index.version(id).origin;
    let mut learners = index.applied.iter().filter(|one| one.version == id && Some((one.slot, one.at_ns)) != origin);
    for one in learners.by_ref().take(LEARNERS) {
        let line = format!("node {} learned it by {}", index.node(one.slot), route(one.source));
        evidence.note(one.at_ns, line);
    }
    let mut rest = 0;
    let mut last = None;
    for one in learners {
        rest += 1;
        last = Some(one);
    }
    if let Some(one) = last {
        let line =
            format!("{} learned it by now, the last by {}", count(rest, "more node", "more nodes"), route(one.source));
        evidence.note(one.at_ns, line);
    }
}

fn tell_lives(index: &Index<'_>, node: u16, from_ns: u64, evidence: &mut Evidence) {
    let lives = index.record.lives.iter().filter(|life| life.node == node && life.at_ns >= from_ns && life.at_ns > 0);
    for life in lives.take(TROUBLES / 2) {
        let what = match life.event {
            LifeEvent::Booted => "booted",
            LifeEvent::Died => "died",
            LifeEvent::Paused => "was paused",
            LifeEvent::Resumed => "was continued",
        };
        evidence.note(life.at_ns, format_args!("node {node} {what}"));
    }
}

/// What went wrong on a node's connections from that time on.
fn tell_troubles(index: &Index<'_>, node: u16, from_ns: u64, evidence: &mut Evidence) {
    let start = index.record.observations.partition_point(|seen| seen.at_ns < from_ns);
    let seen = index.record.observations[start..].iter().filter(|seen| seen.node == node);
    let troubles = seen.filter_map(|seen| Some((seen.at_ns, trouble(&seen.event)?)));
    for (at_ns, what) in troubles.take(TROUBLES / 2) {
        evidence.note(at_ns, format_args!("node {node}: {what}"));
    }
}

fn trouble(event: &NodeEvent) -> Option<String> {
    Some(match event {
        NodeEvent::Link(Link::Connected) => "coordinator link connected".to_owned(),
        NodeEvent::Link(Link::Disconnected) => "coordinator link lost".to_owned(),
        NodeEvent::Link(Link::Error(error)) => format!("coordinator link failed: {error}"),
        NodeEvent::Link(Link::LameDuck) => "coordinator is shutting down".to_owned(),
        NodeEvent::Link(Link::SlowConsumer) => "coordinator messages dropped, queue full".to_owned(),
        NodeEvent::Link(Link::Rebuilt) => "coordinator client rebuilt".to_owned(),
        NodeEvent::Link(Link::Missed) => "coordinator messages were missed".to_owned(),
        NodeEvent::PublishFailed { entries, error, .. } => {
            format!("publishing {} failed: {error}", count(*entries, "entry", "entries"))
        }
        NodeEvent::StoreFailed { error, .. } => format!("store failed: {error}"),
        NodeEvent::ResyncFinished { reason, outcome: Err(error) } => {
            format!("resync after {} failed: {error}", cause(*reason))
        }
        NodeEvent::ResyncFinished { reason, outcome: Ok(news) } => {
            format!("resync after {} brought {}", cause(*reason), count(*news, "entry", "entries"))
        }
        NodeEvent::Ready { .. }
        | NodeEvent::Applied { .. }
        | NodeEvent::ResyncStarted(_)
        | NodeEvent::Published { .. }
        | NodeEvent::Stored { .. } => return None,
    })
}

fn cause(reason: ResyncReason) -> &'static str {
    match reason {
        ResyncReason::Boot => "boot",
        ResyncReason::Gap => "a gap in a publisher's sequence",
        ResyncReason::Reconnected => "a reconnect",
        ResyncReason::Lagged => "dropped messages",
        ResyncReason::DigestMismatch => "a differing digest",
    }
}
