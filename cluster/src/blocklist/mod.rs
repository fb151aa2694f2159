//! The blocked-IP list: entries, the merging list, its digests, and the service that keeps it equal on all nodes.

mod clock;
mod digest;
mod entry;
mod error;
mod gossip;
mod list;
mod lookup;
mod outbox;
mod pending;
mod resync;
mod service;
mod state;
#[cfg(test)]
pub(crate) mod testing;

pub use clock::Clock;
pub use digest::{BUCKETS, BucketSet, Digest, bucket_of};
pub use entry::{Entry, Hlc, State};
pub use error::BlockError;
pub use gossip::{Gossip, Heard, Prompt, Reach};
pub use list::{List, Merge};
pub use outbox::{Batch, MAX_BATCH, Outbox};
pub use pending::Durability;
pub use service::{Receipt, Service};
pub use state::Readiness;

/// The longest reason, bytes of UTF-8.
pub const MAX_REASON_BYTES: usize = 512;
