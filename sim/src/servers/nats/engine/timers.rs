//! What happens because time passes: pings, deadlines, lame duck mode.

use std::time::Duration;

use rand_core::Rng;
use tokio::time::Instant;

use super::Engine;
use crate::servers::nats::client::{CloseReason, Phase, Timer};
use crate::servers::nats::protocol;
use crate::servers::nats::router::ClientKey;

/// The first ping to a client comes this soon after its `CONNECT`, to measure the round trip.
const FIRST_PING: Duration = Duration::from_secs(2);
/// The first ping over a route comes this soon.
const FIRST_ROUTE_PING: Duration = Duration::from_secs(1);
/// A client is pinged at least this often, however busy it is, to measure the round trip again.
const ROUND_TRIP_INTERVAL: Duration = Duration::from_secs(3600);
/// The longest time between two clients that a lame duck closes.
const LAME_DUCK_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How long a publisher may pause in all for what it sent at once.
const STALL_MAX: Duration = Duration::from_millis(10);

/// Lame duck mode under way.
#[derive(Debug)]
pub(super) struct LameDuck {
    next: Instant,
    pause: Duration,
    /// Clients still to be closed, by place and number.
    remaining: Vec<(ClientKey, u64)>,
}

impl Engine {
    /// When [`Engine::expire`] has something to do next.
    pub(in crate::servers::nats) fn next_deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, ..)| *at);
        let lame_duck = self.lame_duck.as_ref().map(|lame_duck| lame_duck.next);
        [timer, lame_duck].into_iter().flatten().min()
    }

    /// Does everything that is due.
    pub(in crate::servers::nats) fn expire(&mut self, now: Instant) {
        while let Some((at, key, timer)) = self.timers.first().copied() {
            if at > now {
                break;
            }
            self.stop_timer(key, timer);
            match timer {
                Timer::Auth => self.refuse(key, "Authentication Timeout", CloseReason::AuthenticationTimeout),
                Timer::Ping if !self.clients[key.index()].is_client() => self.ping_route(key, now),
                Timer::Ping => self.check_liveness(key, now),
                Timer::Write => self.end_write(key, now),
                Timer::Handshake => self.close(key, CloseReason::TlsHandshake),
                Timer::Stall => {
                    self.clients[key.index()].attention = true;
                    self.mark_dirty(key);
                }
            }
        }
        self.walk_lame_duck(now);
    }

    pub(super) fn start_first_ping(&mut self, key: ClientKey, now: Instant) {
        let first = self.config.timing.ping_interval.min(FIRST_PING);
        let spread = self.random_below(first / 5);
        self.start_timer(key, Timer::Ping, now + first + spread);
    }

    pub(super) fn start_first_route_ping(&mut self, key: ClientKey, now: Instant) {
        let first = self.route_ping_interval().min(FIRST_ROUTE_PING);
        let spread = self.random_below(first / 5);
        self.start_timer(key, Timer::Ping, now + first + spread);
    }

    /// A route is pinged at least as often as a client.
    pub(super) fn route_ping_interval(&self) -> Duration {
        let clients = self.config.timing.ping_interval;
        self.config.cluster.as_ref().map_or(clients, |cluster| cluster.ping_interval.min(clients))
    }

    pub(super) fn random_below(&mut self, limit: Duration) -> Duration {
        let limit = limit.as_nanos() as u64;
        Duration::from_nanos(self.rng.next_u64().checked_rem(limit).unwrap_or(0))
    }

    fn check_liveness(&mut self, key: ClientKey, now: Instant) {
        let timing = &self.config.timing;
        let (interval, max_pings_out) = (timing.ping_interval, timing.max_pings_out);
        let client = &mut self.clients[key.index()];
        let measure = client.last_ping.is_none_or(|last| now - last > ROUND_TRIP_INTERVAL);
        if measure || now - client.last_active >= interval {
            if client.pings_out + 1 > max_pings_out {
                return self.refuse(key, "Stale Connection", CloseReason::StaleConnection);
            }
            client.last_ping = Some(now);
            client.pings_out += 1;
            self.send(key, protocol::PING);
        }
        self.start_timer(key, Timer::Ping, now + interval);
    }

    fn end_write(&mut self, key: ClientKey, now: Instant) {
        let client = &mut self.clients[key.index()];
        // A route that takes anything at all is slow, and stays.
        if let Some(route) = client.route_mut()
            && std::mem::take(&mut route.progressed)
        {
            let deadline = now + self.config.timing.write_deadline;
            return self.start_timer(key, Timer::Write, deadline);
        }
        if client.phase == Phase::Open {
            if client.awaits_authentication() {
                self.close(key, CloseReason::SlowConsumerWriteDeadline);
            } else {
                self.cut_slow_consumer(key, CloseReason::SlowConsumerWriteDeadline);
            }
        } else {
            self.discard(key);
            self.mark_dirty(key);
        }
    }

    /// Pauses a publisher; pauses for what it sent at once add up to [`STALL_MAX`] at most.
    pub(super) fn stall(&mut self, key: ClientKey, pause: Duration, now: Instant) {
        let from = self.clients[key.index()].timer(Timer::Stall).unwrap_or(now);
        self.start_timer(key, Timer::Stall, (from + pause).min(now + STALL_MAX));
    }

    /// Enters lame duck mode: no new connections, and the present ones are told and closed one by one.
    pub(in crate::servers::nats) fn lame_duck(&mut self, now: Instant) {
        if !self.accepts() {
            return;
        }
        let open = self.clients.iter().filter(|(_, client)| client.phase == Phase::Open && client.is_client());
        let remaining: Vec<(ClientKey, u64)> =
            open.map(|(index, client)| (ClientKey(index as u32), client.id)).collect();
        if remaining.is_empty() {
            return self.shutdown();
        }
        let timing = &self.config.timing;
        let spread = timing.lame_duck_duration.saturating_sub(timing.lame_duck_grace);
        let spread = if spread.is_zero() { Duration::from_secs(1) } else { spread };
        let pause = (spread / remaining.len() as u32).min(LAME_DUCK_PAUSE_MAX);
        let next = now + timing.lame_duck_grace;
        self.announce_departure();
        self.lame_duck = Some(LameDuck { next, pause, remaining });
    }

    fn walk_lame_duck(&mut self, now: Instant) {
        while let Some(mut lame_duck) = self.lame_duck.take() {
            if lame_duck.next > now {
                self.lame_duck = Some(lame_duck);
                return;
            }
            if !lame_duck.remaining.is_empty() {
                let at = self.rng.next_u64() as usize % lame_duck.remaining.len();
                let (key, id) = lame_duck.remaining.swap_remove(at);
                if self.clients.get(key.index()).is_some_and(|client| client.id == id) {
                    self.close(key, CloseReason::ServerShutdown);
                }
            }
            if lame_duck.remaining.is_empty() {
                return self.shutdown();
            }
            lame_duck.next += self.random_below(lame_duck.pause).max(lame_duck.pause / 2);
            self.lame_duck = Some(lame_duck);
        }
    }
}
