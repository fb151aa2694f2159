//! What nodes report, into the record and the trace.

use super::{Measuring, Prepared};
use crate::record::{Observation, Receptions};
use crate::scenario::CheckSpec;
use rustc_hash::FxHashMap;
use squall_cluster::blocklist::{Entry, State};
use squall_cluster::ids::Incarnation;
use squall_cluster::observe::{Message, NodeEvent, Observer};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What all nodes observe.
/// One for each incarnation of each node, dead or alive.
type Inboxes = Arc<Mutex<Vec<Arc<Mutex<Inbox>>>>>;

#[derive(Clone, Default)]
pub(super) struct Log {
    /// By time.
    observations: Arc<Mutex<Vec<Observation>>>,
    /// `None` when nobody asks what was received.
    inboxes: Option<Inboxes>,
}

impl Log {
    /// What the run's checks and measurements need.
    pub(super) fn of(prepared: &Prepared) -> Self {
        let judged = prepared.scenario.checks.contains(&CheckSpec::Delivery);
        let wanted = judged || prepared.measuring == Measuring::On;
        Self { observations: Arc::default(), inboxes: wanted.then(Arc::default) }
    }

    pub(super) fn take(&self) -> Vec<Observation> {
        std::mem::take(&mut *lock(&self.observations))
    }

    /// What was received, in the order of boots.
    pub(super) fn take_receptions(&self) -> Vec<Receptions> {
        let Some(inboxes) = &self.inboxes else { return Vec::new() };
        lock(inboxes).drain(..).flat_map(|inbox| std::mem::take(&mut lock(&inbox).receptions)).collect()
    }

    /// Works on what has been observed so far.
    pub(super) fn with<R>(&self, work: impl FnOnce(&[Observation]) -> R) -> R {
        work(&lock(&self.observations))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What one incarnation received. A node hears from every other one, so a message costs a look-up and no memory.
#[derive(Default)]
struct Inbox {
    receptions: Vec<Receptions>,
    places: FxHashMap<Incarnation, usize>,
}

/// Watches one incarnation of one node.
pub(super) struct NodeObserver {
    node: u16,
    incarnation: u32,
    log: Log,
    inbox: Option<Arc<Mutex<Inbox>>>,
}

impl NodeObserver {
    pub(super) fn new(node: u16, incarnation: u32, log: Log) -> Self {
        let inbox = log.inboxes.as_ref().map(|inboxes| {
            let inbox = Arc::default();
            lock(inboxes).push(Arc::clone(&inbox));
            inbox
        });
        Self { node, incarnation, log, inbox }
    }
}

impl Observer for NodeObserver {
    fn observe(&self, event: NodeEvent) {
        squall_sim::note(&event, || describe(&event));
        let observation =
            Observation { at_ns: squall_sim::now_ns(), node: self.node, incarnation: self.incarnation, event };
        lock(&self.log.observations).push(observation);
    }

    fn received(&self, message: Message) {
        let Some(inbox) = &self.inbox else { return };
        let mut inbox = lock(inbox);
        let Inbox { receptions, places } = &mut *inbox;
        let place = *places.entry(message.publisher).or_insert_with(|| {
            receptions.push(Receptions::new(self.node, self.incarnation, message.publisher));
            receptions.len() - 1
        });
        receptions[place].take_in(message.sequence, squall_sim::now_ns());
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
        NodeEvent::Published { message, entries, .. } => {
            format!("publishes {entries} entries as message {}", message.sequence)
        }
        NodeEvent::PublishFailed { entries, error, unknown: true, .. } => {
            format!("publish of {entries} entries: {error}; outcome unknown")
        }
        NodeEvent::PublishFailed { entries, error, unknown: false, .. } => {
            format!("publish of {entries} entries failed: {error}")
        }
        NodeEvent::Stored { entries, after } => format!("stored {entries} entries after {} ms", after.as_millis()),
        NodeEvent::StoreFailed { error, unknown: true } => format!("store: {error}; outcome unknown"),
        NodeEvent::StoreFailed { error, unknown: false } => format!("store: {error}"),
    }
}

/// For the verdict on a run that never gets to its end.
pub(super) static RUNNING: Mutex<Option<super::RunSpec>> = Mutex::new(None);
