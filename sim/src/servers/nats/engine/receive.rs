//! What the operations of a client do.

use tokio::time::Instant;

use super::Engine;
use crate::servers::nats::client::{
    ASYNC_INFO_PROTOCOL, Acknowledge, CloseReason, ConnectRequest, NoResponders, Phase, Strictness, Timer,
};
use crate::servers::nats::protocol::{self, ClientOp, HeaderSupport, ParseLimits, ProtocolError, Publish, Step};
use crate::servers::nats::router::ClientKey;
use crate::servers::nats::subject::is_valid_literal;

/// What became of received bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::servers::nats) struct Received {
    /// Bytes that need not be passed again.
    pub(in crate::servers::nats) consumed: usize,
    /// Bytes missing at least before the rest means something.
    pub(in crate::servers::nats) missing: usize,
}

impl Engine {
    /// Takes bytes of a client; those not consumed come again in front of the next ones.
    pub(in crate::servers::nats) fn receive(&mut self, key: ClientKey, input: &[u8], now: Instant) -> Received {
        if !self.clients[key.index()].is_client() {
            return self.receive_route(key, input);
        }
        let limits =
            ParseLimits { control_line: self.config.limits.max_control_line, payload: self.config.limits.max_payload };
        let mut consumed = 0;
        let mut missing = 1;
        while let Some(first) = input.get(consumed) {
            let client = &self.clients[key.index()];
            if client.phase == Phase::Closing {
                return Received { consumed: input.len(), missing };
            }
            if !first.eq_ignore_ascii_case(&b'C') && client.awaits_authentication() {
                self.refuse(key, "Authorization Violation", CloseReason::AuthenticationViolation);
                continue;
            }
            match protocol::parse(&input[consumed..], &limits) {
                Ok(Step::Op(op, taken)) => {
                    consumed += taken;
                    self.apply(key, op, now);
                }
                Ok(Step::Incomplete(bytes)) => {
                    missing = bytes;
                    break;
                }
                Err(error) => self.reject(key, error),
            }
        }
        Received { consumed, missing }
    }

    pub(super) fn reject(&mut self, key: ClientKey, error: ProtocolError) {
        match error {
            ProtocolError::UnknownOperation => {
                self.refuse(key, "Unknown Protocol Operation", CloseReason::ProtocolViolation);
            }
            // The real server says nothing here.
            ProtocolError::BadArguments => self.close(key, CloseReason::ProtocolViolation),
            ProtocolError::ControlLineTooLong => {
                self.refuse(key, "maximum control line exceeded", CloseReason::MaxControlLine);
            }
            ProtocolError::PayloadTooLarge => {
                self.refuse(key, "Maximum Payload Violation", CloseReason::MaxPayload);
            }
        }
    }

    fn apply(&mut self, key: ClientKey, op: ClientOp<'_>, now: Instant) {
        let client = &mut self.clients[key.index()];
        match op {
            ClientOp::Connect(request) => self.connect(key, request, now),
            ClientOp::Publish(message) => {
                client.last_active = now;
                self.take_message(key, &message, now);
            }
            ClientOp::Subscribe { pattern, queue, sid } => {
                client.last_active = now;
                self.subscribe(key, pattern, queue, sid);
            }
            ClientOp::Unsubscribe { sid, max } => {
                client.last_active = now;
                self.acknowledge(key);
                self.router.unsubscribe(key, sid, max);
                self.send_interest_changes();
            }
            ClientOp::Ping => {
                client.last_active = now;
                let settles = client.introduced && !client.settled;
                client.settled |= client.introduced;
                self.send(key, protocol::PONG);
                if settles {
                    self.catch_up(key);
                }
            }
            ClientOp::Pong => client.pings_out = 0,
            ClientOp::Error => self.close(key, CloseReason::ClientError),
            ClientOp::Ignored => {}
        }
    }

    fn acknowledge(&mut self, key: ClientKey) {
        if self.clients[key.index()].options.acknowledge == Acknowledge::Each {
            self.send(key, protocol::OK);
        }
    }

    fn connect(&mut self, key: ClientKey, request: &[u8], now: Instant) {
        self.stop_timer(key, Timer::Auth);
        self.start_first_ping(key, now);
        let client = &mut self.clients[key.index()];
        let Ok(request) = serde_json::from_slice::<ConnectRequest>(request) else {
            return self.close(key, CloseReason::ProtocolViolation);
        };
        client.introduced = true;
        request.apply_to(&mut client.options);
        let options = client.options.clone();
        if !request.is_authorized(&self.config.authorization) {
            return self.refuse(key, "Authorization Violation", CloseReason::AuthenticationViolation);
        }
        if !(0..=ASYNC_INFO_PROTOCOL).contains(&options.protocol) {
            return self.refuse(key, "invalid client protocol", CloseReason::BadProtocolVersion);
        }
        if options.no_responders == NoResponders::Tell && options.headers == HeaderSupport::None {
            let error = "no responders requires headers support";
            return self.refuse(key, error, CloseReason::NoRespondersWithoutHeaders);
        }
        self.acknowledge(key);
    }

    fn take_message(&mut self, key: ClientKey, message: &Publish<'_>, now: Instant) {
        let options = &self.clients[key.index()].options;
        if message.headers.is_some() && options.headers == HeaderSupport::None {
            return self.close(key, CloseReason::ProtocolViolation);
        }
        // Said to the client, and the message goes on all the same.
        if options.strictness == Strictness::Pedantic && !is_valid_literal(message.subject) {
            self.send(key, &protocol::error("Invalid Publish Subject"));
        }
        self.acknowledge(key);
        let pause = self.publish(key, message);
        if !pause.is_zero() && self.clients[key.index()].phase == Phase::Open {
            self.stall(key, pause, now);
        }
    }

    fn subscribe(&mut self, key: ClientKey, pattern: &[u8], queue: Option<&[u8]>, sid: &[u8]) {
        let count = self.router.subscriptions_of(key);
        if self.config.limits.max_subscriptions.is_some_and(|max| count >= max) {
            return self.send(key, &protocol::error("maximum subscriptions exceeded"));
        }
        match self.router.subscribe(key, pattern, queue, sid) {
            Ok(()) => {
                self.acknowledge(key);
                self.send_interest_changes();
            }
            Err(_) => self.send(key, &protocol::error("Invalid Subject")),
        }
    }
}
