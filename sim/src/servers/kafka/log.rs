//! The log of one partition on one broker.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::batch::{Batch, Stamp};

#[cfg(test)]
mod tests;

/// Batches from the start offset on, and how far they are known to be safe.
#[derive(Debug, Default)]
pub(super) struct PartitionLog {
    batches: VecDeque<Batch>,
    start: i64,
    end: i64,
    bytes: u64,
    high_watermark: i64,
}

/// Where an epoch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EpochEnd {
    pub(super) epoch: i32,
    pub(super) end: i64,
}

impl PartitionLog {
    /// Offset of the first record kept.
    pub(super) fn start(&self) -> i64 {
        self.start
    }

    /// Offset of the next record.
    pub(super) fn end(&self) -> i64 {
        self.end
    }

    /// Offset up to which consumers may read.
    pub(super) fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// Epoch of the newest batch; -1 without one.
    pub(super) fn last_epoch(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.epoch)
    }

    /// Moves the high watermark forward, never past the end; whether it moved.
    pub(super) fn raise_high_watermark(&mut self, to: i64) -> bool {
        let to = to.min(self.end);
        let moves = to > self.high_watermark;
        if moves {
            self.high_watermark = to;
        }
        moves
    }

    /// Appends a checked batch as leader, and returns its base offset.
    pub(super) fn append(&mut self, checked: &Bytes, epoch: i32, append_time_ms: Option<i64>, now: Instant) -> i64 {
        let base_offset = self.end;
        self.push(Batch::stamped(checked, Stamp { base_offset, epoch, append_time_ms }, now));
        base_offset
    }

    /// Appends what the leader has; batches that do not continue the log are left out.
    pub(super) fn replicate(&mut self, batches: Vec<Batch>) {
        for batch in batches {
            if batch.base_offset >= self.end {
                self.push(batch);
            }
        }
    }

    fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes.len() as u64;
        self.end = batch.last_offset + 1;
        self.batches.push_back(batch);
    }

    /// Whole batches from the one that holds `from`, below `until`, within `max_bytes`.
    ///
    /// The first batch comes whatever its size if `oversized` allows it, so that readers always get on.
    pub(super) fn read(&self, from: i64, until: i64, max_bytes: usize, oversized: Oversized) -> Bytes {
        let first = self.batches.partition_point(|batch| batch.last_offset < from);
        let mut size = 0;
        let mut taken = Vec::new();
        for batch in self.batches.range(first..).take_while(|batch| batch.last_offset < until) {
            let fits = size + batch.bytes.len() <= max_bytes;
            if !fits && (!taken.is_empty() || oversized == Oversized::Never) {
                break;
            }
            size += batch.bytes.len();
            taken.push(&batch.bytes);
        }
        match taken[..] {
            [] => Bytes::new(),
            [only] => only.clone(),
            _ => {
                let mut all = BytesMut::with_capacity(size);
                taken.iter().for_each(|bytes| all.extend_from_slice(bytes));
                all.freeze()
            }
        }
    }

    /// Offset and timestamp of the first record, below the high watermark, that is not older than `timestamp`.
    pub(super) fn find_time(&self, timestamp: i64) -> Option<(i64, i64)> {
        let readable = self.batches.iter().take_while(|batch| batch.last_offset < self.high_watermark);
        readable.filter_map(|batch| batch.find_time(timestamp)).find(|(offset, _)| *offset >= self.start)
    }

    /// The newest epoch that is not above `epoch`, and where it ended.
    pub(super) fn epoch_end(&self, epoch: i32) -> EpochEnd {
        let after = self.batches.partition_point(|batch| batch.epoch <= epoch);
        let found = after.checked_sub(1).map_or(-1, |at| self.batches[at].epoch);
        EpochEnd { epoch: found, end: self.batches.get(after).map_or(self.end, |batch| batch.base_offset) }
    }

    /// Drops every batch that does not end below `to`.
    pub(super) fn truncate(&mut self, to: i64) {
        while let Some(batch) = self.batches.pop_back_if(|batch| batch.last_offset >= to) {
            self.bytes -= batch.bytes.len() as u64;
            self.end = batch.base_offset;
        }
        self.start = self.start.min(self.end);
        self.high_watermark = self.high_watermark.min(self.end);
    }

    /// Forgets everything and goes on at `start`.
    pub(super) fn restart_at(&mut self, start: i64) {
        *self = Self { start, end: start, high_watermark: start, ..Self::default() };
    }

    /// Loses what was appended after `since`, as a disk without its cache does.
    pub(super) fn lose_since(&mut self, since: Instant) {
        let kept = self.batches.iter().take_while(|batch| batch.appended_at <= since).last();
        let to = kept.map_or(self.start, |batch| batch.last_offset + 1);
        self.truncate(to);
    }

    /// Moves the start forward, never past the high watermark.
    pub(super) fn advance_start(&mut self, to: i64) {
        self.start = self.start.max(to.min(self.high_watermark));
        while let Some(batch) = self.batches.pop_front_if(|batch| batch.last_offset < self.start) {
            self.bytes -= batch.bytes.len() as u64;
        }
    }

    /// Lets go what is too old or too much, as far as it is below the high watermark.
    pub(super) fn retain(&mut self, max_age: Option<Duration>, max_bytes: Option<u64>, now_ms: i64) {
        let oldest_ms = max_age.map(|age| now_ms.saturating_sub(i64::try_from(age.as_millis()).unwrap_or(i64::MAX)));
        loop {
            let Some(first) = self.batches.front() else { return };
            let old = oldest_ms.is_some_and(|oldest| first.max_timestamp < oldest);
            // As in Kafka, the limit is what must remain, so what is one batch too long stays.
            let much = max_bytes.is_some_and(|max| self.bytes - first.bytes.len() as u64 >= max);
            let next = first.last_offset + 1;
            if !(old || much) || next > self.high_watermark {
                return;
            }
            self.advance_start(next);
        }
    }
}

/// Whether a reader may get a batch that is larger than it wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Oversized {
    /// Yes, if it is the first.
    First,
    /// No: it got some from another partition.
    Never,
}
