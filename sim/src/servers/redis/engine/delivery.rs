//! From a published message to the bytes that wait for its receivers.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use slab::Slab;
use tokio::time::Instant;

use super::Engine;
use crate::servers::common::machine::ClientKey;
use crate::servers::redis::client::Client;
use crate::servers::redis::config::Limits;
use crate::servers::redis::pubsub::Kind;
use crate::servers::redis::reply::Version;

/// Messages from this size on are shared between receivers instead of copied to each.
const SHARE_FROM: usize = 4096;

/// One message on its way, in the words of each protocol version that somebody needs.
struct Frame<'a> {
    parts: &'a [&'a [u8]],
    made: [Option<Bytes>; 2],
}

impl<'a> Frame<'a> {
    fn new(parts: &'a [&'a [u8]]) -> Self {
        Self { parts, made: [None, None] }
    }

    fn bytes(&mut self, version: Version) -> &Bytes {
        let (slot, kind) = match version {
            Version::Resp2 => (0, b'*'),
            Version::Resp3 => (1, b'>'),
        };
        let parts = self.parts;
        self.made[slot].get_or_insert_with(|| {
            let size = parts.iter().map(|part| part.len() + 24).sum();
            let mut bytes = BytesMut::with_capacity(size);
            bytes.put_u8(kind);
            bytes.put_slice(format!("{}\r\n", parts.len()).as_bytes());
            for part in parts {
                bytes.put_slice(format!("${}\r\n", part.len()).as_bytes());
                bytes.put_slice(part);
                bytes.put_slice(b"\r\n");
            }
            bytes.freeze()
        })
    }
}

/// The deliveries of one message.
struct Fan<'a> {
    clients: &'a mut Slab<Client>,
    dirty: &'a mut VecDeque<ClientKey>,
    limits: &'a Limits,
    /// Receivers for which much waits now.
    heavy: Vec<ClientKey>,
    deliveries: u64,
}

impl Fan<'_> {
    fn deliver(&mut self, receivers: &[ClientKey], frame: &mut Frame<'_>) {
        for key in receivers {
            let client = &mut self.clients[key.index()];
            let bytes = frame.bytes(client.version);
            if bytes.len() < SHARE_FROM {
                client.lane.outbox.push(bytes);
            } else {
                client.lane.outbox.push_shared(bytes.clone());
            }
            let limit = client.output_limit(self.limits);
            let pending = client.lane.outbox.pending();
            if [limit.hard, limit.soft].into_iter().any(|limit| limit > 0 && pending >= limit) {
                self.heavy.push(*key);
            }
            if client.lane.mark_dirty() {
                self.dirty.push_back(*key);
            }
            self.deliveries += 1;
        }
    }
}

impl Engine {
    /// Delivers a message, first to the channel's subscribers and then to those of patterns, and counts
    /// the deliveries.
    pub(super) fn publish(&mut self, kind: Kind, channel: &[u8], payload: &[u8], now: Instant) -> u64 {
        self.stats.in_msgs += 1;
        self.stats.in_bytes += payload.len() as u64;
        let Self { clients, registry, dirty, config, .. } = self;
        let mut fan = Fan { clients, dirty, limits: &config.limits, heavy: Vec::new(), deliveries: 0 };
        let word: &[u8] = if kind == Kind::Shard { b"smessage" } else { b"message" };
        let parts = [word, channel, payload];
        fan.deliver(registry.subscribers(kind, channel), &mut Frame::new(&parts));
        if kind == Kind::Channel {
            for (pattern, subscribers) in registry.patterns_for(channel) {
                let parts = [&b"pmessage"[..], pattern, channel, payload];
                fan.deliver(subscribers, &mut Frame::new(&parts));
            }
        }
        let Fan { heavy, deliveries, .. } = fan;
        self.stats.out_msgs += deliveries;
        self.stats.out_bytes += deliveries * payload.len() as u64;
        for key in heavy {
            self.judge_output(key, now);
        }
        deliveries
    }
}
