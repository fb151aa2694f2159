//! What is to be broadcast: merged by network, in batches, kept until the coordinator has taken it. A pure state machine.

use super::Entry;
use crate::defects::{self, Defect};
use crate::entropy::{Backoff, NodeRng};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The most entries of one batch.
pub const MAX_BATCH: usize = 100;

const FIRST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// What to hand to the coordinator next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Batch {
    /// New versions.
    Blocks(Vec<Entry>),
    /// Versions that a peer seems to lack.
    Repair(Vec<Entry>),
    /// The own digest.
    Digest,
}

impl Batch {
    /// Entries in it.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Blocks(entries) | Self::Repair(entries) => entries.len(),
            Self::Digest => 0,
        }
    }

    /// Whether it holds no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What the publisher does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Publish this, then report how it went.
    Publish(Batch),
    /// Nothing before this moment.
    WaitUntil(Instant),
    /// Nothing until something is added.
    Idle,
}

#[derive(Clone, Debug)]
struct Waiting {
    entry: Entry,
    /// Not published before: the store's answer is awaited.
    not_before: Instant,
}

/// The broadcasts that are waiting.
#[derive(Clone, Debug)]
pub struct Outbox {
    blocks: BTreeMap<IpNet, Waiting>,
    repairs: BTreeMap<IpNet, Entry>,
    digest_due: bool,
    batch_limit: usize,
    backoff: Backoff,
    retry_at: Option<Instant>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            blocks: BTreeMap::new(),
            repairs: BTreeMap::new(),
            digest_due: false,
            batch_limit: MAX_BATCH,
            backoff: Backoff::new(FIRST_RETRY, LONGEST_RETRY),
            retry_at: None,
        }
    }
}

impl Outbox {
    /// Adds a version, to go out when the store has it, at the latest at `not_before`.
    pub fn announce(&mut self, entry: Entry, not_before: Instant) {
        match self.blocks.get(&entry.net) {
            Some(known) if known.entry.version >= entry.version => {}
            _ => {
                self.blocks.insert(entry.net, Waiting { entry, not_before });
            }
        }
    }

    /// The store has these versions: they need wait no longer.
    pub fn release<'a>(&mut self, stored: impl IntoIterator<Item = &'a Entry>, now: Instant) {
        let linger = if defects::active(Defect::BroadcastLingers) { Duration::from_secs(1) } else { Duration::ZERO };
        for entry in stored {
            if let Some(waiting) = self.blocks.get_mut(&entry.net)
                && waiting.entry.version <= entry.version
            {
                waiting.not_before = waiting.not_before.min(now) + linger;
            }
        }
    }

    /// Adds entries that a peer seems to lack.
    pub fn repair(&mut self, entries: impl IntoIterator<Item = Entry>) {
        for entry in entries {
            match self.repairs.get(&entry.net) {
                Some(known) if known.version >= entry.version => {}
                _ => {
                    self.repairs.insert(entry.net, entry);
                }
            }
        }
    }

    /// Asks for a digest to be published, behind everything that it covers.
    pub fn request_digest(&mut self) {
        self.digest_due = true;
    }

    /// Whether everything has been published.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty() && self.repairs.is_empty()
    }

    /// What to publish now; the batch is taken out.
    pub fn next(&mut self, now: Instant) -> Next {
        if let Some(at) = self.retry_at.filter(|at| now < *at) {
            return Next::WaitUntil(at);
        }
        let digest_due = self.digest_due;
        let ready: Vec<IpNet> = self
            .blocks
            .iter()
            .filter(|(_, waiting)| digest_due || waiting.not_before <= now)
            .map(|(net, _)| *net)
            .take(self.batch_limit)
            .collect();
        if !ready.is_empty() {
            let taken = ready.iter().filter_map(|net| self.blocks.remove(net));
            return Next::Publish(Batch::Blocks(taken.map(|waiting| waiting.entry).collect()));
        }
        if !self.repairs.is_empty() {
            let mut entries = Vec::new();
            while entries.len() < self.batch_limit
                && let Some((_, entry)) = self.repairs.pop_first()
            {
                entries.push(entry);
            }
            return Next::Publish(Batch::Repair(entries));
        }
        if std::mem::take(&mut self.digest_due) {
            return Next::Publish(Batch::Digest);
        }
        match self.blocks.values().map(|waiting| waiting.not_before).min() {
            Some(at) => Next::WaitUntil(at),
            None => Next::Idle,
        }
    }

    /// The batch was handed over.
    pub fn sent(&mut self) {
        self.backoff.succeeded();
        self.retry_at = None;
    }

    /// The batch was not handed over: its entries come again, unless there is something newer for their network.
    pub fn failed(&mut self, batch: Batch, now: Instant, rng: &mut NodeRng) {
        match batch {
            Batch::Blocks(entries) => {
                for entry in entries {
                    self.announce(entry, now);
                }
            }
            Batch::Repair(entries) => self.repair(entries),
            // The next interval brings another.
            Batch::Digest => {}
        }
        self.retry_at = Some(now + self.backoff.failed(rng));
    }

    /// The batch was larger than the coordinator carries: it comes again in smaller ones. A single entry that is still too
    /// large is given up; peers find it in the store.
    pub fn too_large(&mut self, batch: Batch, now: Instant, rng: &mut NodeRng) {
        if batch.len() > 1 {
            self.batch_limit = batch.len() / 2;
            self.failed(batch, now, rng);
        }
    }

    /// The link is back: waiting for the next retry would be a waste.
    pub fn link_restored(&mut self) {
        self.sent();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::entry;
    use super::*;

    fn blocks(next: Next) -> Vec<Entry> {
        match next {
            Next::Publish(Batch::Blocks(entries)) => entries,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_version_waits_for_the_store_but_not_longer_than_its_grace() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let later = now + Duration::from_millis(50);
        let version = entry("192.0.2.1/32", 1, Some(None));
        outbox.announce(version.clone(), later);
        assert_eq!(outbox.next(now), Next::WaitUntil(later));
        assert_eq!(blocks(outbox.clone().next(later)), vec![version.clone()]);
        outbox.release([&version], now);
        assert_eq!(blocks(outbox.next(now)), vec![version]);
        assert_eq!(outbox.next(now), Next::Idle);
    }

    #[test]
    fn a_failed_batch_comes_back_behind_newer_versions() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let mut rng = NodeRng::from_seed(1);
        let (old, new) = (entry("192.0.2.1/32", 1, Some(None)), entry("192.0.2.1/32", 2, None));
        let other = entry("192.0.2.2/32", 1, Some(None));
        outbox.announce(old, now);
        outbox.announce(other.clone(), now);
        let batch = Batch::Blocks(blocks(outbox.next(now)));
        outbox.announce(new.clone(), now);
        outbox.failed(batch, now, &mut rng);
        let Next::WaitUntil(retry_at) = outbox.next(now) else { panic!("no back-off") };
        assert!(retry_at <= now + FIRST_RETRY);
        assert_eq!(blocks(outbox.next(retry_at)), vec![new, other]);
    }

    #[test]
    fn a_restored_link_ends_the_back_off() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let version = entry("192.0.2.1/32", 1, None);
        outbox.failed(Batch::Blocks(vec![version.clone()]), now, &mut NodeRng::from_seed(1));
        outbox.link_restored();
        assert_eq!(blocks(outbox.next(now)), vec![version]);
    }

    #[test]
    fn batches_are_bounded_and_shrink_when_too_large() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        let mut rng = NodeRng::from_seed(1);
        for host in 0..250_u32 {
            let net = format!("{}/32", std::net::Ipv4Addr::from(host));
            outbox.announce(entry(&net, 1, None), now);
        }
        let first = blocks(outbox.next(now));
        assert_eq!(first.len(), MAX_BATCH);
        outbox.too_large(Batch::Blocks(first), now, &mut rng);
        outbox.link_restored();
        let mut seen = 0;
        while let Next::Publish(batch) = outbox.next(now) {
            assert!(batch.len() <= MAX_BATCH / 2);
            seen += batch.len();
        }
        assert_eq!(seen, 250);
        outbox.too_large(Batch::Blocks(vec![entry("192.0.2.1/32", 1, None)]), now, &mut rng);
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_digest_goes_out_behind_everything_it_covers() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        outbox.announce(entry("192.0.2.1/32", 1, None), now + Duration::from_millis(50));
        outbox.repair([entry("192.0.2.2/32", 1, None)]);
        outbox.request_digest();
        assert!(matches!(outbox.next(now), Next::Publish(Batch::Blocks(_))));
        assert!(matches!(outbox.next(now), Next::Publish(Batch::Repair(_))));
        assert_eq!(outbox.next(now), Next::Publish(Batch::Digest));
        assert_eq!(outbox.next(now), Next::Idle);
    }
}
