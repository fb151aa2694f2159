//! Planted defects, most of them bugs that real clusters had: each must be caught, by name, by one checker.
//!
//! Without the feature `defects` every question is a constant `false` and the defective branches are not compiled in.
//! Several defects also switch anti-entropy off (see [`Defect::silences_anti_entropy`]): the software they are taken from had
//! none, and with it the cluster repairs the damage before a checker can see it.

/// A planted defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Defect {
    /// Reconnects, gaps, lag and digest mismatches do nothing.
    NoResync,
    /// A batch that cannot be published, or finds the link down, is dropped. Silences anti-entropy.
    DropBatchOnPublishError,
    /// Events of any node with the receiver's own node id are dropped. Silences anti-entropy.
    EchoSuppressionByNodeId,
    /// The anti-entropy jitter comes from the process id.
    AmbientEntropy,
    /// An unblock is stored but not broadcast. Silences anti-entropy.
    UnblockNotAnnounced,
    /// An unblock forgets the entry instead of leaving a tombstone: any older copy brings it back.
    UnblockLeavesNoTombstone,
    /// Entries that come from peers lose their expiry. Peers and store then hold different entries under one version.
    ExpiryIgnoredOnMerge,
    /// The first failed subscription waits 64 s before the next try: a minimum written as a maximum.
    SubscribeBackoffOf64s,
    /// A block is acknowledged as stored before the store has it.
    AcknowledgeBeforeStored,
    /// Each broadcast waits a second for others to join it.
    BroadcastLingers,
    /// A store write that fails is unwrapped.
    PanicOnStoreError,
    /// Each resync leaves a task behind that never ends.
    TaskPerResync,
    /// The publisher asks again at once, without waiting, while the link is down.
    SpinWhileDisconnected,
    /// Each batch is published twice, under one number.
    DuplicatePublish,
    /// Every tenth message of each publisher is dropped before anybody sees it.
    DropReceived,
}

impl Defect {
    /// All of them, in catalogue order.
    pub const ALL: [Self; 15] = [
        Self::NoResync,
        Self::DropBatchOnPublishError,
        Self::EchoSuppressionByNodeId,
        Self::AmbientEntropy,
        Self::UnblockNotAnnounced,
        Self::UnblockLeavesNoTombstone,
        Self::ExpiryIgnoredOnMerge,
        Self::SubscribeBackoffOf64s,
        Self::AcknowledgeBeforeStored,
        Self::BroadcastLingers,
        Self::PanicOnStoreError,
        Self::TaskPerResync,
        Self::SpinWhileDisconnected,
        Self::DuplicatePublish,
        Self::DropReceived,
    ];

    /// Its name in scenarios and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoResync => "no-resync",
            Self::DropBatchOnPublishError => "drop-batch-on-publish-error",
            Self::EchoSuppressionByNodeId => "echo-suppression-by-node-id",
            Self::AmbientEntropy => "ambient-entropy",
            Self::UnblockNotAnnounced => "unblock-not-announced",
            Self::UnblockLeavesNoTombstone => "unblock-leaves-no-tombstone",
            Self::ExpiryIgnoredOnMerge => "expiry-ignored-on-merge",
            Self::SubscribeBackoffOf64s => "subscribe-backoff-of-64s",
            Self::AcknowledgeBeforeStored => "acknowledge-before-stored",
            Self::BroadcastLingers => "broadcast-lingers",
            Self::PanicOnStoreError => "panic-on-store-error",
            Self::TaskPerResync => "task-per-resync",
            Self::SpinWhileDisconnected => "spin-while-disconnected",
            Self::DuplicatePublish => "duplicate-publish",
            Self::DropReceived => "drop-received",
        }
    }

    /// What it does, in one sentence.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::NoResync => "reconnects, gaps, lag and digest mismatches trigger nothing",
            Self::DropBatchOnPublishError => "a batch that cannot be published is dropped, not retried",
            Self::EchoSuppressionByNodeId => "two nodes with one id drop each other's events",
            Self::AmbientEntropy => "timing depends on the process id, so a seed does not replay",
            Self::UnblockNotAnnounced => "an unblock reaches the store but is never broadcast",
            Self::UnblockLeavesNoTombstone => "an unblock deletes the entry, and an older copy brings it back",
            Self::ExpiryIgnoredOnMerge => "entries learned from peers never expire, unlike the originals",
            Self::SubscribeBackoffOf64s => "a failed subscription is tried again after 64 s",
            Self::AcknowledgeBeforeStored => "a block is acknowledged as stored before the store has it",
            Self::BroadcastLingers => "each broadcast waits a second for others to join it",
            Self::PanicOnStoreError => "a store write that fails is unwrapped",
            Self::TaskPerResync => "each resync leaves a task behind that never ends",
            Self::SpinWhileDisconnected => "the publisher spins while the link is down",
            Self::DuplicatePublish => "each batch is published twice under one number",
            Self::DropReceived => "every tenth message of a publisher is dropped on arrival",
        }
    }

    /// Where it was seen, as far as the public record tells.
    #[must_use]
    pub const fn source(self) -> &'static str {
        match self {
            Self::NoResync => "Stalwart 0.12 to 0.16: resubscription without re-reading the store",
            Self::DropBatchOnPublishError => "Stalwart 0.12 to 0.16: the publisher logs the error and goes on",
            Self::EchoSuppressionByNodeId => "Stalwart 0.12 to 0.16: messages with the own node id are skipped",
            Self::AmbientEntropy => "the classic way in which a simulation stops being reproducible",
            Self::UnblockNotAnnounced => {
                "Stalwart issues 1383, 1922, 3190, 3208: unblocking ineffective until a restart"
            }
            Self::UnblockLeavesNoTombstone => "the textbook resurrection of deletes under last writer wins",
            Self::ExpiryIgnoredOnMerge => "a merge that copies some of the fields",
            Self::SubscribeBackoffOf64s => "Stalwart 0.12 to 0.16: `1 << retry.max(6)` seconds",
            Self::AcknowledgeBeforeStored => "the classic lost write of a write-behind cache",
            Self::BroadcastLingers => "batching tuned on throughput alone",
            Self::PanicOnStoreError => "an unwrap that no test had reached",
            Self::TaskPerResync => "a watcher that is spawned for each connection and never joined",
            Self::SpinWhileDisconnected => "a retry loop whose back-off was forgotten",
            Self::DuplicatePublish => "a retry that does not wait for the outcome of the first try",
            Self::DropReceived => "Stalwart 0.12 to 0.16.14: bursts lost between two subscriptions",
        }
    }

    /// The checker that must catch it; `verify` stands for exit code 4, nondeterminism.
    #[must_use]
    pub const fn expected_checker(self) -> &'static str {
        match self {
            Self::NoResync
            | Self::DropBatchOnPublishError
            | Self::EchoSuppressionByNodeId
            | Self::ExpiryIgnoredOnMerge => "blocklist-converges",
            Self::AmbientEntropy => "verify",
            Self::UnblockNotAnnounced | Self::UnblockLeavesNoTombstone => "no-resurrected-block",
            Self::SubscribeBackoffOf64s => "exposure",
            Self::AcknowledgeBeforeStored => "no-lost-block",
            Self::BroadcastLingers => "fan-out",
            Self::PanicOnStoreError => "no-panic",
            Self::TaskPerResync => "no-leaked-task",
            Self::SpinWhileDisconnected => "no-livelock",
            Self::DuplicatePublish | Self::DropReceived => "delivery",
        }
    }

    /// Whether it switches anti-entropy off as well, which would otherwise repair its damage.
    #[must_use]
    pub const fn silences_anti_entropy(self) -> bool {
        matches!(
            self,
            Self::NoResync | Self::DropBatchOnPublishError | Self::EchoSuppressionByNodeId | Self::UnblockNotAnnounced
        )
    }

    /// The defect of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|defect| defect.name() == name)
    }

    #[cfg(feature = "defects")]
    const fn bit(self) -> u64 {
        1 << self as u8
    }
}

#[cfg(feature = "defects")]
mod switch {
    use super::Defect;
    use std::sync::atomic::{AtomicU64, Ordering};

    static ACTIVE: AtomicU64 = AtomicU64::new(0);

    /// Switches exactly these defects on, for the whole process.
    pub fn activate(defects: &[Defect]) {
        let bits = defects.iter().fold(0, |bits, defect| bits | defect.bit());
        ACTIVE.store(bits, Ordering::Relaxed);
    }

    /// Whether this defect is on.
    #[must_use]
    pub fn active(defect: Defect) -> bool {
        ACTIVE.load(Ordering::Relaxed) & defect.bit() != 0
    }
}

#[cfg(feature = "defects")]
pub use switch::{activate, active};

/// Whether this defect is on: never, without the feature `defects`.
#[cfg(not(feature = "defects"))]
#[must_use]
#[inline]
pub const fn active(_defect: Defect) -> bool {
    false
}

/// Whether any active defect switches anti-entropy off.
pub(crate) fn anti_entropy_silenced() -> bool {
    cfg!(feature = "defects") && Defect::ALL.into_iter().any(|defect| defect.silences_anti_entropy() && active(defect))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_find_their_defect() {
        for defect in Defect::ALL {
            assert_eq!(Defect::by_name(defect.name()), Some(defect));
        }
        assert_eq!(Defect::by_name("none"), None);
    }

    #[cfg(not(feature = "defects"))]
    #[test]
    fn nothing_is_active_without_the_feature() {
        assert!(!Defect::ALL.into_iter().any(active));
        assert!(!anti_entropy_silenced());
    }
}
