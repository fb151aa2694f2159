//! Who sent what, who was listening, and what arrived.

use super::named;
use super::promise::{Loss, Order, Promise, Repeats};
use crate::checker::index::Index;
use crate::checker::lives::Slot;
use crate::checker::text::Seconds;
use crate::record::{Receptions, Surprise, SurpriseKind};
use squall_cluster::ids::Incarnation;
use squall_cluster::observe::{Link, NodeEvent};
use squall_reports::compare::Messages;
use squall_sim::fault::Fault;
use std::collections::BTreeMap;
use std::time::Duration;

/// A subscription is in effect everywhere this long after a node was told, nanoseconds.
const SETTLING_NS: u64 = 1_000_000_000;
/// A message has this long to arrive, nanoseconds.
const ARRIVAL_NS: u64 = 2_000_000_000;
/// A log may be read with a delay; it is caught up with when a link was up for this long, nanoseconds.
const CATCH_UP_NS: u64 = 5_000_000_000;

/// One try to hand a message over.
struct Try {
    /// When it began and ended.
    begun_ns: u64,
    ended_ns: u64,
    acknowledged: bool,
}

/// A boot of a publisher and its messages, by number.
struct Publisher {
    slot: Slot,
    tries: BTreeMap<u64, Vec<Try>>,
}

/// The link of one incarnation.
#[derive(Default)]
struct Listener {
    /// From when to when it was subscribed without a break.
    held: Vec<(u64, u64)>,
    /// When its link changed in any way.
    changes_ns: Vec<u64>,
    /// When its link came up last; `None` while it is down.
    up_ns: Option<u64>,
}

/// A broken promise.
#[derive(Clone, Copy, Debug)]
pub(super) enum Violation {
    Lost { publisher: Incarnation, sequence: u64, receiver: Slot, handed_ns: u64 },
    Surprise { publisher: Incarnation, receiver: Slot, surprise: Surprise },
}

/// All messages of a run.
pub(super) struct Traffic<'i, 'r> {
    index: &'i Index<'r>,
    promise: Promise,
    publishers: BTreeMap<Incarnation, Publisher>,
    /// By slot.
    listeners: Vec<Listener>,
    receptions: BTreeMap<(Slot, Incarnation), &'r Receptions>,
}

impl<'i, 'r> Traffic<'i, 'r> {
    pub(super) fn new(index: &'i Index<'r>) -> Self {
        let record = index.record;
        let promise = Promise::of(record);
        let mut listeners: Vec<Listener> = index.lives.spans.iter().map(|_| Listener::default()).collect();
        let mut publishers = BTreeMap::new();
        for seen in &record.observations {
            let Some(slot) = index.lives.slot(seen.node, seen.incarnation) else { continue };
            match &seen.event {
                NodeEvent::Link(link) => listeners[slot.0].heed(link, seen.at_ns, promise.loss),
                NodeEvent::Published { message, after, .. } => {
                    let publisher = publishers.entry(message.publisher).or_insert_with(|| Publisher::new(slot));
                    publisher.tried(message.sequence, seen.at_ns, *after, true);
                }
                NodeEvent::PublishFailed { message, unknown: true, .. } => {
                    let publisher = publishers.entry(message.publisher).or_insert_with(|| Publisher::new(slot));
                    publisher.tried(message.sequence, seen.at_ns, Duration::ZERO, false);
                }
                _ => {}
            }
        }
        for (listener, span) in listeners.iter_mut().zip(&index.lives.spans) {
            // A listener that dies listens no longer than it lives.
            let end_ns = span.died_ns().min(record.end_ns);
            listener.held.iter_mut().for_each(|(_, to_ns)| *to_ns = (*to_ns).min(end_ns));
        }
        let receptions = record.receptions.iter().filter_map(|one| {
            let slot = index.lives.slot(one.node, one.incarnation)?;
            Some(((slot, one.publisher), one))
        });
        Self { index, promise, publishers, listeners, receptions: receptions.collect() }
    }

    pub(super) fn promise(&self) -> Promise {
        self.promise
    }

    /// Calls with each message that was certainly handed over and each incarnation, but the publisher's own, that ran without a
    /// break until it had time to arrive; and whether it did.
    fn each_due(&self, mut call: impl FnMut(Incarnation, u64, &Try, Slot, bool)) {
        let record = self.index.record;
        let spans = || (0..self.index.lives.spans.len()).map(Slot);
        for (name, publisher) in &self.publishers {
            let acknowledged = publisher
                .tries
                .iter()
                .filter_map(|(sequence, tries)| Some((*sequence, tries.iter().find(|one| one.acknowledged)?)));
            let acknowledged: Vec<(u64, &Try)> =
                acknowledged.filter(|(_, one)| one.ended_ns + ARRIVAL_NS <= record.end_ns).collect();
            for receiver in spans().filter(|slot| *slot != publisher.slot) {
                let received = self.receptions.get(&(receiver, *name));
                let span = self.index.lives.span(receiver);
                for (sequence, one) in &acknowledged {
                    if span.ran_throughout(one.begun_ns, one.ended_ns + ARRIVAL_NS) {
                        let arrived = received.is_some_and(|received| received.contains(*sequence));
                        call(*name, *sequence, one, receiver, arrived);
                    }
                }
            }
        }
    }

    /// What became of the messages.
    pub(super) fn messages(&self) -> Messages {
        let mut messages = Messages::default();
        self.each_due(|_, _, _, _, arrived| {
            messages.due += 1;
            messages.lost += u64::from(!arrived);
        });
        for surprise in self.receptions.values().flat_map(|received| &received.surprises) {
            match surprise.kind {
                SurpriseKind::Repeated => messages.repeated += 1,
                SurpriseKind::Overtaken => messages.overtaken += 1,
            }
        }
        messages
    }

    /// What breaks the promise, by receiver within each kind.
    pub(super) fn violations(&self) -> Vec<Violation> {
        let mut violations = Vec::new();
        let faultless = !self.index.record.faults.iter().any(|fault| !is_clock(&fault.planned.fault));
        if self.promise.loss == Loss::Always || faultless {
            self.each_due(|publisher, sequence, one, receiver, arrived| {
                if !arrived && self.was_subscribed(receiver, one) {
                    violations.push(Violation::Lost { publisher, sequence, receiver, handed_ns: one.ended_ns });
                }
            });
        }
        for ((receiver, publisher), received) in &self.receptions {
            for surprise in &received.surprises {
                let broken = match surprise.kind {
                    SurpriseKind::Repeated => self.is_forbidden_repeat(*publisher, surprise),
                    SurpriseKind::Overtaken => self.is_forbidden_order(*publisher, *receiver, surprise),
                };
                if broken {
                    violations.push(Violation::Surprise {
                        publisher: *publisher,
                        receiver: *receiver,
                        surprise: *surprise,
                    });
                }
            }
        }
        violations
    }

    /// Whether the receiver was to get what was handed over then.
    fn was_subscribed(&self, receiver: Slot, one: &Try) -> bool {
        let listener = &self.listeners[receiver.0];
        let end_ns = self.index.record.end_ns;
        let caught_up = match self.promise.loss {
            Loss::WithoutFaults => true,
            Loss::Always => listener.up_ns.is_some_and(|up_ns| up_ns + CATCH_UP_NS <= end_ns),
        };
        let covers = |(from_ns, to_ns): &(u64, u64)| {
            from_ns + SETTLING_NS <= one.begun_ns && one.ended_ns + ARRIVAL_NS <= *to_ns
        };
        caught_up && listener.held.iter().any(covers)
    }

    /// A number that was tried twice may come twice, whoever forbids it.
    fn is_forbidden_repeat(&self, publisher: Incarnation, surprise: &Surprise) -> bool {
        let tries = self.publishers.get(&publisher).and_then(|one| one.tries.get(&surprise.sequence));
        // A publisher that died left a message of which nothing more is known.
        self.promise.repeats == Repeats::Forbidden && tries.is_some_and(|tries| tries.len() < 2)
    }

    fn is_forbidden_order(&self, publisher: Incarnation, receiver: Slot, surprise: &Surprise) -> bool {
        let Some(sender) = self.publishers.get(&publisher) else { return false };
        let handed = |sequence| sender.tries.get(&sequence).and_then(|tries| tries.iter().find(|one| one.acknowledged));
        let (Some(first), Some(second)) = (handed(surprise.sequence), handed(surprise.highest)) else { return false };
        let span_ns = first.begun_ns..=second.ended_ns;
        let changed = |slot: Slot, until_ns: u64| {
            self.listeners[slot.0].changes_ns.iter().any(|at_ns| (*span_ns.start()..=until_ns).contains(at_ns))
        };
        match self.promise.order {
            Order::Log => true,
            Order::Connection => !changed(sender.slot, *span_ns.end()),
            Order::Transport => {
                let faults = &self.index.record.faults;
                let faultless = faults.iter().all(|one| one.at_ns > surprise.at_ns || is_clock(&one.planned.fault));
                faultless && !changed(sender.slot, surprise.at_ns) && !changed(receiver, surprise.at_ns)
            }
        }
    }

    /// A violation in words.
    pub(super) fn told(&self, violation: &Violation) -> String {
        let lives = &self.index.lives;
        let sender = |publisher: &Incarnation| {
            self.publishers.get(publisher).map_or(0, |publisher| lives.span(publisher.slot).node)
        };
        match violation {
            Violation::Lost { publisher, sequence, receiver, handed_ns } => format!(
                "{} never reached node {}, which was subscribed",
                named(*sequence, sender(publisher), *handed_ns),
                lives.span(*receiver).node
            ),
            Violation::Surprise { publisher, receiver, surprise } => {
                let tries = self.publishers.get(publisher).and_then(|one| one.tries.get(&surprise.sequence));
                let handed_ns = tries.and_then(|tries| tries.first()).map_or(0, |one| one.ended_ns);
                let what = match surprise.kind {
                    SurpriseKind::Repeated => "came again",
                    SurpriseKind::Overtaken => "came late",
                };
                format!(
                    "{} {what} to node {} at {}, after message {}",
                    named(surprise.sequence, sender(publisher), handed_ns),
                    lives.span(*receiver).node,
                    Seconds(surprise.at_ns),
                    surprise.highest
                )
            }
        }
    }
}

impl Publisher {
    fn new(slot: Slot) -> Self {
        Self { slot, tries: BTreeMap::new() }
    }

    fn tried(&mut self, sequence: u64, ended_ns: u64, after: Duration, acknowledged: bool) {
        let after_ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let begun_ns = ended_ns.saturating_sub(after_ns);
        self.tries.entry(sequence).or_default().push(Try { begun_ns, ended_ns, acknowledged });
    }
}

impl Listener {
    fn heed(&mut self, link: &Link, at_ns: u64, loss: Loss) {
        let is_open = self.held.last().is_some_and(|(_, to_ns)| *to_ns == u64::MAX);
        let close = |held: &mut Vec<(u64, u64)>| {
            if let Some(last) = held.last_mut() {
                last.1 = last.1.min(at_ns);
            }
        };
        match link {
            Link::Connected => {
                self.changes_ns.push(at_ns);
                self.up_ns.get_or_insert(at_ns);
                if !is_open {
                    self.held.push((at_ns, u64::MAX));
                }
            }
            Link::Disconnected | Link::Rebuilt => {
                self.changes_ns.push(at_ns);
                self.up_ns = None;
                // A reader of a log goes on where it was.
                if loss == Loss::WithoutFaults {
                    close(&mut self.held);
                }
            }
            Link::SlowConsumer | Link::Missed if is_open => {
                close(&mut self.held);
                self.held.push((at_ns, u64::MAX));
            }
            Link::SlowConsumer | Link::Missed | Link::Error(_) | Link::LameDuck => {}
        }
    }
}

/// Whether it leaves the network and the servers alone.
fn is_clock(fault: &Fault) -> bool {
    matches!(fault, Fault::Skew { .. } | Fault::ClockJump { .. })
}

impl Violation {
    pub(super) fn is_loss(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    pub(super) fn is_repeat(&self) -> bool {
        matches!(self, Self::Surprise { surprise: Surprise { kind: SurpriseKind::Repeated, .. }, .. })
    }

    pub(super) fn is_overtaking(&self) -> bool {
        matches!(self, Self::Surprise { surprise: Surprise { kind: SurpriseKind::Overtaken, .. }, .. })
    }

    pub(super) fn at_ns(&self) -> u64 {
        match self {
            Self::Lost { handed_ns, .. } => *handed_ns,
            Self::Surprise { surprise, .. } => surprise.at_ns,
        }
    }
}
