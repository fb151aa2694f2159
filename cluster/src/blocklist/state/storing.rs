//! What goes to and comes from the store.

use super::super::Entry;
use super::{Core, Now, StoreState};
use crate::observe::{NodeEvent, ResyncReason, Source};
use crate::store::StoreError;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// The most versions of one write.
const MAX_WRITE: usize = 100;

/// A version this old that the store lacks has been lost by its author: whoever notices writes it.
const ABANDONED: Duration = Duration::from_secs(5);

/// What the store's task does next.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) enum StoreJob {
    /// Read everything that did not end before `horizon_ms`, then report by [`Core::loaded`].
    Load { reason: ResyncReason, horizon_ms: u64 },
    /// Write these, then report by [`Core::saved`].
    Save(Vec<Entry>),
    /// Delete everything that ended before `horizon_ms`, then report by [`Core::purged`].
    Purge { horizon_ms: u64 },
    /// Nothing before this moment.
    WaitUntil(Instant),
    /// Nothing until woken.
    Idle,
}

impl Core {
    /// What to ask of the store now.
    pub(in super::super) fn next_store_job(&mut self, now: Now) -> StoreJob {
        let writes = !self.pending.is_empty();
        if let Some(retry_at) = self.store_retry_at.filter(|at| now.at < *at) {
            let works = writes || self.resyncs.due().is_some() || self.store_purge_due;
            return if works { StoreJob::WaitUntil(retry_at) } else { StoreJob::Idle };
        }
        // A steady stream of writes must not keep a read waiting for ever.
        if (!writes || self.wrote_last)
            && let Some(reason) = self.resyncs.take(now.at)
        {
            self.wrote_last = false;
            self.boot_begun = true;
            self.effects.events.push(NodeEvent::ResyncStarted(reason));
            let horizon_ms = self.list.horizon_ms();
            return StoreJob::Load { reason, horizon_ms };
        }
        if writes {
            self.wrote_last = true;
            return StoreJob::Save(self.pending.batch(MAX_WRITE));
        }
        if std::mem::take(&mut self.store_purge_due) {
            let horizon_ms = self.list.horizon_ms();
            return StoreJob::Purge { horizon_ms };
        }
        match self.resyncs.due() {
            Some(due) => StoreJob::WaitUntil(due),
            None => StoreJob::Idle,
        }
    }

    /// How a read went.
    pub(in super::super) fn loaded(&mut self, reason: ResyncReason, outcome: Result<Vec<Entry>, StoreError>, now: Now) {
        let outcome = match outcome {
            Ok(entries) => {
                self.store_answered();
                self.has_read = true;
                self.write_back(&entries, now);
                let source = match reason {
                    ResyncReason::Boot => Source::Boot,
                    ResyncReason::DigestMismatch => Source::AntiEntropy,
                    ResyncReason::Gap | ResyncReason::Reconnected | ResyncReason::Lagged => Source::Resync,
                };
                Ok(self.apply_all(entries, source))
            }
            Err(error) => {
                let text = error.to_string();
                self.store_failed(error, now);
                // Digests will ask again by themselves.
                if reason != ResyncReason::DigestMismatch {
                    self.resyncs.request(reason, now.at);
                }
                Err(text)
            }
        };
        self.effects.events.push(NodeEvent::ResyncFinished { reason, outcome });
        self.booted = true;
        self.gossip.resynced(now.at, &mut self.rng);
        self.report_readiness();
        self.rearm(now);
    }

    /// Versions that only this node's memory has, because their authors stopped before writing them, are written from here.
    fn write_back(&mut self, stored: &[Entry], now: Now) {
        if self.list.digest().entries == 0 {
            return;
        }
        let versions: BTreeMap<_, _> = stored.iter().map(|entry| (entry.net, entry.version)).collect();
        let abandoned_ms = now.wall_ms.saturating_sub(crate::time::duration_ms(ABANDONED));
        for entry in self.list.entries() {
            let newer = versions.get(&entry.net).is_none_or(|version| *version < entry.version);
            if newer && entry.version.wall_ms < abandoned_ms {
                self.pending.add(entry.clone(), now.at);
                self.effects.store = true;
            }
        }
    }

    /// How a write went.
    pub(in super::super) fn saved(&mut self, batch: &[Entry], outcome: Result<(), StoreError>, now: Now) {
        match outcome {
            Ok(()) => {
                self.store_answered();
                if let Some(since) = self.pending.stored(batch) {
                    self.effects.events.push(NodeEvent::Stored {
                        entries: batch.len(),
                        after: now.at.saturating_duration_since(since),
                    });
                }
                self.outbox.release(batch, now.at);
                self.effects.publish = true;
            }
            Err(error) => self.store_failed(error, now),
        }
        self.report_readiness();
    }

    /// How a purge went.
    pub(in super::super) fn purged(&mut self, outcome: Result<u64, StoreError>, now: Now) {
        match outcome {
            Ok(_) => self.store_answered(),
            // The next purge covers what this one did not.
            Err(error) => self.store_failed(error, now),
        }
    }

    fn store_answered(&mut self) {
        self.store = StoreState::Answering;
        self.store_backoff.succeeded();
        self.store_retry_at = None;
    }

    fn store_failed(&mut self, error: StoreError, now: Now) {
        self.store = StoreState::Failing;
        self.store_retry_at = Some(now.at + self.store_backoff.failed(&mut self.rng));
        self.effects.events.push(NodeEvent::StoreFailed { unknown: error.is_unknown(), error: error.to_string() });
    }
}
