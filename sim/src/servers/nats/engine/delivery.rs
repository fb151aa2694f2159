//! From a published message to the bytes that wait for its receivers.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::Engine;
use crate::servers::nats::client::{Client, CloseReason, NoResponders, Phase};
use crate::servers::nats::protocol::{self, HeaderSupport, MessageLine, Publish};
use crate::servers::nats::router::{ClientKey, Interest, Outcome, Sid};

/// Bodies from this size on are shared between receivers instead of copied to each.
const SHARE_FROM: usize = 4096;
/// Pause of a publisher for each message to a receiver that is far behind.
const STALL: Duration = Duration::from_millis(2);

/// The lines of the message at hand, for receivers with headers and without.
#[derive(Debug, Default)]
pub(super) struct Lines {
    full: MessageLine,
    stripped: MessageLine,
}

/// The one core that does all the work, when work takes time.
#[derive(Debug, Default)]
pub(super) struct ServiceCore {
    busy_until: Option<Instant>,
    held: VecDeque<Held>,
}

/// Bytes the core gets to at a later time.
#[derive(Debug)]
struct Held {
    at: Instant,
    client: ClientKey,
    client_id: u64,
    bytes: Bytes,
}

impl ServiceCore {
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.held.front().map(|held| held.at)
    }

    /// Adds work that begins when the core is free, and tells when it is done.
    fn work(&mut self, now: Instant, cost: Duration) -> Instant {
        let done = self.busy_until.map_or(now, |busy| busy.max(now)) + cost;
        self.busy_until = Some(done);
        done
    }

    fn hold(&mut self, at: Instant, client: ClientKey, client_id: u64, bytes: Bytes) {
        self.held.push_back(Held { at, client, client_id, bytes });
    }
}

/// What the deliveries of one message have in common.
struct Fan<'a> {
    message: &'a Publish<'a>,
    lines: &'a Lines,
    shared: Option<Bytes>,
    max_pending: usize,
    /// Deliveries to receivers that are far behind.
    stalls: u32,
    /// Receivers that were sent more than may wait.
    overrun: Vec<ClientKey>,
    bytes_out: u64,
    deliveries: u64,
}

impl Fan<'_> {
    /// The parts of the delivery, of which only the last can be large.
    fn parts<'s>(&'s self, receiver: &Client, sid: &'s Sid) -> ([&'s [u8]; 3], &'s [u8]) {
        let support = receiver.options.headers;
        let stripped = support == HeaderSupport::None && self.message.headers.is_some();
        let line = if stripped { &self.lines.stripped } else { &self.lines.full };
        (line.parts(sid.as_bytes()), protocol::body(self.message, support))
    }

    /// Puts one delivery behind what waits for the receiver already.
    fn deliver(&mut self, key: ClientKey, receiver: &mut Client, sid: &Sid) -> Outcome {
        if self.overrun.contains(&key) {
            return Outcome::Refused;
        }
        let (line, body) = self.parts(receiver, sid);
        let size = line.iter().map(|part| part.len()).sum::<usize>() + body.len();
        let payload = body.len() - 2;
        if receiver.outbox.pending() + size > self.max_pending {
            // Closing for real must wait until the router is done with this message.
            self.overrun.push(key);
            return Outcome::Refused;
        }
        for part in line {
            receiver.outbox.push(part);
        }
        if body.len() < SHARE_FROM {
            receiver.outbox.push(body);
        } else if receiver.options.headers == HeaderSupport::Full {
            let whole = self.message.body;
            receiver.outbox.push_shared(self.shared.get_or_insert_with(|| Bytes::copy_from_slice(whole)).clone());
        } else {
            receiver.outbox.push_shared(Bytes::copy_from_slice(body));
        }
        if receiver.outbox.pending() > self.max_pending / 4 * 3 {
            self.stalls += 1;
        }
        self.count(payload);
        Outcome::Accepted
    }

    fn count(&mut self, payload: usize) {
        self.deliveries += 1;
        self.bytes_out += payload as u64;
    }
}

impl Engine {
    /// Delivers a message, and tells how long its publisher must pause for the sake of the receivers.
    pub(super) fn publish(&mut self, from: ClientKey, message: &Publish<'_>, now: Instant) -> Duration {
        self.stats.in_msgs += 1;
        self.stats.in_bytes += message.total.bytes as u64;
        self.lines.full.prepare(message, HeaderSupport::Full);
        if message.headers.is_some() {
            self.lines.stripped.prepare(message, HeaderSupport::None);
        }
        let options = &self.clients[from.index()].options;
        let (echo, no_responders) = (options.echo, options.no_responders);
        let service = self.config.service;
        let free = service.is_free();
        if !free {
            self.core.work(now, service.per_message);
        }
        let Self { router, clients, rng, dirty, core, lines, config, .. } = self;
        let mut fan = Fan {
            message,
            lines,
            shared: None,
            max_pending: config.limits.max_pending,
            stalls: 0,
            overrun: Vec::new(),
            bytes_out: 0,
            deliveries: 0,
        };
        let interest = router.publish(from, echo, message.subject, rng, |key, sid| {
            let receiver = &mut clients[key.index()];
            if !free {
                let (line, body) = fan.parts(receiver, sid);
                let bytes = [line.concat().as_slice(), body].concat();
                let payload = body.len() - 2;
                let done = core.work(now, service.per_delivery);
                core.hold(done, key, receiver.id, bytes.into());
                fan.count(payload);
                return Outcome::Accepted;
            }
            let outcome = fan.deliver(key, receiver, sid);
            if outcome == Outcome::Accepted && !receiver.dirty {
                receiver.dirty = true;
                dirty.push_back(key);
            }
            outcome
        });
        let Fan { stalls, overrun, bytes_out, deliveries, .. } = fan;
        self.stats.out_msgs += deliveries;
        self.stats.out_bytes += bytes_out;
        for key in overrun {
            self.cut_slow_consumer(key, CloseReason::SlowConsumerPendingBytes);
        }
        if interest == Interest::None && no_responders == NoResponders::Tell {
            self.tell_no_responders(from, message);
        }
        STALL * stalls
    }

    fn tell_no_responders(&mut self, from: ClientKey, message: &Publish<'_>) {
        let Some(reply) = message.reply else {
            return;
        };
        if let Some(sid) = self.router.subscription_for(from, reply) {
            let bytes = protocol::no_responders(reply, sid.as_bytes());
            self.send(from, &bytes);
        }
    }

    pub(super) fn cut_slow_consumer(&mut self, key: ClientKey, reason: CloseReason) {
        self.stats.slow_consumers += 1;
        self.close(key, reason);
    }

    /// Sends what belongs behind the deliveries the core has not got to yet.
    pub(super) fn send(&mut self, key: ClientKey, bytes: &[u8]) {
        match self.core.busy_until {
            Some(at) if !self.core.held.is_empty() => {
                let client_id = self.clients[key.index()].id;
                self.core.hold(at, key, client_id, Bytes::copy_from_slice(bytes));
            }
            _ => self.send_now(key, bytes),
        }
    }

    pub(super) fn send_now(&mut self, key: ClientKey, bytes: &[u8]) {
        let client = &mut self.clients[key.index()];
        if client.phase == Phase::Closing {
            return;
        }
        if client.outbox.pending() + bytes.len() > self.config.limits.max_pending {
            return self.cut_slow_consumer(key, CloseReason::SlowConsumerPendingBytes);
        }
        client.outbox.push(bytes);
        self.mark_dirty(key);
    }

    /// Sends what the core has got to by now.
    pub(super) fn release_held(&mut self, now: Instant) {
        while self.core.next_release().is_some_and(|at| at <= now) {
            let Some(Held { client, client_id, bytes, .. }) = self.core.held.pop_front() else {
                return;
            };
            // The place may belong to another client by now.
            if self.clients.get(client.index()).is_some_and(|client| client.id == client_id) {
                self.send_now(client, &bytes);
            }
        }
    }
}
