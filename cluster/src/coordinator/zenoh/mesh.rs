//! Which peers there are, and what that means for this node's messages: a pure state machine.
//!
//! Every node holds a liveliness token from when it has subscribed until its end, so a node knows the peers whose messages it can
//! hear. A new token says that a peer is reachable, not yet that the peer knows of this node's subscription: that is known when
//! it has answered a greeting, which travels behind the subscription. Only then is there nothing more to miss of that peer, and
//! the node may read the store. Peers that appear together are reported together.

use crate::coordinator::Event;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// How long a node that hears of nobody waits before it works alone. Peers that are up are found faster than that.
const ALONE_AFTER: Duration = Duration::from_secs(2);
/// Peers that join within this time of each other are reported at once …
const SETTLE: Duration = Duration::from_millis(50);
/// … but not later than this after the first.
const SETTLE_AT_MOST: Duration = Duration::from_millis(500);
/// Between an unanswered greeting and the next.
const GREET_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// A peer that does not answer so many greetings counts as joined: what of its messages is missed shows in the digests.
const GREETINGS: u32 = 3;

/// The nonce of one session of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Peer(pub(super) u64);

/// A question to a peer; the answer shows that the peer knows of this node's subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub(super) peer: Peer,
    /// Tells the greetings of one peer apart, so that an answer from before a cut proves nothing after it.
    number: u64,
}

/// What the session hears of its peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The peer's token is there.
    Appeared(Peer),
    /// The peer's token is gone: it ended, or the transport to it did.
    Vanished(Peer),
    /// The peer has answered.
    Answered(Greeting),
    /// The time for an answer is over.
    Unanswered(Greeting),
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Send this, and report what becomes of it.
    Greet(Greeting),
    /// Tell the listener.
    Report(Event),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// A greeting is under way, or the next one waits for its time.
    Greeted { number: u64, attempts: u32, again_at: Option<Instant> },
    /// It knows of this node's subscription.
    Joined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    /// Nothing reported yet; without peers, this node works alone from this moment.
    Forming {
        alone_at: Instant,
    },
    Up,
    /// The last peer is gone.
    Lost,
}

/// Peers have joined and are about to be reported.
#[derive(Clone, Copy, Debug)]
struct Settling {
    at: Instant,
    at_most: Instant,
}

/// The peers of one session.
#[derive(Debug)]
pub(super) struct Mesh {
    link: Link,
    peers: BTreeMap<Peer, Standing>,
    settling: Option<Settling>,
    /// Whether a peer has joined since the link formed or was lost.
    accompanied: bool,
    greetings: u64,
    actions: Vec<Action>,
}

impl Mesh {
    /// A session that has just opened.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            link: Link::Forming { alone_at: now + ALONE_AFTER },
            peers: BTreeMap::new(),
            settling: None,
            accompanied: false,
            greetings: 0,
            actions: Vec::new(),
        }
    }

    /// What has become due, in order.
    pub(super) fn take_actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// When [`on_time`](Self::on_time) is to be called next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let alone = match self.link {
            Link::Forming { alone_at } if self.peers.is_empty() => Some(alone_at),
            _ => None,
        };
        let again = self.peers.values().filter_map(|standing| match standing {
            Standing::Greeted { again_at, .. } => *again_at,
            Standing::Joined => None,
        });
        let settled = self.settling.map(|settling| settling.at);
        again.chain(alone).chain(settled).min()
    }

    pub(super) fn on_heard(&mut self, heard: Heard, now: Instant) {
        match heard {
            Heard::Appeared(peer) => self.greet(peer, 1),
            Heard::Vanished(peer) => self.vanished(peer),
            Heard::Answered(greeting) => {
                if self.attempts(greeting).is_some() {
                    self.joined(greeting.peer, now);
                }
            }
            Heard::Unanswered(greeting) => match self.attempts(greeting) {
                Some(attempts) if attempts < GREETINGS => {
                    let again_at = Some(now + GREET_AGAIN_AFTER);
                    let standing = Standing::Greeted { number: greeting.number, attempts, again_at };
                    self.peers.insert(greeting.peer, standing);
                }
                Some(_) => self.joined(greeting.peer, now),
                None => {}
            },
        }
    }

    pub(super) fn on_time(&mut self, now: Instant) {
        let due = self.peers.iter().filter_map(|(peer, standing)| match standing {
            Standing::Greeted { attempts, again_at: Some(at), .. } if *at <= now => Some((*peer, attempts + 1)),
            _ => None,
        });
        for (peer, attempt) in due.collect::<Vec<_>>() {
            self.greet(peer, attempt);
        }
        if self.settling.is_some_and(|settling| settling.at <= now) {
            self.settling = None;
            self.settled();
        }
        if let Link::Forming { alone_at } = self.link
            && alone_at <= now
            && self.peers.is_empty()
        {
            self.connected();
        }
    }

    /// A token that appears again without having vanished in between was cut off unnoticed: the peer starts over.
    fn greet(&mut self, peer: Peer, attempts: u32) {
        self.greetings += 1;
        let number = self.greetings;
        self.peers.insert(peer, Standing::Greeted { number, attempts, again_at: None });
        self.actions.push(Action::Greet(Greeting { peer, number }));
    }

    /// How often the peer has been greeted, if this is the greeting that it is to answer.
    fn attempts(&self, greeting: Greeting) -> Option<u32> {
        match self.peers.get(&greeting.peer) {
            Some(Standing::Greeted { number, attempts, .. }) if *number == greeting.number => Some(*attempts),
            _ => None,
        }
    }

    fn joined(&mut self, peer: Peer, now: Instant) {
        self.peers.insert(peer, Standing::Joined);
        self.accompanied = true;
        let at_most = self.settling.map_or(now + SETTLE_AT_MOST, |settling| settling.at_most);
        self.settling = Some(Settling { at: (now + SETTLE).min(at_most), at_most });
    }

    fn settled(&mut self) {
        match self.link {
            Link::Forming { .. } | Link::Lost => self.connected(),
            Link::Up => self.actions.push(Action::Report(Event::Gap)),
        }
    }

    fn connected(&mut self) {
        self.link = Link::Up;
        self.actions.push(Action::Report(Event::Connected));
    }

    fn vanished(&mut self, peer: Peer) {
        self.peers.remove(&peer);
        if self.peers.values().any(|standing| *standing == Standing::Joined) {
            return;
        }
        self.settling = None;
        let was_accompanied = std::mem::take(&mut self.accompanied);
        if was_accompanied && self.link == Link::Up {
            self.link = Link::Lost;
            self.actions.push(Action::Report(Event::Disconnected));
        }
    }
}

#[cfg(test)]
mod tests;
