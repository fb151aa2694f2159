//! Everything the service of one node knows: a state machine. Inputs are calls with the time; outputs are return values and
//! [`Effects`].

mod inbound;
mod publishing;
mod storing;
#[cfg(test)]
mod tests;

pub(super) use publishing::Publish;
pub(super) use storing::StoreJob;

use super::gossip::{Gossip, Prompt, Reach};
use super::list::{List, Merge};
use super::outbox::Outbox;
use super::pending::Pending;
use super::resync::ResyncQueue;
use super::{Clock, Entry, State};
use crate::config::{BlocklistConfig, NodeConfig};
use crate::defects::{self, Defect};
use crate::entropy::{Backoff, NodeRng};
use crate::events::Sequences;
use crate::ids::{Incarnation, NodeId};
use crate::observe::{Message, NodeEvent, ResyncReason, Source};
use ipnet::IpNet;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

const FIRST_STORE_RETRY: Duration = Duration::from_millis(100);
const LONGEST_STORE_RETRY: Duration = Duration::from_secs(2);

/// The time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Now {
    /// For waiting.
    pub(super) at: Instant,
    /// For versions and expiry, milliseconds since the Unix epoch.
    pub(super) wall_ms: u64,
}

impl Now {
    pub(super) fn read() -> Self {
        Self { at: Instant::now(), wall_ms: crate::time::wall_ms() }
    }
}

/// What the shell has to do after a call.
#[derive(Debug, Default)]
pub(super) struct Effects {
    /// To tell the observer.
    pub(super) events: Vec<NodeEvent>,
    /// The peer's message that this call took in, to tell the observer.
    pub(super) received: Option<Message>,
    /// Something may be ready to be published.
    pub(super) publish: bool,
    /// Something may be ready for the store.
    pub(super) store: bool,
    /// The next deadline is earlier than the shell knows.
    pub(super) timer: bool,
}

/// The coordinator connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LinkState {
    /// None is configured.
    Absent,
    /// No attempt has ended yet.
    Trying,
    Up,
    Down,
}

/// The store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreState {
    /// None is configured.
    Absent,
    /// No attempt has ended yet.
    Trying,
    Answering,
    Failing,
}

/// Which backends a node has reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// Connected and subscribed to the coordinator.
    pub coordinated: bool,
    /// Has read the store.
    pub stored: bool,
}

pub(super) struct Core {
    config: BlocklistConfig,
    node_id: NodeId,
    pub(super) incarnation: Incarnation,
    purges_store: bool,
    rng: NodeRng,
    clock: Clock,
    pub(super) list: List,
    outbox: Outbox,
    sequence: u64,
    sequences: Sequences,
    gossip: Gossip,
    pending: Pending,
    resyncs: ResyncQueue,
    link: LinkState,
    was_connected: bool,
    store: StoreState,
    store_backoff: Backoff,
    store_retry_at: Option<Instant>,
    store_purge_due: bool,
    wrote_last: bool,
    /// The first read has begun: what is missed from now on needs another.
    boot_begun: bool,
    /// The first read has ended, well or not: the own digest means something.
    booted: bool,
    has_read: bool,
    reported: Option<Readiness>,
    armed: Option<Instant>,
    pub(super) closing: bool,
    pub(super) effects: Effects,
}

impl Core {
    pub(super) fn new(config: &NodeConfig, incarnation: Incarnation, mut rng: NodeRng, now: Now) -> Self {
        let blocklist = config.blocklist.clone();
        let purgers = &config.cluster.roles.purge_stores;
        let store = match config.store {
            Some(_) => StoreState::Trying,
            None => StoreState::Absent,
        };
        let mut core = Self {
            node_id: config.cluster.node_id,
            incarnation,
            purges_store: purgers.is_empty() || purgers.contains(&config.cluster.node_id),
            clock: Clock::new(incarnation),
            list: List::new(blocklist.allowed_ips.clone(), blocklist.tombstone_retention),
            outbox: Outbox::default(),
            sequence: 0,
            sequences: Sequences::default(),
            gossip: Gossip::new(blocklist.anti_entropy_interval, now.at, &mut rng),
            pending: Pending::default(),
            resyncs: ResyncQueue::default(),
            link: match config.cluster.coordinator {
                Some(_) => LinkState::Trying,
                None => LinkState::Absent,
            },
            was_connected: false,
            store,
            store_backoff: Backoff::new(FIRST_STORE_RETRY, LONGEST_STORE_RETRY),
            store_retry_at: None,
            store_purge_due: false,
            wrote_last: false,
            boot_begun: false,
            booted: store == StoreState::Absent,
            has_read: false,
            reported: None,
            armed: None,
            closing: false,
            effects: Effects::default(),
            config: blocklist,
            rng,
        };
        core.list.purge(now.wall_ms);
        core.request_resync(ResyncReason::Boot, now);
        core
    }

    /// A block or unblock by this node, in force at once.
    pub(super) fn change(&mut self, net: IpNet, state: State, now: Now) -> Entry {
        let entry = Entry { net, version: self.clock.tick(now.wall_ms), state };
        self.apply(entry.clone(), Source::Local);
        if self.store != StoreState::Absent {
            self.pending.add(entry.clone(), now.at);
            self.effects.store = true;
        }
        if defects::active(Defect::UnblockNotAnnounced) && entry.state == State::Unblocked {
            return entry;
        }
        if self.link != LinkState::Absent {
            // A store that is known to be down is not worth waiting for.
            let grace = match self.store {
                StoreState::Answering | StoreState::Trying => self.config.broadcast_grace,
                StoreState::Absent | StoreState::Failing => Duration::ZERO,
            };
            self.outbox.announce(entry.clone(), now.at + grace);
            self.effects.publish = true;
        }
        self.rearm(now);
        entry
    }

    /// Whether the coordinator was reached and is not any more.
    pub(super) fn link_is_lost(&self) -> bool {
        self.link == LinkState::Down
    }

    /// Resolves when the version that is pending for `net` is stored; `None` if there is no store.
    pub(super) fn wait_stored(&mut self, net: IpNet) -> Option<oneshot::Receiver<()>> {
        (self.store != StoreState::Absent).then(|| self.pending.wait(net))
    }

    /// Takes a version in; whether it was news.
    fn apply(&mut self, entry: Entry, source: Source) -> Merge {
        let merged = self.list.merge(entry.clone());
        if merged == Merge::Changed {
            if defects::active(Defect::UnblockLeavesNoTombstone) && entry.state == State::Unblocked {
                self.list.remove(entry.net);
            }
            self.effects.events.push(NodeEvent::Applied { entry, source });
        }
        merged
    }

    /// Takes in versions from elsewhere; how many were news.
    fn apply_all(&mut self, entries: Vec<Entry>, source: Source) -> usize {
        let mut changed = 0;
        for mut entry in entries {
            if defects::active(Defect::ExpiryIgnoredOnMerge)
                && let State::Blocked { expires_ms, .. } = &mut entry.state
            {
                *expires_ms = None;
            }
            self.clock.observe(entry.version);
            if self.apply(entry, source) == Merge::Changed {
                changed += 1;
            }
        }
        changed
    }

    /// Asks for a full read of the store, spread over the jitter. Without a store the digests have to do.
    fn request_resync(&mut self, reason: ResyncReason, now: Now) {
        if reason != ResyncReason::Boot && defects::active(Defect::NoResync) {
            return;
        }
        if self.store == StoreState::Absent {
            return;
        }
        let spread = match reason {
            ResyncReason::Boot | ResyncReason::DigestMismatch => Duration::ZERO,
            ResyncReason::Gap | ResyncReason::Reconnected | ResyncReason::Lagged => self.config.resync_jitter,
        };
        let due = now.at + self.rng.duration(Duration::ZERO, spread);
        self.resyncs.request(reason, due);
        self.effects.store = true;
    }

    fn reach(&self) -> Reach {
        match self.store {
            StoreState::Answering => Reach::Reachable,
            StoreState::Absent | StoreState::Trying | StoreState::Failing => Reach::Unreachable,
        }
    }

    fn gossips(&self) -> bool {
        self.booted && self.link == LinkState::Up && !defects::anti_entropy_silenced()
    }

    /// Time has passed.
    pub(super) fn on_time(&mut self, now: Now) {
        let due = |at_ms: u64| at_ms <= now.wall_ms;
        if self.list.next_purge_ms().is_some_and(due) && self.list.purge(now.wall_ms) > 0 {
            self.store_purge_due = self.purges_store && self.store != StoreState::Absent;
            self.effects.store |= self.store_purge_due;
        }
        while self.gossips() && self.gossip.deadline() <= now.at {
            let own = self.list.digest();
            if let Some(prompt) = self.gossip.on_time(now.at, &own, &mut self.rng) {
                self.follow(prompt, now);
            }
        }
        self.armed = self.deadline(now);
    }

    fn follow(&mut self, prompt: Prompt, now: Now) {
        match prompt {
            Prompt::SendDigest => {
                self.list.purge(now.wall_ms);
                self.outbox.request_digest();
                self.effects.publish = true;
            }
            Prompt::Resync => self.request_resync(ResyncReason::DigestMismatch, now),
            Prompt::SendRepair(buckets) => {
                self.outbox.repair(self.list.entries_in(buckets).cloned());
                self.effects.publish = true;
            }
        }
    }

    /// When [`on_time`](Self::on_time) wants to be called next.
    pub(super) fn armed(&self) -> Option<Instant> {
        self.armed
    }

    fn deadline(&self, now: Now) -> Option<Instant> {
        let gossip = self.gossips().then(|| self.gossip.deadline());
        let purge = self
            .list
            .next_purge_ms()
            .and_then(|at_ms| now.at.checked_add(Duration::from_millis(at_ms.saturating_sub(now.wall_ms))));
        gossip.into_iter().chain(purge).min()
    }

    /// Wakes the timer if it would fire too late.
    fn rearm(&mut self, now: Now) {
        let deadline = self.deadline(now);
        let earlier = match (deadline, self.armed) {
            (Some(deadline), Some(armed)) => deadline < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if earlier {
            self.armed = deadline;
            self.effects.timer = true;
        }
    }

    /// Which backends have been reached.
    pub(super) fn readiness(&self) -> Readiness {
        Readiness { coordinated: self.link == LinkState::Up, stored: self.has_read }
    }

    /// Reports the readiness when it has changed, once every backend has been tried.
    fn report_readiness(&mut self) {
        let tried = self.link != LinkState::Trying && self.store != StoreState::Trying;
        let readiness = self.readiness();
        if tried && self.reported != Some(readiness) {
            self.reported = Some(readiness);
            let Readiness { coordinated, stored } = readiness;
            self.effects.events.push(NodeEvent::Ready { coordinated, stored });
        }
    }

    /// Whether nothing waits to be published or written.
    pub(super) fn is_drained(&self) -> bool {
        let published = self.outbox.is_empty() || self.link != LinkState::Up;
        published && self.pending.is_empty()
    }
}
