//! The binary encoding of an envelope.
//!
//! `version u8 · publisher u64 · node u16 · numbering u8 · sequence varint · events varint · (tag u8 · length varint · body)* · checksum u32`
//!
//! Fixed-width numbers are little-endian, varints are LEB128. The length before each body lets a reader skip events of a later
//! version. The checksum is the low half of XXH3-64 over all that precedes it: brokers and their clients have been seen to garble.

use super::{Envelope, Event, Numbering, VERSION};
use crate::blocklist::{BUCKETS, Digest, Entry, Hlc, MAX_REASON_BYTES, State};
use crate::ids::{Incarnation, NodeId};
use bytes::Bytes;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

/// The largest time that is believed, milliseconds: it fits the store's signed columns with room to count on.
pub const MAX_WALL_MS: u64 = 1 << 62;

const TAG_BLOCKS: u8 = 1;
const TAG_DIGEST: u8 = 2;
const TAG_REPAIR: u8 = 3;

const STATE_UNBLOCKED: u8 = 0;
const STATE_BLOCKED: u8 = 1;
const STATE_BLOCKED_UNTIL: u8 = 2;

const CHECKSUM_BYTES: usize = 4;

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It ends too early.
    #[error("message is truncated")]
    Truncated,
    /// Its checksum does not match.
    #[error("message is garbled: its checksum does not match")]
    Checksum,
    /// It is of another version.
    #[error("message has version {0}, this build reads version {VERSION}; finish the upgrade")]
    Version(u8),
    /// A field holds what no writer produces.
    #[error("message is garbled: {0}")]
    Invalid(&'static str),
}

/// Encodes a message.
#[must_use]
pub fn encode(envelope: &Envelope) -> Bytes {
    let mut out = Vec::with_capacity(256);
    out.push(VERSION);
    out.extend_from_slice(&envelope.publisher.0.to_le_bytes());
    out.extend_from_slice(&envelope.node_id.get().to_le_bytes());
    out.push(match envelope.numbering {
        Numbering::Latest => 0,
        Numbering::Own => 1,
    });
    put_varint(&mut out, envelope.sequence);
    put_varint(&mut out, envelope.events.len() as u64);
    let mut body = Vec::with_capacity(160);
    for event in &envelope.events {
        body.clear();
        out.push(encode_event(&mut body, event));
        put_varint(&mut out, body.len() as u64);
        out.extend_from_slice(&body);
    }
    let checksum = checksum(&out);
    out.extend_from_slice(&checksum);
    out.into()
}

/// Decodes a message; events of unknown kinds are skipped.
///
/// # Errors
/// When the message is truncated, garbled, or of another version.
pub fn decode(message: &[u8]) -> Result<Envelope, DecodeError> {
    // The version comes first, so that a later one is named as such even if it has another checksum.
    match message.first() {
        None => return Err(DecodeError::Truncated),
        Some(&VERSION) => {}
        Some(&version) => return Err(DecodeError::Version(version)),
    }
    let (content, sum) = message.split_last_chunk::<CHECKSUM_BYTES>().ok_or(DecodeError::Truncated)?;
    if checksum(content) != *sum {
        return Err(DecodeError::Checksum);
    }
    let mut input = Input(&content[1..]);
    let publisher = Incarnation(u64::from_le_bytes(input.array()?));
    let node_id = NodeId::new(u16::from_le_bytes(input.array()?)).ok_or(DecodeError::Invalid("node id 0"))?;
    let numbering = match input.byte()? {
        0 => Numbering::Latest,
        1 => Numbering::Own,
        _ => return Err(DecodeError::Invalid("unknown numbering")),
    };
    let sequence = input.varint()?;
    let count = input.varint()?;
    let mut events = Vec::new();
    for _ in 0..count {
        let tag = input.byte()?;
        let length = input.length()?;
        let body = Input(input.take(length)?);
        events.extend(decode_event(tag, body)?);
    }
    input.finish()?;
    Ok(Envelope { publisher, node_id, numbering, sequence, events })
}

fn checksum(content: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let [a, b, c, d, ..] = xxh3_64(content).to_le_bytes();
    [a, b, c, d]
}

fn encode_event(out: &mut Vec<u8>, event: &Event) -> u8 {
    match event {
        Event::Blocks(entries) => {
            encode_entries(out, entries);
            TAG_BLOCKS
        }
        Event::Repair(entries) => {
            encode_entries(out, entries);
            TAG_REPAIR
        }
        Event::Digest(digest) => {
            for bucket in digest.buckets {
                out.extend_from_slice(&bucket.to_le_bytes());
            }
            put_varint(out, u64::from(digest.entries));
            put_varint(out, digest.horizon_ms);
            TAG_DIGEST
        }
    }
}

fn decode_event(tag: u8, mut body: Input<'_>) -> Result<Option<Event>, DecodeError> {
    let event = match tag {
        TAG_BLOCKS => Event::Blocks(body.entries()?),
        TAG_REPAIR => Event::Repair(body.entries()?),
        TAG_DIGEST => {
            let mut buckets = [0; BUCKETS];
            for bucket in &mut buckets {
                *bucket = u64::from_le_bytes(body.array()?);
            }
            let entries = body.varint()?;
            Event::Digest(Digest {
                buckets,
                entries: u32::try_from(entries).map_err(|_| DecodeError::Invalid("digest of too many entries"))?,
                horizon_ms: body.wall_ms()?,
            })
        }
        _ => return Ok(None),
    };
    body.finish()?;
    Ok(Some(event))
}

fn encode_entries(out: &mut Vec<u8>, entries: &[Entry]) {
    put_varint(out, entries.len() as u64);
    for entry in entries {
        encode_entry(out, entry);
    }
}

/// Appends one entry. Also what a digest hashes, so every field takes part.
pub(crate) fn encode_entry(out: &mut Vec<u8>, entry: &Entry) {
    match entry.net {
        IpNet::V4(net) => {
            out.push(4);
            out.push(net.prefix_len());
            out.extend_from_slice(&net.network().octets()[..address_bytes(net.prefix_len())]);
        }
        IpNet::V6(net) => {
            out.push(6);
            out.push(net.prefix_len());
            out.extend_from_slice(&net.network().octets()[..address_bytes(net.prefix_len())]);
        }
    }
    put_varint(out, entry.version.wall_ms);
    put_varint(out, u64::from(entry.version.counter));
    out.extend_from_slice(&entry.version.incarnation.0.to_le_bytes());
    match &entry.state {
        State::Unblocked => out.push(STATE_UNBLOCKED),
        State::Blocked { reason, expires_ms } => {
            match expires_ms {
                None => out.push(STATE_BLOCKED),
                Some(expires_ms) => {
                    out.push(STATE_BLOCKED_UNTIL);
                    put_varint(out, *expires_ms);
                }
            }
            put_varint(out, reason.len() as u64);
            out.extend_from_slice(reason.as_bytes());
        }
    }
}

/// Only the bytes that the prefix reaches into are sent.
fn address_bytes(prefix: u8) -> usize {
    usize::from(prefix.div_ceil(8))
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// What is still to be read.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid("number of more than 64 bits"))
    }

    fn length(&mut self) -> Result<usize, DecodeError> {
        usize::try_from(self.varint()?).map_err(|_| DecodeError::Truncated)
    }

    fn wall_ms(&mut self) -> Result<u64, DecodeError> {
        match self.varint()? {
            ms if ms <= MAX_WALL_MS => Ok(ms),
            _ => Err(DecodeError::Invalid("time out of range")),
        }
    }

    fn entries(&mut self) -> Result<Vec<Entry>, DecodeError> {
        let count = self.varint()?;
        // The count is not trusted with an allocation: entries are pushed as they are found.
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(self.entry()?);
        }
        Ok(entries)
    }

    fn entry(&mut self) -> Result<Entry, DecodeError> {
        let net = self.net()?;
        let version = Hlc {
            wall_ms: self.wall_ms()?,
            counter: u32::try_from(self.varint()?).map_err(|_| DecodeError::Invalid("counter out of range"))?,
            incarnation: Incarnation(u64::from_le_bytes(self.array()?)),
        };
        let state = match self.byte()? {
            STATE_UNBLOCKED => State::Unblocked,
            STATE_BLOCKED => State::Blocked { expires_ms: None, reason: self.reason()? },
            STATE_BLOCKED_UNTIL => State::Blocked { expires_ms: Some(self.wall_ms()?), reason: self.reason()? },
            _ => return Err(DecodeError::Invalid("unknown entry state")),
        };
        Ok(Entry { net, version, state })
    }

    fn net(&mut self) -> Result<IpNet, DecodeError> {
        const PREFIX: DecodeError = DecodeError::Invalid("prefix longer than the address");
        let family = self.byte()?;
        let prefix = self.byte()?;
        let net = match family {
            4 if prefix <= 32 => {
                let mut octets = [0; 4];
                let length = address_bytes(prefix);
                octets[..length].copy_from_slice(self.take(length)?);
                IpNet::V4(Ipv4Net::new(octets.into(), prefix).map_err(|_| PREFIX)?)
            }
            6 if prefix <= 128 => {
                let mut octets = [0; 16];
                let length = address_bytes(prefix);
                octets[..length].copy_from_slice(self.take(length)?);
                IpNet::V6(Ipv6Net::new(octets.into(), prefix).map_err(|_| PREFIX)?)
            }
            4 | 6 => return Err(PREFIX),
            _ => return Err(DecodeError::Invalid("unknown address family")),
        };
        if net == net.trunc() { Ok(net) } else { Err(DecodeError::Invalid("network with host bits")) }
    }

    fn reason(&mut self) -> Result<String, DecodeError> {
        let length = self.length()?;
        if length > MAX_REASON_BYTES {
            return Err(DecodeError::Invalid("reason too long"));
        }
        let text = std::str::from_utf8(self.take(length)?).map_err(|_| DecodeError::Invalid("reason is not UTF-8"))?;
        if text.contains('\0') {
            return Err(DecodeError::Invalid("reason with a NUL"));
        }
        Ok(text.to_owned())
    }

    fn finish(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Invalid("bytes after the end")) }
    }
}

#[cfg(test)]
mod tests;
