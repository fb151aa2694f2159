//! From a published message to the bytes that wait for its receivers.

use std::time::Duration;

use bytes::Bytes;

use super::Engine;
use crate::servers::nats::client::{Client, CloseReason, NoResponders, Phase};
use crate::servers::nats::protocol::route::message_line;
use crate::servers::nats::protocol::{self, HeaderSupport, MessageLine, Publish};
use crate::servers::nats::route::ACCOUNT;
use crate::servers::nats::router::{ClientKey, Interest, Origin, Outcome, Sid};

/// Bodies from this size on are shared between receivers instead of copied to each.
const SHARE_FROM: usize = 4096;
/// Pause of a publisher for each message to a receiver that is far behind.
const STALL: Duration = Duration::from_millis(2);

/// The lines of the message at hand, for receivers with headers and without.
#[derive(Debug, Default)]
pub(super) struct Lines {
    full: MessageLine,
    stripped: MessageLine,
    routed: Vec<u8>,
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
    /// Delivers a client's message, and tells how long the client must pause for the sake of the receivers.
    pub(super) fn publish(&mut self, from: ClientKey, message: &Publish<'_>) -> Duration {
        self.stats.in_msgs += 1;
        self.stats.in_bytes += message.total.bytes as u64;
        let options = &self.clients[from.index()].options;
        let (echo, no_responders) = (options.echo, options.no_responders);
        let (interest, pause) = self.fan_out(Origin::Client(from, echo), message);
        if interest == Interest::None && no_responders == NoResponders::Tell {
            self.tell_no_responders(from, message);
        }
        pause
    }

    /// Delivers a message of another server to clients; of queue groups only to `queues`.
    pub(super) fn publish_routed(&mut self, message: &Publish<'_>, queues: &[u8]) {
        // A server does not pause for the sake of receivers: the clients of other servers would wait too.
        let _pause = self.fan_out(Origin::Route(queues), message);
    }

    fn fan_out(&mut self, origin: Origin<'_>, message: &Publish<'_>) -> (Interest, Duration) {
        self.lines.full.prepare(message, HeaderSupport::Full);
        if message.headers.is_some() {
            self.lines.stripped.prepare(message, HeaderSupport::None);
        }
        let Self { router, clients, rng, dirty, lines, config, .. } = self;
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
        let interest = router.publish(origin, message.subject, rng, |key, sid| {
            let receiver = &mut clients[key.index()];
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
        let stalls = stalls + self.forward(message);
        self.send_interest_changes();
        (interest, STALL * stalls)
    }

    /// Sends a message over the routes the router chose, and tells how many of them are far behind.
    fn forward(&mut self, message: &Publish<'_>) -> u32 {
        let Self { router, clients, dirty, lines, config, .. } = self;
        let mut stalls = 0;
        for (key, queues) in router.forwards() {
            let route = &mut clients[key.index()];
            lines.routed.clear();
            message_line(&mut lines.routed, ACCOUNT, message, queues);
            route.outbox.push(&lines.routed);
            route.outbox.push(message.body);
            if route.outbox.pending() > config.limits.max_pending / 4 * 3 {
                stalls += 1;
            }
            if !route.dirty {
                route.dirty = true;
                dirty.push_back(key);
            }
        }
        stalls
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

    /// Puts this behind what waits for the connection already.
    pub(super) fn send(&mut self, key: ClientKey, bytes: &[u8]) {
        let client = &mut self.clients[key.index()];
        if client.phase == Phase::Closing {
            return;
        }
        if client.is_client() && client.outbox.pending() + bytes.len() > self.config.limits.max_pending {
            return self.cut_slow_consumer(key, CloseReason::SlowConsumerPendingBytes);
        }
        client.outbox.push(bytes);
        self.mark_dirty(key);
    }
}
