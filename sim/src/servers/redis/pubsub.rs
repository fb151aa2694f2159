//! Who hears what.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::glob;
use crate::servers::common::machine::ClientKey;

/// The three separate worlds of names one can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Channel,
    Pattern,
    /// Channels of a cluster's shard.
    Shard,
}

pub(super) const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

/// Whether there was something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Made,
    None,
}

/// What one client hears, in the order of names.
#[derive(Debug, Default)]
pub(super) struct Subscriptions([BTreeSet<Bytes>; KINDS.len()]);

impl Subscriptions {
    pub(super) fn of(&self, kind: Kind) -> &BTreeSet<Bytes> {
        &self.0[kind as usize]
    }

    /// The number that confirmations of this kind carry: channels and patterns count together.
    pub(super) fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Shard => self.of(Kind::Shard).len(),
            Kind::Channel | Kind::Pattern => self.of(Kind::Channel).len() + self.of(Kind::Pattern).len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(BTreeSet::is_empty)
    }

    pub(super) fn insert(&mut self, kind: Kind, name: Bytes) -> Change {
        if self.0[kind as usize].insert(name) { Change::Made } else { Change::None }
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &[u8]) -> Change {
        if self.0[kind as usize].remove(name) { Change::Made } else { Change::None }
    }
}

/// Every name with its subscribers, in the order of their subscriptions.
#[derive(Debug, Default)]
pub(super) struct Registry([BTreeMap<Bytes, Vec<ClientKey>>; KINDS.len()]);

impl Registry {
    pub(super) fn add(&mut self, kind: Kind, name: Bytes, client: ClientKey) {
        self.0[kind as usize].entry(name).or_default().push(client);
    }

    pub(super) fn remove(&mut self, kind: Kind, name: &[u8], client: ClientKey) {
        let names = &mut self.0[kind as usize];
        let Some(subscribers) = names.get_mut(name) else {
            return;
        };
        subscribers.retain(|other| *other != client);
        if subscribers.is_empty() {
            names.remove(name);
        }
    }

    pub(super) fn subscribers(&self, kind: Kind, name: &[u8]) -> &[ClientKey] {
        self.0[kind as usize].get(name).map_or(&[], Vec::as_slice)
    }

    /// The patterns a channel is like, with their subscribers.
    pub(super) fn patterns_for(&self, channel: &[u8]) -> impl Iterator<Item = (&Bytes, &[ClientKey])> {
        self.names(Kind::Pattern)
            .filter(move |(pattern, _)| glob::matches(pattern, channel))
            .map(|(pattern, subscribers)| (pattern, subscribers.as_slice()))
    }

    /// All names that somebody subscribed to.
    pub(super) fn names(&self, kind: Kind) -> impl Iterator<Item = (&Bytes, &Vec<ClientKey>)> {
        self.0[kind as usize].iter()
    }

    /// Subscriptions of all kinds.
    pub(super) fn subscription_count(&self) -> usize {
        KINDS.into_iter().flat_map(|kind| self.names(kind)).map(|(_, subscribers)| subscribers.len()).sum()
    }
}
