//! What nodes report, into the record and the trace.

use crate::record::Observation;
use squall_cluster::blocklist::{Entry, State};
use squall_cluster::observe::{NodeEvent, Observer};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

/// The observations of all nodes, by time.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Observation>>>);

impl Log {
    pub(super) fn take(&self) -> Vec<Observation> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on what has been observed so far.
    pub(super) fn with<R>(&self, work: impl FnOnce(&[Observation]) -> R) -> R {
        work(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Watches one incarnation of one node.
pub(super) struct NodeObserver {
    node: u16,
    incarnation: u32,
    log: Log,
}

impl NodeObserver {
    pub(super) fn new(node: u16, incarnation: u32, log: Log) -> Self {
        Self { node, incarnation, log }
    }
}

impl Observer for NodeObserver {
    fn observe(&self, event: NodeEvent) {
        squall_sim::note(&event, || describe(&event));
        let observation =
            Observation { at_ns: squall_sim::now_ns(), node: self.node, incarnation: self.incarnation, event };
        self.log.0.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
    }
}

/// One version in words.
pub(super) fn entry_text(entry: &Entry) -> String {
    let mut text = match &entry.state {
        State::Blocked { .. } => format!("block {}", entry.net),
        State::Unblocked => format!("unblock {}", entry.net),
    };
    let _infallible = write!(text, " (version {}.{})", entry.version.wall_ms, entry.version.counter);
    text
}

/// An event in words.
pub(super) fn describe(event: &NodeEvent) -> String {
    match event {
        NodeEvent::Ready { coordinated, stored } => {
            let reach = |yes: bool| if yes { "reached" } else { "not reached" };
            format!("ready: coordinator {}, store {}", reach(*coordinated), reach(*stored))
        }
        NodeEvent::Link(link) => format!("coordinator link: {link:?}").to_lowercase(),
        NodeEvent::Applied { entry, source } => format!("applies {} by {source:?}", entry_text(entry)),
        NodeEvent::ResyncStarted(reason) => format!("resync begins: {reason:?}"),
        NodeEvent::ResyncFinished { reason, outcome: Ok(news) } => {
            format!("resync done ({reason:?}): {news} news")
        }
        NodeEvent::ResyncFinished { reason, outcome: Err(error) } => format!("resync failed ({reason:?}): {error}"),
        NodeEvent::Published { entries } => format!("publishes {entries} entries"),
        NodeEvent::PublishFailed { entries, error } => format!("publish of {entries} entries failed: {error}"),
        NodeEvent::Stored { entries, after } => format!("stored {entries} entries after {} ms", after.as_millis()),
        NodeEvent::StoreFailed { error, unknown: true } => format!("store: {error}; outcome unknown"),
        NodeEvent::StoreFailed { error, unknown: false } => format!("store: {error}"),
    }
}

/// For the verdict on a run that never gets to its end.
pub(super) static RUNNING: Mutex<Option<super::RunSpec>> = Mutex::new(None);
