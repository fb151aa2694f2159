//! Record batches, format version 2: the bytes a producer sent, and what a broker reads and sets in them.
//!
//! Layout: <https://kafka.apache.org/documentation/#recordbatch>. The checksum covers everything from the
//! attributes on, so a leader sets the base offset and its epoch without a new one.

use bytes::{Buf, Bytes, BytesMut};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

const BASE_OFFSET: usize = 0;
const LENGTH: usize = 8;
const LEADER_EPOCH: usize = 12;
const MAGIC: usize = 16;
const CRC: usize = 17;
const ATTRIBUTES: usize = 21;
const LAST_OFFSET_DELTA: usize = 23;
const BASE_TIMESTAMP: usize = 27;
const MAX_TIMESTAMP: usize = 35;
const COUNT: usize = 57;
const RECORDS: usize = 61;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL_OR_CONTROL: i16 = 0x30;

/// What is wrong with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchError {
    /// Its bytes are not those that were sent.
    Corrupt,
    /// It is whole, and not what a topic takes.
    Invalid,
    /// It is older than version 2.
    OldFormat,
}

/// One batch in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) bytes: Bytes,
    pub(super) base_offset: i64,
    pub(super) last_offset: i64,
    pub(super) epoch: i32,
    pub(super) max_timestamp: i64,
    pub(super) appended_at: Instant,
}

fn i16_at(bytes: &[u8], at: usize) -> i16 {
    (&bytes[at..]).get_i16()
}

fn i32_at(bytes: &[u8], at: usize) -> i32 {
    (&bytes[at..]).get_i32()
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    (&bytes[at..]).get_i64()
}

fn set<const N: usize>(bytes: &mut BytesMut, at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// Splits the first batch off; the length and the header are there and consistent afterwards.
fn take_batch(bytes: &mut Bytes) -> Result<Bytes, BatchError> {
    if bytes.len() < RECORDS {
        return Err(BatchError::Corrupt);
    }
    if bytes[MAGIC] != 2 {
        return Err(if bytes[MAGIC] < 2 { BatchError::OldFormat } else { BatchError::Corrupt });
    }
    let length = usize::try_from(i32_at(bytes, LENGTH)).map_err(|_| BatchError::Corrupt)? + LEADER_EPOCH;
    if length < RECORDS || length > bytes.len() {
        return Err(BatchError::Corrupt);
    }
    let batch = bytes.split_to(length);
    if crc32c::crc32c(&batch[ATTRIBUTES..]) != i32_at(&batch, CRC) as u32 {
        return Err(BatchError::Corrupt);
    }
    Ok(batch)
}

/// Checks what a producer sent for one partition: exactly one batch.
pub(super) fn check_produced(mut bytes: Bytes) -> Result<Bytes, BatchError> {
    let batch = take_batch(&mut bytes)?;
    let attributes = i16_at(&batch, ATTRIBUTES);
    let count = i32_at(&batch, COUNT);
    if attributes & CODEC_MASK > 4 {
        return Err(BatchError::Corrupt);
    }
    let consistent = count > 0 && count - 1 == i32_at(&batch, LAST_OFFSET_DELTA);
    let plain = attributes & CODEC_MASK == 0;
    if !bytes.is_empty() || !consistent || attributes & TRANSACTIONAL_OR_CONTROL != 0 {
        return Err(BatchError::Invalid);
    }
    if plain && Records::new(&batch).take_while(Option::is_some).count() != count as usize {
        return Err(BatchError::Invalid);
    }
    Ok(batch)
}

/// What the leader writes into a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp {
    pub(super) base_offset: i64,
    pub(super) epoch: i32,
    /// The leader's wall clock, for topics that want it in their records.
    pub(super) append_time_ms: Option<i64>,
}

impl Batch {
    /// A [checked](check_produced) batch with the leader's stamp.
    pub(super) fn stamped(checked: &Bytes, stamp: Stamp, now: Instant) -> Self {
        let mut bytes = BytesMut::from(&checked[..]);
        set(&mut bytes, BASE_OFFSET, stamp.base_offset.to_be_bytes());
        set(&mut bytes, LEADER_EPOCH, stamp.epoch.to_be_bytes());
        if let Some(time) = stamp.append_time_ms {
            let attributes = i16_at(&bytes, ATTRIBUTES) | LOG_APPEND_TIME;
            set(&mut bytes, ATTRIBUTES, attributes.to_be_bytes());
            set(&mut bytes, MAX_TIMESTAMP, time.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[ATTRIBUTES..]);
            set(&mut bytes, CRC, crc.to_be_bytes());
        }
        Self::of(bytes.freeze(), now)
    }

    fn of(bytes: Bytes, now: Instant) -> Self {
        let base_offset = i64_at(&bytes, BASE_OFFSET);
        Self {
            base_offset,
            last_offset: base_offset + i64::from(i32_at(&bytes, LAST_OFFSET_DELTA)),
            epoch: i32_at(&bytes, LEADER_EPOCH),
            max_timestamp: i64_at(&bytes, MAX_TIMESTAMP),
            appended_at: now,
            bytes,
        }
    }

    /// The whole batches in what a leader sent to a follower, as they are.
    pub(super) fn replicated(mut bytes: Bytes, now: Instant) -> Result<Vec<Self>, BatchError> {
        let mut batches = Vec::new();
        while !bytes.is_empty() {
            batches.push(Self::of(take_batch(&mut bytes)?, now));
        }
        Ok(batches)
    }

    /// Offset and timestamp of the first record that is not older than `timestamp`.
    ///
    /// Within a compressed batch the first record stands for all.
    pub(super) fn find_time(&self, timestamp: i64) -> Option<(i64, i64)> {
        if self.max_timestamp < timestamp {
            return None;
        }
        let attributes = i16_at(&self.bytes, ATTRIBUTES);
        if attributes & LOG_APPEND_TIME != 0 {
            return Some((self.base_offset, self.max_timestamp));
        }
        let base = i64_at(&self.bytes, BASE_TIMESTAMP);
        if attributes & CODEC_MASK != 0 {
            return Some((self.base_offset, base.max(timestamp)));
        }
        Records::new(&self.bytes)
            .map_while(|record| record)
            .map(|record| (self.base_offset + record.offset_delta, base + record.timestamp_delta))
            .find(|(_, time)| *time >= timestamp)
    }
}

/// Where one record is, in offset and time, relative to its batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RecordPlace {
    timestamp_delta: i64,
    offset_delta: i64,
}

/// Walks over the records of an uncompressed batch; an item is `None` where they are broken.
struct Records<'a> {
    rest: &'a [u8],
    expected_delta: i64,
}

impl<'a> Records<'a> {
    fn new(batch: &'a [u8]) -> Self {
        Self { rest: &batch[RECORDS..], expected_delta: 0 }
    }

    fn read(&mut self) -> Option<RecordPlace> {
        let length = usize::try_from(varint(&mut self.rest)?).ok()?;
        let mut record = self.rest.get(..length)?;
        self.rest = &self.rest[length..];
        record = record.get(1..)?;
        let place = RecordPlace { timestamp_delta: varint(&mut record)?, offset_delta: varint(&mut record)? };
        (place.offset_delta == self.expected_delta).then_some(place)
    }
}

impl Iterator for Records<'_> {
    type Item = Option<RecordPlace>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let place = self.read();
        if place.is_none() {
            self.rest = &[];
        }
        self.expected_delta += 1;
        Some(place)
    }
}

/// A zigzag-encoded integer of variable length.
fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some((value >> 1) as i64 ^ -((value & 1) as i64));
        }
    }
    None
}
