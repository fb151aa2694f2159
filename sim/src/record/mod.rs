//! What happened, exactly: a digest of every event always, the events themselves on demand.

mod trace;

pub use trace::{TraceEvent, Wire, WireFate};

use crate::net::{HostId, Lost};
use bytes::Bytes;
use std::hash::{Hash, Hasher};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// How much of a run is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Keep {
    /// The digest.
    #[default]
    Digest,
    /// Every event in words.
    Everything,
}

/// The ends of a packet: sending host and port, receiving host and port.
pub(crate) type Ends = (HostId, u16, HostId, u16);

/// Follows a run.
#[derive(Debug)]
pub(crate) struct Recorder {
    keep: Keep,
    digest: u64,
    events: u64,
    trace: Vec<TraceEvent>,
}

/// What a finished run left.
#[derive(Debug, Default)]
pub struct Recording {
    /// The digest of every event, their times and their payloads.
    pub digest: u64,
    /// How many events there were.
    pub events: u64,
    /// With [`Keep::Everything`]: the events.
    pub trace: Vec<TraceEvent>,
}

/// One step of the digest: a multiply-rotate mix of 64-bit words, after wyhash.
fn mix(digest: u64, word: u64) -> u64 {
    let wide = u128::from(digest ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835);
    (wide as u64) ^ ((wide >> 64) as u64).rotate_left(29) ^ word
}

impl Recorder {
    pub(crate) fn new(keep: Keep) -> Self {
        Self { keep, digest: 0x5351_5541_4c4c, events: 0, trace: Vec::new() }
    }

    fn step(&mut self, words: [u64; 4]) {
        self.digest = words.into_iter().fold(self.digest, mix);
        self.events += 1;
    }

    pub(crate) fn arrived(&mut self, at_ns: u64, ends: Ends, wire: Wire, payload: &[u8]) {
        self.packet(at_ns, ends, wire, WireFate::Arrived, payload);
    }

    pub(crate) fn lost(&mut self, at_ns: u64, ends: Ends, wire: Wire, why: Lost, payload: &[u8]) {
        let fate = match why {
            Lost::Cut => WireFate::Cut,
            Lost::Random => WireFate::Lost,
            Lost::HostDown => WireFate::HostDown,
        };
        self.packet(at_ns, ends, wire, fate, payload);
    }

    fn packet(&mut self, at_ns: u64, (from, from_port, to, to_port): Ends, wire: Wire, fate: WireFate, payload: &[u8]) {
        let hosts = u64::from(from.0) << 32 | u64::from(to.0);
        let ports = u64::from(from_port) << 48 | u64::from(to_port) << 32 | (wire as u64) << 8 | fate as u64;
        // Contents count: two runs may send different bytes of one length.
        let content = if payload.is_empty() { 0 } else { xxh3_64(payload) ^ payload.len() as u64 };
        self.step([at_ns, hosts, ports, content]);
        if self.keep == Keep::Everything {
            let payload = Bytes::copy_from_slice(payload);
            self.trace.push(TraceEvent::Packet { at_ns, from, from_port, to, to_port, wire, fate, payload });
        }
    }

    /// Anything else: `what` goes into the digest, `text` into the trace.
    pub(crate) fn note(&mut self, at_ns: u64, host: Option<HostId>, what: &impl Hash, text: impl FnOnce() -> String) {
        let mut hasher = Xxh3::new();
        what.hash(&mut Portable(&mut hasher));
        self.step([at_ns, host.map_or(u64::MAX, |h| u64::from(h.0)), u64::MAX, hasher.finish()]);
        if self.keep == Keep::Everything {
            self.trace.push(TraceEvent::Note { at_ns, host, text: text() });
        }
    }

    pub(crate) fn finish(&mut self) -> Recording {
        Recording { digest: self.digest, events: self.events, trace: std::mem::take(&mut self.trace) }
    }
}

/// Feeds a hasher; `Hash` wants a `Hasher` by value of this crate's choice.
struct Portable<'a>(&'a mut Xxh3);

impl Hasher for Portable<'_> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        self.0.digest()
    }
}
