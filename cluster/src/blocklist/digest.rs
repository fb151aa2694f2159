//! A summary of a list that tells in 150 bytes whether two nodes hold the same, and if not, where they differ.

use super::Entry;
use crate::events::encode_entry;
use ipnet::IpNet;
use xxhash_rust::xxh3::xxh3_64;

/// Buckets of a digest; a network always falls into the same one.
pub const BUCKETS: usize = 16;

/// A set of buckets, one bit each.
pub type BucketSet = u16;

/// A list's summary. Equal digests mean equal lists, up to collisions of 64-bit hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Digest {
    /// For each bucket the wrapping sum of its entries' XXH3-64 hashes.
    pub buckets: [u64; BUCKETS],
    /// Entries in all, tombstones included.
    pub entries: u32,
    /// Entries that ended before this wall time (milliseconds) have been forgotten; see [`List::purge`](super::List::purge).
    pub horizon_ms: u64,
}

impl Digest {
    /// The buckets in which the two differ.
    #[must_use]
    pub fn differing(&self, other: &Self) -> BucketSet {
        let mut set = 0;
        for (bucket, (own, others)) in self.buckets.iter().zip(&other.buckets).enumerate() {
            if own != others {
                set |= 1 << bucket;
            }
        }
        set
    }

    pub(super) fn add(&mut self, entry: &Entry, scratch: &mut Vec<u8>) {
        let bucket = &mut self.buckets[bucket_of(entry.net)];
        *bucket = bucket.wrapping_add(hash(entry, scratch));
        self.entries = self.entries.saturating_add(1);
    }

    pub(super) fn remove(&mut self, entry: &Entry, scratch: &mut Vec<u8>) {
        let bucket = &mut self.buckets[bucket_of(entry.net)];
        *bucket = bucket.wrapping_sub(hash(entry, scratch));
        self.entries = self.entries.saturating_sub(1);
    }
}

fn hash(entry: &Entry, scratch: &mut Vec<u8>) -> u64 {
    scratch.clear();
    encode_entry(scratch, entry);
    xxh3_64(scratch)
}

/// The bucket of a network.
#[must_use]
pub fn bucket_of(net: IpNet) -> usize {
    let mut key = [0; 18];
    key[1] = net.prefix_len();
    match net {
        IpNet::V4(net) => {
            key[0] = 4;
            key[2..6].copy_from_slice(&net.network().octets());
        }
        IpNet::V6(net) => {
            key[0] = 6;
            key[2..18].copy_from_slice(&net.network().octets());
        }
    }
    (xxh3_64(&key) % BUCKETS as u64) as usize
}
