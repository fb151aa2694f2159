//! The list itself: a pure state machine. Merging is commutative, associative and idempotent, so that nodes which have seen the
//! same versions in any order, any number of times, hold the same list, as long as no version arrives later than the retention.

use super::digest::{BucketSet, Digest, bucket_of};
use super::lookup::Lookup;
use super::{Entry, State};
use ipnet::IpNet;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

/// The horizon moves in whole steps, so that nodes with slightly different clocks mostly agree on it.
const HORIZON_STEP_MS: u64 = 60_000;

/// What merging a version did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merge {
    /// It is newer than what was known, and took effect.
    Changed,
    /// A newer or the same version was known, or the entry ended so long ago that it is forgotten.
    Stale,
}

/// The blocked-IP list of one node.
#[derive(Clone, Debug)]
pub struct List {
    entries: BTreeMap<IpNet, Entry>,
    lookup: Lookup,
    digest: Digest,
    /// When each entry that ends does so, and which it is.
    ends: BTreeSet<(u64, IpNet)>,
    allowed: Vec<IpNet>,
    retention_ms: u64,
    scratch: Vec<u8>,
}

impl List {
    /// An empty list that never blocks `allowed`, and remembers unblocked and expired entries for `retention`.
    #[must_use]
    pub fn new(allowed: Vec<IpNet>, retention: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            lookup: Lookup::new(),
            digest: Digest::default(),
            ends: BTreeSet::new(),
            allowed,
            retention_ms: crate::time::duration_ms(retention),
            scratch: Vec::new(),
        }
    }

    /// Takes in a version of an entry; the newest wins.
    pub fn merge(&mut self, entry: Entry) -> Merge {
        let end_ms = entry.end_ms();
        let forgotten = end_ms.is_some_and(|end_ms| end_ms < self.digest.horizon_ms);
        match self.entries.get(&entry.net) {
            Some(known) if precedence(&entry, known) != Ordering::Greater => return Merge::Stale,
            Some(_) => self.remove(entry.net),
            None if forgotten => return Merge::Stale,
            None => {}
        }
        if forgotten {
            // It is too old to be kept, but what it replaced was older still.
            return Merge::Changed;
        }
        self.digest.add(&entry, &mut self.scratch);
        if let Some(end_ms) = end_ms {
            self.ends.insert((end_ms, entry.net));
        }
        if let State::Blocked { expires_ms, .. } = entry.state {
            self.lookup.insert(entry.net, expires_ms.unwrap_or(u64::MAX));
        }
        self.entries.insert(entry.net, entry);
        Merge::Changed
    }

    /// Forgets a network altogether, as if it had never been listed.
    pub(super) fn remove(&mut self, net: IpNet) {
        if let Some(entry) = self.entries.remove(&net) {
            self.digest.remove(&entry, &mut self.scratch);
            self.lookup.remove(net);
            if let Some(end_ms) = entry.end_ms() {
                self.ends.remove(&(end_ms, net));
            }
        }
    }

    /// Whether connections from `ip` are refused at wall time `now_ms`. Loopback and allowed addresses never are.
    #[must_use]
    pub fn is_blocked(&self, ip: IpAddr, now_ms: u64) -> bool {
        let ip = ip.to_canonical();
        self.lookup.contains(ip, now_ms) && self.exemption(ip.into()).is_none()
    }

    /// The loopback or allowed network that `net` lies in, if any: blocking it would have no effect.
    #[must_use]
    pub fn exemption(&self, net: IpNet) -> Option<IpNet> {
        let loopback = [
            IpNet::new_assert(IpAddr::from([127, 0, 0, 0]), 8),
            IpNet::new_assert(IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]), 128),
        ];
        loopback.into_iter().chain(self.allowed.iter().copied()).find(|exempt| exempt.contains(&net))
    }

    /// All entries with tombstones and expired ones, ordered by network.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values()
    }

    /// The known version of a network's entry.
    #[must_use]
    pub fn get(&self, net: IpNet) -> Option<&Entry> {
        self.entries.get(&net)
    }

    /// The entries in the given buckets, ordered by network.
    pub fn entries_in(&self, buckets: BucketSet) -> impl Iterator<Item = &Entry> {
        self.entries.values().filter(move |entry| buckets & (1 << bucket_of(entry.net)) != 0)
    }

    /// The summary; kept up to date by every change, so it costs nothing to ask.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Wall time (milliseconds): entries that ended before it are forgotten.
    #[must_use]
    pub fn horizon_ms(&self) -> u64 {
        self.digest.horizon_ms
    }

    /// Forgets entries that ended longer ago than the retention; how many. An entry *ends* when it is unblocked or expires.
    ///
    /// An expired entry is kept as long as a tombstone and for the same reason: an older version must not come back.
    pub fn purge(&mut self, now_ms: u64) -> usize {
        let horizon_ms = now_ms.saturating_sub(self.retention_ms);
        self.forget_until(horizon_ms - horizon_ms % HORIZON_STEP_MS)
    }

    /// Forgets what a peer has forgotten, unless that lies in this node's future: then the peer's clock is wrong.
    ///
    /// Returns whether the digests can be compared: both sides have forgotten the same.
    pub fn align_horizon(&mut self, peer_horizon_ms: u64, now_ms: u64) -> bool {
        if peer_horizon_ms <= now_ms {
            self.forget_until(peer_horizon_ms);
        }
        self.digest.horizon_ms == peer_horizon_ms
    }

    fn forget_until(&mut self, horizon_ms: u64) -> usize {
        self.digest.horizon_ms = self.digest.horizon_ms.max(horizon_ms);
        let mut forgotten = 0;
        while let Some((end_ms, net)) = self.ends.first().copied() {
            if end_ms >= self.digest.horizon_ms {
                break;
            }
            self.remove(net);
            forgotten += 1;
        }
        forgotten
    }

    /// When [`purge`](Self::purge) next has something to do, milliseconds since the Unix epoch.
    #[must_use]
    pub fn next_purge_ms(&self) -> Option<u64> {
        let (end_ms, _) = self.ends.first()?;
        let due_ms = (end_ms / HORIZON_STEP_MS + 1).saturating_mul(HORIZON_STEP_MS);
        Some(due_ms.saturating_add(self.retention_ms))
    }
}

/// Which of two versions wins. Versions are unique, but a garbled clock or a bug must not make nodes disagree for ever: the
/// content breaks a tie.
fn precedence(a: &Entry, b: &Entry) -> Ordering {
    fn content(entry: &Entry) -> (bool, Option<u64>, &str) {
        match &entry.state {
            State::Unblocked => (true, None, ""),
            State::Blocked { reason, expires_ms } => (false, *expires_ms, reason),
        }
    }
    (a.version, content(a)).cmp(&(b.version, content(b)))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{entries, entry};
    use super::*;
    use proptest::prelude::*;

    const DAY: Duration = Duration::from_secs(86_400);
    const DAY_MS: u64 = 86_400_000;

    fn list() -> List {
        List::new(vec!["10.9.0.0/16".parse().unwrap()], DAY)
    }

    fn merged<'a>(versions: impl IntoIterator<Item = &'a Entry>) -> List {
        let mut list = list();
        for version in versions {
            list.merge(version.clone());
        }
        list
    }

    fn contents(list: &List) -> Vec<Entry> {
        list.entries().cloned().collect()
    }

    proptest! {
        #[test]
        fn order_and_repetition_of_merges_do_not_matter(
            (versions, shuffled) in entries(30).prop_flat_map(|v| (Just(v.clone()), Just(v).prop_shuffle()))
        ) {
            let once = merged(&versions);
            prop_assert_eq!(contents(&once), contents(&merged(&shuffled)));
            prop_assert_eq!(contents(&once), contents(&merged(versions.iter().chain(&shuffled))));
        }

        #[test]
        fn merging_in_groups_is_merging_one_by_one(a in entries(12), b in entries(12), c in entries(12)) {
            let left = merged(&contents(&merged(a.iter().chain(&b)))
                .into_iter().chain(c.iter().cloned()).collect::<Vec<_>>());
            let right = merged(&a.iter().cloned()
                .chain(contents(&merged(b.iter().chain(&c)))).collect::<Vec<_>>());
            prop_assert_eq!(contents(&left), contents(&right));
        }

        #[test]
        fn digests_are_equal_exactly_when_contents_are(a in entries(12), b in entries(12)) {
            let (a, b) = (merged(&a), merged(&b));
            prop_assert_eq!(a.digest() == b.digest(), contents(&a) == contents(&b));
            prop_assert_eq!(a.digest().differing(&b.digest()) == 0, contents(&a) == contents(&b));
        }

        #[test]
        fn sending_the_differing_buckets_both_ways_reconciles(a in entries(20), b in entries(20)) {
            let (mut a, mut b) = (merged(&a), merged(&b));
            let buckets = a.digest().differing(&b.digest());
            let from_a: Vec<_> = a.entries_in(buckets).cloned().collect();
            let from_b: Vec<_> = b.entries_in(buckets).cloned().collect();
            for entry in from_a { b.merge(entry); }
            for entry in from_b { a.merge(entry); }
            prop_assert_eq!(a.digest(), b.digest());
        }

        #[test]
        fn forgetting_keeps_the_digest_true(versions in entries(20), now_ms in 0..2 * DAY_MS) {
            let mut list = merged(&versions);
            list.purge(now_ms);
            let mut rebuilt = list.clone();
            for net in contents(&list).iter().map(|entry| entry.net) { rebuilt.remove(net); }
            prop_assert_eq!(rebuilt.digest().buckets, Digest::default().buckets);
            for entry in contents(&list) { rebuilt.merge(entry); }
            prop_assert_eq!(rebuilt.digest(), list.digest());
        }
    }

    #[test]
    fn a_block_holds_until_it_expires_or_is_lifted() {
        let mut list = list();
        let ip: IpAddr = "192.0.2.7".parse().unwrap();
        list.merge(entry("192.0.2.0/24", 1, Some(Some(100))));
        assert!(list.is_blocked(ip, 99));
        assert!(!list.is_blocked(ip, 100));
        list.merge(entry("192.0.2.0/24", 2, Some(None)));
        assert!(list.is_blocked(ip, 100));
        list.merge(entry("192.0.2.0/24", 3, None));
        assert!(!list.is_blocked(ip, 100));
        assert_eq!(list.merge(entry("192.0.2.0/24", 2, Some(None))), Merge::Stale);
        assert!(!list.is_blocked(ip, 100));
    }

    #[test]
    fn allowed_and_loopback_addresses_are_never_blocked() {
        let mut list = list();
        list.merge(entry("0.0.0.0/0", 1, Some(None)));
        list.merge(entry("::/0", 1, Some(None)));
        for ip in ["10.9.1.1", "127.0.0.5", "::1", "::ffff:10.9.1.1"] {
            assert!(!list.is_blocked(ip.parse().unwrap(), 5), "{ip}");
        }
        for ip in ["10.8.1.1", "2001:db8::1", "::ffff:10.8.1.1"] {
            assert!(list.is_blocked(ip.parse().unwrap(), 5), "{ip}");
        }
    }

    #[test]
    fn forgotten_entries_do_not_come_back_from_a_slow_peer() {
        let mut list = list();
        let old = entry("192.0.2.1/32", 1000, Some(Some(50_000)));
        list.merge(old.clone());
        assert_eq!(list.next_purge_ms(), Some(60_000 + DAY_MS));
        assert_eq!(list.purge(59_999 + DAY_MS), 0);
        assert_eq!(list.purge(60_000 + DAY_MS), 1);
        assert_eq!(list.merge(old), Merge::Stale);
        assert_eq!(list.entries().count(), 0);
        assert_eq!(list.next_purge_ms(), None);
    }

    #[test]
    fn a_forgotten_unblock_still_lifts_the_block_it_followed() {
        let mut list = list();
        list.merge(entry("192.0.2.1/32", 1000, Some(None)));
        list.purge(120_000 + DAY_MS);
        assert_eq!(list.merge(entry("192.0.2.1/32", 2000, None)), Merge::Changed);
        assert_eq!(list.digest().entries, 0);
    }

    #[test]
    fn what_ends_at_the_horizon_is_still_remembered() {
        let mut list = list();
        list.merge(entry("192.0.2.1/32", 60_000, None));
        assert_eq!(list.purge(60_000 + DAY_MS), 0);
        assert_eq!(list.next_purge_ms(), Some(120_000 + DAY_MS));
    }

    #[test]
    fn a_horizon_in_the_future_is_not_followed() {
        let mut list = list();
        list.merge(entry("192.0.2.1/32", 1000, None));
        assert!(!list.align_horizon(120_000, 119_999));
        assert_eq!(list.entries().count(), 1);
        assert!(list.align_horizon(120_000, 120_000));
        assert_eq!(list.entries().count(), 0);
    }
}
