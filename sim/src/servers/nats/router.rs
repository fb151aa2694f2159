//! Who gets a message: clients, their subscriptions, queue groups, other servers. Pure; it knows no sockets
//! and no bytes.

mod groups;
mod interest;
mod sid;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use rand_core::Rng;
use slab::Slab;
use thiserror::Error;

use groups::Groups;
use interest::{Forwards, InterestLog, Reach};
pub use interest::{LocalInterest, Origin};
pub use sid::Sid;

use super::protocol::route::names;
use super::subject::{GroupId, Matches, SubKey, SubjectTree, is_valid_pattern};

/// A client by its place in the server. Places are used again after [`Router::detach`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClientKey(pub u32);

impl ClientKey {
    /// The place as an index.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// The subject cannot be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("invalid subject: use non-empty tokens between dots, and > only as the last")]
pub struct InvalidSubject;

/// Whether a publisher gets its own messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Echo {
    /// It does.
    On,
    /// It does not.
    Off,
}

/// What became of one delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The client will get the message.
    Accepted,
    /// The client is going away; in a queue group the next member is asked.
    Refused,
}

/// Whether anybody got a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// At least one client did.
    Some,
    /// Nobody did.
    None,
}

#[derive(Debug)]
struct Subscription {
    client: ClientKey,
    sid: Sid,
    pattern: Box<[u8]>,
    group: Option<GroupId>,
    delivered: u64,
    /// Deliveries in all after which it ends; 0 is never.
    max: u64,
    reach: Reach,
}

/// Clients, their subscriptions, and the choice of who gets a message.
///
/// Deliveries come in an order that depends on nothing but the calls so far: literal subscriptions by age,
/// then those with wildcards, then one member of each queue group.
#[derive(Debug, Default)]
pub struct Router {
    clients: Vec<BTreeMap<Sid, SubKey>>,
    subscriptions: Slab<Subscription>,
    tree: SubjectTree,
    groups: Groups,
    matches: Matches,
    spent: Vec<SubKey>,
    forwards: Forwards,
    /// Subscriptions of other servers.
    remote: usize,
    /// Present in a cluster.
    log: Option<InterestLog>,
}

impl Router {
    /// From now on, notes what other servers must know of this one's interest.
    pub fn track_interest(&mut self) {
        self.log.get_or_insert_default();
    }

    /// Whether [`Router::take_changes`] has something to tell.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        self.log.as_ref().is_some_and(InterestLog::has_changes)
    }

    /// Interest that changed since the last call, with the number of its subscriptions now. Outside queue
    /// groups only the first and the last subscription make a change.
    pub fn take_changes(&mut self) -> Vec<(LocalInterest, u32)> {
        self.log.as_mut().map(InterestLog::take_changes).unwrap_or_default()
    }

    /// All interest of this server's clients, with the number of its subscriptions.
    pub fn local_interest(&self) -> impl Iterator<Item = (&LocalInterest, u32)> {
        self.log.iter().flat_map(InterestLog::counts)
    }

    /// Makes room for a client without subscriptions.
    pub fn attach(&mut self, client: ClientKey) {
        if self.clients.len() <= client.index() {
            self.clients.resize_with(client.index() + 1, BTreeMap::new);
        }
    }

    /// Removes all subscriptions of a client.
    pub fn detach(&mut self, client: ClientKey) {
        for key in std::mem::take(&mut self.clients[client.index()]).into_values() {
            self.remove_from_tree(key);
        }
    }

    /// Subscriptions of all clients of this server.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len() - self.remote
    }

    /// Subscriptions of one client.
    #[must_use]
    pub fn subscriptions_of(&self, client: ClientKey) -> usize {
        self.clients[client.index()].len()
    }

    /// Adds a subscription; one of that name which exists already stays as it is.
    ///
    /// # Errors
    /// The pattern is not valid.
    pub fn subscribe(
        &mut self,
        client: ClientKey,
        pattern: &[u8],
        queue: Option<&[u8]>,
        sid: &[u8],
    ) -> Result<(), InvalidSubject> {
        if self.clients[client.index()].contains_key(sid) {
            return Ok(());
        }
        if !is_valid_pattern(pattern) {
            return Err(InvalidSubject);
        }
        self.insert(client, pattern, queue, Sid::new(sid), Reach::Local);
        if let Some(log) = &mut self.log {
            log.add(LocalInterest { pattern: pattern.into(), queue: queue.map(Into::into) });
        }
        Ok(())
    }

    /// Notes that another server has clients that want this; of a queue group, so many.
    ///
    /// # Errors
    /// The pattern is not valid.
    pub fn add_remote(
        &mut self,
        route: ClientKey,
        pattern: &[u8],
        queue: Option<&[u8]>,
        weight: u32,
    ) -> Result<(), InvalidSubject> {
        let sid = remote_sid(pattern, queue);
        if let Some(key) = self.clients[route.index()].get(sid.as_bytes()) {
            self.subscriptions[key.0 as usize].reach = Reach::Remote(weight);
            return Ok(());
        }
        if !is_valid_pattern(pattern) {
            return Err(InvalidSubject);
        }
        self.remote += 1;
        self.insert(route, pattern, queue, sid, Reach::Remote(weight));
        Ok(())
    }

    /// Notes that another server's clients no longer want this.
    pub fn remove_remote(&mut self, route: ClientKey, pattern: &[u8], queue: Option<&[u8]>) {
        let sid = remote_sid(pattern, queue);
        if let Some(key) = self.clients[route.index()].get(sid.as_bytes()).copied() {
            self.remove(key);
        }
    }

    fn insert(&mut self, client: ClientKey, pattern: &[u8], queue: Option<&[u8]>, sid: Sid, reach: Reach) {
        let group = queue.map(|queue| self.groups.join(queue));
        let subscription =
            Subscription { client, sid: sid.clone(), pattern: pattern.into(), group, delivered: 0, max: 0, reach };
        let key = SubKey(self.subscriptions.insert(subscription) as u32);
        self.tree.insert(pattern, group, key);
        self.clients[client.index()].insert(sid, key);
    }

    /// Ends a subscription, at once or after `max` deliveries in all.
    pub fn unsubscribe(&mut self, client: ClientKey, sid: &[u8], max: Option<u64>) {
        let Some(key) = self.clients[client.index()].get(sid).copied() else {
            return;
        };
        let subscription = &mut self.subscriptions[key.0 as usize];
        match max {
            Some(max) if max > subscription.delivered => subscription.max = max,
            _ => self.remove(key),
        }
    }

    /// Calls `deliver` for every client of this server that should get a message on this subject;
    /// [`Router::forwards`] then tells the other servers that should. What came over a route goes over none.
    ///
    /// `rng` picks the members of queue groups, and is used only for groups of more than one.
    pub fn publish(
        &mut self,
        origin: Origin<'_>,
        subject: &[u8],
        rng: &mut impl Rng,
        mut deliver: impl FnMut(ClientKey, &Sid) -> Outcome,
    ) -> Interest {
        let Self { tree, matches, subscriptions, spent, forwards, groups, .. } = self;
        forwards.clear();
        tree.collect(subject, matches);
        let mut interest = Interest::None;
        let mut offer = |key: SubKey, subscriptions: &mut Slab<Subscription>| {
            let subscription = &mut subscriptions[key.0 as usize];
            match (subscription.reach, origin) {
                (Reach::Remote(_), Origin::Route(_)) => return Outcome::Refused,
                (Reach::Remote(_), Origin::Client(..)) => {
                    let queue = subscription.group.and_then(|group| groups.name(group));
                    forwards.add(subscription.client, queue);
                    return Outcome::Accepted;
                }
                (Reach::Local, Origin::Client(from, Echo::Off)) if subscription.client == from => {
                    return Outcome::Refused;
                }
                (Reach::Local, _) => {}
            }
            subscription.delivered += 1;
            if subscription.delivered == subscription.max {
                spent.push(key);
            }
            let outcome = deliver(subscription.client, &subscription.sid);
            if outcome == Outcome::Accepted {
                interest = Interest::Some;
            }
            outcome
        };
        for key in &matches.plain {
            offer(*key, subscriptions);
        }
        for members in matches.queued.chunk_by(|one, other| one.0 == other.0) {
            if let Origin::Route(queues) = origin
                && !groups.name(members[0].0).is_some_and(|name| names(queues, name))
            {
                continue;
            }
            let first = pick(members, subscriptions, origin, rng);
            let from_first = members[first..].iter().chain(&members[..first]);
            from_first.map(|(_, key)| offer(*key, subscriptions)).find(|outcome| *outcome == Outcome::Accepted);
        }
        if !forwards.is_empty() {
            interest = Interest::Some;
        }
        while let Some(key) = self.spent.pop() {
            self.remove(key);
        }
        interest
    }

    /// The routes that the last message goes over, each with the queue groups that the server there is to
    /// choose a member of.
    pub fn forwards(&self) -> impl Iterator<Item = (ClientKey, &[u8])> {
        self.forwards.iter()
    }

    /// The client's own subscription, outside queue groups, that would get a message on this subject.
    pub fn subscription_for(&mut self, client: ClientKey, subject: &[u8]) -> Option<&Sid> {
        self.tree.collect(subject, &mut self.matches);
        let subscriptions = self.matches.plain.iter().map(|key| &self.subscriptions[key.0 as usize]);
        subscriptions.into_iter().find(|subscription| subscription.client == client).map(|found| &found.sid)
    }

    fn remove(&mut self, key: SubKey) {
        let subscription = &self.subscriptions[key.0 as usize];
        self.clients[subscription.client.index()].remove(subscription.sid.as_bytes());
        self.remove_from_tree(key);
    }

    fn remove_from_tree(&mut self, key: SubKey) {
        let Subscription { pattern, group, reach, .. } = self.subscriptions.remove(key.0 as usize);
        self.tree.remove(&pattern, group, key);
        match (reach, &mut self.log) {
            (Reach::Remote(_), _) => self.remote -= 1,
            (Reach::Local, Some(log)) => {
                let queue = group.and_then(|group| self.groups.name(group)).map(Into::into);
                log.remove(LocalInterest { pattern, queue });
            }
            (Reach::Local, None) => {}
        }
        if let Some(group) = group {
            self.groups.leave(group);
        }
    }
}

/// Where to begin in a queue group: at each member with the same probability, wherever it is.
fn pick(
    members: &[(GroupId, SubKey)],
    subscriptions: &Slab<Subscription>,
    origin: Origin<'_>,
    rng: &mut impl Rng,
) -> usize {
    if members.len() == 1 {
        return 0;
    }
    let weight = |key: &SubKey| u64::from(origin.weight(subscriptions[key.0 as usize].reach));
    let total: u64 = members.iter().map(|(_, key)| weight(key)).sum();
    let mut left = if total > 1 { u64::from(rng.next_u32()) % total } else { 0 };
    let chosen = members.iter().position(|(_, key)| {
        let found = left < weight(key);
        left = left.saturating_sub(weight(key));
        found
    });
    chosen.unwrap_or(0)
}

/// A server has one subscription for each interest, which is its name too.
fn remote_sid(pattern: &[u8], queue: Option<&[u8]>) -> Sid {
    match queue {
        Some(queue) => Sid::new(&[pattern, b" ", queue].concat()),
        None => Sid::new(pattern),
    }
}
