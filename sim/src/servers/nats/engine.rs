//! The server as a pure state machine: bytes of clients and the time in, bytes for clients out.
//!
//! [`Engine`] owns no socket and reads no clock. Its caller passes received bytes to
//! [`Engine::receive`], calls [`Engine::expire`] at [`Engine::next_deadline`], and after either looks
//! after every connection of [`Engine::next_dirty`]: writes what waits for it, and drops it once finished.
//! Routes to other servers are connections too; [`Engine::take_dials`] orders those to open.

mod cluster;
mod delivery;
mod receive;
mod routes;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use slab::Slab;
use tokio::time::Instant;

use super::ServerStats;
use super::client::{Client, CloseReason, Kind, Phase, TIMERS, Timer};
use super::config::{Authorization, ServerConfig, TlsMode};
use super::info::{self, Duty, Introduction};
use super::membership::Membership;
use super::protocol;
use super::router::{ClientKey, Router};
use crate::servers::common::outbox::Outbox;
use delivery::Lines;
use timers::LameDuck;

/// One server without its sockets.
#[derive(Debug)]
pub(super) struct Engine {
    config: ServerConfig,
    rng: ChaCha8Rng,
    server_id: String,
    port: u16,
    route_port: u16,
    /// Number of the next connection.
    next_id: u64,
    clients: Slab<Client>,
    router: Router,
    membership: Membership,
    timers: BTreeSet<(Instant, ClientKey, Timer)>,
    dirty: VecDeque<ClientKey>,
    lines: Lines,
    lame_duck: Option<LameDuck>,
    stopped: bool,
    stats: ServerStats,
}

impl Engine {
    pub(super) fn new(config: ServerConfig, rng_seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(rng_seed);
        let server_id = info::server_id(&mut rng);
        let mut router = Router::default();
        if config.cluster.is_some() {
            router.track_interest();
        }
        let mut membership = Membership::default();
        let told = if config.cluster.is_some() { Vec::new() } else { config.connect_urls.clone() };
        membership.set_own_urls(config.connect_urls.clone(), told);
        Self {
            config,
            rng,
            server_id,
            port: 4222,
            route_port: 6222,
            next_id: 1,
            clients: Slab::new(),
            router,
            membership,
            timers: BTreeSet::new(),
            dirty: VecDeque::new(),
            lines: Lines::default(),
            lame_duck: None,
            stopped: false,
            stats: ServerStats::default(),
        }
    }

    /// Notes where the server listens for clients.
    pub(super) fn set_address(&mut self, address: SocketAddr) {
        self.port = address.port();
        if self.config.cluster.is_some() && self.config.connect_urls.is_empty() && !address.ip().is_unspecified() {
            self.membership.set_own_urls(vec![address.to_string()], Vec::new());
        }
    }

    fn server_name(&self) -> &str {
        self.config.server_name.as_deref().unwrap_or(&self.server_id)
    }

    /// What clients need for TLS, where it is required.
    pub(super) fn tls(&self) -> Option<&TlsMode> {
        self.config.tls.as_ref()
    }

    pub(super) fn stats(&self) -> ServerStats {
        let (subscriptions, routes) = (self.router.subscription_count(), self.membership.len());
        ServerStats { subscriptions, routes, ..self.stats.clone() }
    }

    /// Whether new connections are welcome.
    pub(super) fn accepts(&self) -> bool {
        self.lame_duck.is_none() && !self.stopped
    }

    /// Whether the server has stopped.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether the server has stopped and every connection is gone.
    pub(super) fn is_finished(&self) -> bool {
        self.stopped && self.clients.is_empty()
    }

    /// Takes in a new connection and greets it.
    pub(super) fn attach(&mut self, peer: SocketAddr, now: Instant) -> ClientKey {
        self.stats.total_connections += 1;
        self.stats.connections += 1;
        let key = self.insert(Client::new(Kind::Client, self.next_id, peer, now));
        self.greet(key, Duty::Serving);
        if self.stats.connections > self.config.limits.max_connections {
            self.refuse(key, "maximum connections exceeded", CloseReason::MaxConnections);
        } else if self.config.tls.is_some() {
            self.start_timer(key, Timer::Handshake, now + self.config.timing.tls_timeout);
        } else {
            self.admit(key, now);
        }
        key
    }

    fn insert(&mut self, client: Client) -> ClientKey {
        self.next_id += 1;
        let key = ClientKey(self.clients.insert(client) as u32);
        self.router.attach(key);
        key
    }

    /// Lets a client speak, once its connection is as secure as it must be.
    pub(super) fn admit(&mut self, key: ClientKey, now: Instant) {
        self.stop_timer(key, Timer::Handshake);
        if self.config.authorization != Authorization::Open {
            self.start_timer(key, Timer::Auth, now + self.config.timing.auth_timeout);
        }
        self.start_timer(key, Timer::Ping, now + self.config.timing.ping_interval);
    }

    fn greet(&mut self, key: ClientKey, duty: Duty) {
        let client = &mut self.clients[key.index()];
        client.informed = self.membership.version();
        let introduction = Introduction {
            server_id: &self.server_id,
            port: self.port,
            client_id: client.id,
            client_ip: client.peer.ip(),
            connect_urls: self.membership.told(),
            duty,
        };
        let line = info::encode(&self.config, &introduction);
        self.send(key, &line);
    }

    /// Sends an error and closes the connection behind it.
    fn refuse(&mut self, key: ClientKey, error: &str, reason: CloseReason) {
        self.send(key, &protocol::error(error));
        self.close(key, reason);
    }

    /// Ends a client's part in everything; what waits for it is still written if the reason allows it.
    pub(super) fn close(&mut self, key: ClientKey, reason: CloseReason) {
        let client = &mut self.clients[key.index()];
        if client.phase == Phase::Closing {
            return;
        }
        tracing::debug!(client = client.id, peer = %client.peer, ?reason, "connection closed");
        client.phase = Phase::Closing;
        client.attention = true;
        let is_client = client.is_client();
        *self.stats.closed.entry(reason).or_default() += 1;
        self.router.detach(key);
        for timer in [Timer::Auth, Timer::Ping, Timer::Stall, Timer::Handshake] {
            self.stop_timer(key, timer);
        }
        if !reason.flushes() {
            self.discard(key);
        }
        self.mark_dirty(key);
        if is_client {
            self.stats.connections -= 1;
            self.send_interest_changes();
        } else {
            self.part(key);
        }
    }

    fn discard(&mut self, key: ClientKey) {
        let client = &mut self.clients[key.index()];
        client.outbox.discard();
        client.attention = true;
        client.batch = 0;
        client.blocked = false;
        self.stop_timer(key, Timer::Write);
    }

    /// Forgets a client whose socket is gone.
    pub(super) fn detach(&mut self, key: ClientKey) {
        self.close(key, CloseReason::ClientClosed);
        for timer in TIMERS {
            self.stop_timer(key, timer);
        }
        self.clients.remove(key.index());
    }

    /// Stops the server: no new connections, and the present ones end.
    pub(super) fn shutdown(&mut self) {
        self.stopped = true;
        self.lame_duck = None;
        self.close_all(CloseReason::ServerShutdown);
    }

    fn close_all(&mut self, reason: CloseReason) {
        let keys: Vec<ClientKey> = self.clients.iter().map(|(index, _)| ClientKey(index as u32)).collect();
        for key in keys {
            self.close(key, reason);
        }
    }

    /// The next client with something to write, or that is finished.
    pub(super) fn next_dirty(&mut self) -> Option<ClientKey> {
        while let Some(key) = self.dirty.pop_front() {
            if let Some(client) = self.clients.get_mut(key.index()) {
                client.dirty = false;
                return Some(key);
            }
        }
        None
    }

    /// Has the connection looked after.
    pub(super) fn mark_dirty(&mut self, key: ClientKey) {
        let client = &mut self.clients[key.index()];
        if !client.dirty {
            client.dirty = true;
            self.dirty.push_back(key);
        }
    }

    /// Whether the client's own task must look after it: to wait for room, to read again, or to end.
    pub(super) fn take_attention(&mut self, key: ClientKey) -> bool {
        std::mem::take(&mut self.clients[key.index()].attention)
    }

    /// Whether the client's socket can be dropped.
    pub(super) fn is_gone(&self, key: ClientKey) -> bool {
        let client = &self.clients[key.index()];
        client.phase == Phase::Closing && client.outbox.is_empty()
    }

    /// Whether the client's bytes should be read.
    pub(super) fn listens(&self, key: ClientKey) -> bool {
        let client = &self.clients[key.index()];
        client.phase == Phase::Open && client.timer(Timer::Stall).is_none()
    }

    /// What waits for the client.
    pub(super) fn outbox(&self, key: ClientKey) -> &Outbox {
        &self.clients[key.index()].outbox
    }

    /// Whether the socket took no more at the last attempt, and was not [unblocked](Self::unblock) since.
    pub(super) fn is_blocked(&self, key: ClientKey) -> bool {
        self.clients[key.index()].blocked
    }

    /// Notes that the client's socket takes bytes again.
    pub(super) fn unblock(&mut self, key: ClientKey) {
        self.clients[key.index()].blocked = false;
    }

    /// Notes that the client's socket takes no more bytes; from now on the write deadline runs.
    pub(super) fn block(&mut self, key: ClientKey, now: Instant) {
        let client = &mut self.clients[key.index()];
        client.blocked = true;
        client.attention = true;
        if client.batch == 0 && !client.outbox.is_empty() {
            client.batch = client.outbox.pending();
            if let Some(route) = client.route_mut() {
                route.progressed = false;
            }
            self.start_timer(key, Timer::Write, now + self.config.timing.write_deadline);
        }
    }

    /// Notes how much the client's socket took.
    pub(super) fn wrote(&mut self, key: ClientKey, bytes: usize) {
        let client = &mut self.clients[key.index()];
        client.outbox.advance(bytes);
        if client.batch > 0 {
            client.batch = client.batch.saturating_sub(bytes);
            if let Some(route) = client.route_mut() {
                route.progressed |= bytes > 0;
            }
            if client.batch == 0 {
                self.stop_timer(key, Timer::Write);
            }
        }
    }

    /// Notes that the client's socket is broken.
    pub(super) fn fail(&mut self, key: ClientKey, reason: CloseReason) {
        self.close(key, reason);
        self.discard(key);
    }

    fn start_timer(&mut self, key: ClientKey, timer: Timer, at: Instant) {
        self.stop_timer(key, timer);
        self.clients[key.index()].timers[timer as usize] = Some(at);
        self.timers.insert((at, key, timer));
    }

    fn stop_timer(&mut self, key: ClientKey, timer: Timer) {
        if let Some(at) = self.clients[key.index()].timers[timer as usize].take() {
            self.timers.remove(&(at, key, timer));
        }
    }
}
