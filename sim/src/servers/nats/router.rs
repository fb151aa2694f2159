//! Who gets a message: clients, their subscriptions, queue groups. Pure; it knows no sockets and no bytes.

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::collections::BTreeMap;

use rand_core::Rng;
use slab::Slab;
use thiserror::Error;

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

const INLINE_SID: usize = 22;

/// A client's own name for a subscription; usually a few digits, which then need no allocation.
#[derive(Clone, Debug)]
pub enum Sid {
    /// A short name and its length.
    Inline(u8, [u8; INLINE_SID]),
    /// A long name.
    Heap(Box<[u8]>),
}

impl Sid {
    /// Copies the name.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        if name.len() > INLINE_SID {
            return Self::Heap(name.into());
        }
        let mut bytes = [0; INLINE_SID];
        bytes[..name.len()].copy_from_slice(name);
        Self::Inline(name.len() as u8, bytes)
    }

    /// The name as the client wrote it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Self::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for Sid {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Sid {}

impl PartialOrd for Sid {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sid {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Borrow<[u8]> for Sid {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
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
}

#[derive(Debug)]
struct Group {
    id: GroupId,
    members: usize,
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
    groups: BTreeMap<Box<[u8]>, Group>,
    group_names: BTreeMap<GroupId, Box<[u8]>>,
    next_group: u32,
    matches: Matches,
    spent: Vec<SubKey>,
}

impl Router {
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

    /// Subscriptions of all clients.
    #[must_use]
    pub fn subscription_count(&self) -> usize {
        self.subscriptions.len()
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
        let group = queue.map(|queue| self.join_group(queue));
        let sid = Sid::new(sid);
        let subscription =
            Subscription { client, sid: sid.clone(), pattern: pattern.into(), group, delivered: 0, max: 0 };
        let key = SubKey(self.subscriptions.insert(subscription) as u32);
        self.tree.insert(pattern, group, key);
        self.clients[client.index()].insert(sid, key);
        Ok(())
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

    /// Calls `deliver` for everybody who should get a message on this subject.
    ///
    /// `rng` picks the members of queue groups, and is used only for groups of more than one.
    pub fn publish(
        &mut self,
        from: ClientKey,
        echo: Echo,
        subject: &[u8],
        rng: &mut impl Rng,
        mut deliver: impl FnMut(ClientKey, &Sid) -> Outcome,
    ) -> Interest {
        let Self { tree, matches, subscriptions, spent, .. } = self;
        tree.collect(subject, matches);
        let mut interest = Interest::None;
        let mut offer = |key: SubKey| {
            let subscription = &mut subscriptions[key.0 as usize];
            if echo == Echo::Off && subscription.client == from {
                return Outcome::Refused;
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
            offer(*key);
        }
        for members in matches.queued.chunk_by(|one, other| one.0 == other.0) {
            let first = if members.len() > 1 { rng.next_u32() as usize % members.len() } else { 0 };
            let from_first = members[first..].iter().chain(&members[..first]);
            from_first.map(|(_, key)| offer(*key)).find(|outcome| *outcome == Outcome::Accepted);
        }
        while let Some(key) = self.spent.pop() {
            self.remove(key);
        }
        interest
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
        let Subscription { pattern, group, .. } = self.subscriptions.remove(key.0 as usize);
        self.tree.remove(&pattern, group, key);
        if let Some(group) = group {
            self.leave_group(group);
        }
    }

    fn join_group(&mut self, name: &[u8]) -> GroupId {
        if let Some(group) = self.groups.get_mut(name) {
            group.members += 1;
            return group.id;
        }
        let id = GroupId(self.next_group);
        self.next_group += 1;
        self.groups.insert(name.into(), Group { id, members: 1 });
        self.group_names.insert(id, name.into());
        id
    }

    fn leave_group(&mut self, id: GroupId) {
        let Some(name) = self.group_names.get(&id) else {
            return;
        };
        let Some(group) = self.groups.get_mut(name) else {
            return;
        };
        group.members -= 1;
        if group.members == 0 {
            self.groups.remove(name);
            self.group_names.remove(&id);
        }
    }
}
