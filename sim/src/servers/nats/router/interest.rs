//! What the other servers of a cluster need: which interest there is here, and what they get of a message.

use std::collections::BTreeMap;

use super::{ClientKey, Echo};

/// Where the receivers of a subscription are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is a client of this server.
    Local,
    /// They are clients of another server; of its queue group, this many.
    Remote(u32),
}

/// Where a message comes from.
#[derive(Clone, Copy, Debug)]
pub enum Origin<'a> {
    /// A client of this server.
    Client(ClientKey, Echo),
    /// Another server, with the queue groups of which it wants a member here: names with blanks between.
    Route(&'a [u8]),
}

impl Origin<'_> {
    /// How many members of a queue group a subscription stands for.
    pub(super) fn weight(self, reach: Reach) -> u32 {
        match (reach, self) {
            (Reach::Local, _) => 1,
            (Reach::Remote(weight), Self::Client(..)) => weight,
            // What came over a route goes over no other.
            (Reach::Remote(_), Self::Route(_)) => 0,
        }
    }
}

/// Interest of this server's own clients.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalInterest {
    /// Subject, with wildcards or without.
    pub pattern: Box<[u8]>,
    /// Queue group.
    pub queue: Option<Box<[u8]>>,
}

/// Counts interest and notes what the other servers must be told.
#[derive(Debug, Default)]
pub(super) struct InterestLog {
    counts: BTreeMap<LocalInterest, u32>,
    changes: Vec<(LocalInterest, u32)>,
}

impl InterestLog {
    pub(super) fn add(&mut self, interest: LocalInterest) {
        let queued = interest.queue.is_some();
        let count = self.counts.entry(interest.clone()).or_default();
        *count += 1;
        if queued || *count == 1 {
            self.changes.push((interest, *count));
        }
    }

    pub(super) fn remove(&mut self, interest: LocalInterest) {
        let Some(count) = self.counts.get_mut(&interest) else {
            return;
        };
        *count -= 1;
        let left = *count;
        if left == 0 {
            self.counts.remove(&interest);
        }
        if left == 0 || interest.queue.is_some() {
            self.changes.push((interest, left));
        }
    }

    pub(super) fn counts(&self) -> impl Iterator<Item = (&LocalInterest, u32)> {
        self.counts.iter().map(|(interest, count)| (interest, *count))
    }

    pub(super) fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    pub(super) fn take_changes(&mut self) -> Vec<(LocalInterest, u32)> {
        std::mem::take(&mut self.changes)
    }
}

/// The routes that the message at hand goes over; buffers are used again for the next message.
#[derive(Debug, Default)]
pub(super) struct Forwards {
    routes: Vec<(ClientKey, Vec<u8>)>,
    used: usize,
}

impl Forwards {
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }

    /// Adds a route, for a member of this queue group or for everybody there.
    pub(super) fn add(&mut self, route: ClientKey, queue: Option<&[u8]>) {
        let known = self.routes[..self.used].iter().position(|(known, _)| *known == route);
        let place = known.unwrap_or_else(|| {
            if self.used == self.routes.len() {
                self.routes.push((route, Vec::new()));
            }
            let (key, queues) = &mut self.routes[self.used];
            *key = route;
            queues.clear();
            self.used += 1;
            self.used - 1
        });
        if let Some(queue) = queue {
            let queues = &mut self.routes[place].1;
            if !queues.is_empty() {
                queues.push(b' ');
            }
            queues.extend_from_slice(queue);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (ClientKey, &[u8])> {
        self.routes[..self.used].iter().map(|(route, queues)| (*route, queues.as_slice()))
    }
}
