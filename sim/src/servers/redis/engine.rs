//! The server as a pure state machine: bytes of clients and the time in, bytes for clients out.

mod clients;
mod cluster;
mod connection;
mod delivery;
mod execute;
mod server;
mod subscriptions;
#[cfg(test)]
mod tests;
mod transaction;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};

use bytes::{Bytes, BytesMut};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use slab::Slab;
use tokio::time::Instant;

use super::ServerStats;
use super::client::{Client, CloseReason, DatabaseIndex, Identity};
use super::config::ServerConfig;
use super::keyspace::RedisDisk;
use super::pubsub::{KINDS, Registry};
use super::reply::{Reply, ReplyError};
use crate::servers::common::lane::Lane;
use crate::servers::common::machine::{ClientKey, Ends, Loss, Machine};

/// The user that everybody is until told otherwise.
const DEFAULT_USER: &str = "default";

/// Redis keeps the ids before for clients of its own.
const FIRST_CLIENT_ID: u64 = 3;

/// One server without its sockets.
#[derive(Debug)]
pub(super) struct Engine {
    config: ServerConfig,
    run_id: String,
    node_id: String,
    address: SocketAddr,
    started: Option<Instant>,
    disk: RedisDisk,
    clients: Slab<Client>,
    registry: Registry,
    watchers: BTreeMap<(DatabaseIndex, Bytes), Vec<ClientKey>>,
    /// When the soft limits of clients end their patience.
    patience: BTreeSet<(Instant, ClientKey)>,
    dirty: VecDeque<ClientKey>,
    stopped: bool,
    stats: ServerStats,
}

/// An id as Redis makes them: 40 hexadecimal digits.
fn random_id(rng: &mut impl Rng) -> String {
    (0..5).map(|_| format!("{:08x}", rng.next_u32())).collect()
}

impl Engine {
    pub(super) fn new(config: ServerConfig, rng_seed: u64, disk: RedisDisk) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(rng_seed);
        Self {
            config,
            run_id: random_id(&mut rng),
            node_id: random_id(&mut rng),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 6379)),
            started: None,
            disk,
            clients: Slab::new(),
            registry: Registry::default(),
            watchers: BTreeMap::new(),
            patience: BTreeSet::new(),
            dirty: VecDeque::new(),
            stopped: false,
            stats: ServerStats::default(),
        }
    }

    pub(super) fn stats(&self) -> ServerStats {
        ServerStats { subscriptions: self.registry.subscription_count(), ..self.stats.clone() }
    }

    /// Sends an answer, if the client wants answers.
    fn send(&mut self, key: ClientKey, reply: &Reply, now: Instant) {
        let client = &mut self.clients[key.index()];
        if client.lane.is_open() {
            reply.write(client.version, &mut client.lane.outbox);
            self.mark_dirty(key);
            self.judge_output(key, now);
        }
    }

    fn mark_dirty(&mut self, key: ClientKey) {
        if self.clients[key.index()].lane.mark_dirty() {
            self.dirty.push_back(key);
        }
    }

    /// Ends a client's part in everything; what waits for it is still written.
    fn close_behind_output(&mut self, key: ClientKey, reason: CloseReason) {
        let client = &mut self.clients[key.index()];
        if !client.lane.is_open() {
            return;
        }
        tracing::debug!(client = client.id, peer = %client.ends.peer, ?reason, "client connection closed");
        client.lane.close();
        self.stats.connections -= 1;
        *self.stats.closed.entry(reason).or_default() += 1;
        for kind in KINDS {
            for name in client.subscriptions.of(kind) {
                self.registry.remove(kind, name, key);
            }
        }
        self.unwatch(key);
        self.lose_patience(key);
        self.mark_dirty(key);
    }

    /// Ends a client's part in everything, and what waits for it is lost.
    fn close(&mut self, key: ClientKey, reason: CloseReason) {
        self.close_behind_output(key, reason);
        self.clients[key.index()].lane.abort();
        self.mark_dirty(key);
    }

    fn open_clients(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        let clients = self.clients.iter().map(|(index, client)| (ClientKey::new(index), client));
        clients.filter(|(_, client)| client.lane.is_open())
    }

    /// Who a client is that did not authenticate.
    fn identity_at_first(&self) -> Identity {
        match self.config.password {
            None => Identity::User(DEFAULT_USER.to_owned()),
            Some(_) => Identity::Unknown,
        }
    }

    /// Cuts the client if more waits for it than may, and notes when it must have caught up.
    fn judge_output(&mut self, key: ClientKey, now: Instant) {
        let client = &mut self.clients[key.index()];
        if !client.lane.is_open() {
            return;
        }
        let limit = client.output_limit(&self.config.limits);
        let pending = client.lane.outbox.pending();
        if limit.hard > 0 && pending >= limit.hard {
            self.stats.slow_consumers += 1;
            self.close(key, CloseReason::OutputBufferHardLimit);
        } else if limit.soft == 0 || pending < limit.soft {
            self.lose_patience(key);
        } else if client.soft_deadline.is_none() {
            let at = now + limit.soft_for;
            client.soft_deadline = Some(at);
            self.patience.insert((at, key));
        }
    }

    /// Forgets that the client has to catch up.
    fn lose_patience(&mut self, key: ClientKey) {
        if let Some(at) = self.clients[key.index()].soft_deadline.take() {
            self.patience.remove(&(at, key));
        }
    }

    fn refuse_connection(&mut self, key: ClientKey, now: Instant) {
        self.send(key, &ReplyError::Plain("max number of clients reached").into(), now);
        self.close_behind_output(key, CloseReason::MaxClients);
    }
}

impl Machine for Engine {
    fn start(&mut self, address: SocketAddr, now: Instant) {
        self.address = address;
        self.started = Some(now);
    }

    fn stop(&mut self) {
        self.stopped = true;
        let open: Vec<ClientKey> = self.open_clients().map(|(key, _)| key).collect();
        for key in open {
            self.close(key, CloseReason::ServerShutdown);
        }
    }

    fn accepts(&self) -> bool {
        !self.stopped
    }

    fn is_finished(&self) -> bool {
        self.stopped && self.clients.is_empty()
    }

    fn attach(&mut self, ends: Ends, now: Instant) -> ClientKey {
        self.stats.total_connections += 1;
        self.stats.connections += 1;
        let id = FIRST_CLIENT_ID + self.stats.total_connections - 1;
        let client = Client::new(id, ends, self.identity_at_first(), now);
        let key = ClientKey::new(self.clients.insert(client));
        if self.stats.connections > self.config.limits.max_clients {
            self.refuse_connection(key, now);
        }
        key
    }

    fn detach(&mut self, key: ClientKey) {
        self.close(key, CloseReason::ClientClosed);
        self.clients.remove(key.index());
    }

    fn receive(&mut self, key: ClientKey, input: &mut BytesMut, now: Instant) -> usize {
        self.take_requests(key, input, now)
    }

    fn lose(&mut self, key: ClientKey, loss: Loss) {
        let reason = match loss {
            Loss::EndOfStream => CloseReason::ClientClosed,
            Loss::Read => CloseReason::ReadError,
            Loss::Write => CloseReason::WriteError,
        };
        self.close(key, reason);
    }

    fn wrote(&mut self, key: ClientKey) {
        let client = &self.clients[key.index()];
        if client.lane.outbox.pending() < client.output_limit(&self.config.limits).soft {
            self.lose_patience(key);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.patience.first().map(|(at, _)| *at)
    }

    fn expire(&mut self, now: Instant) {
        while let Some((at, key)) = self.patience.first().copied() {
            if at > now {
                break;
            }
            let client = &self.clients[key.index()];
            let limit = client.output_limit(&self.config.limits).soft;
            // Who has no subscriptions any more has another limit than it had.
            if limit == 0 || client.lane.outbox.pending() < limit {
                self.lose_patience(key);
            } else {
                self.stats.slow_consumers += 1;
                self.close(key, CloseReason::OutputBufferSoftLimit);
            }
        }
    }

    fn next_dirty(&mut self) -> Option<ClientKey> {
        while let Some(key) = self.dirty.pop_front() {
            if let Some(client) = self.clients.get_mut(key.index()) {
                client.lane.clear_dirty();
                return Some(key);
            }
        }
        None
    }

    fn lane(&self, key: ClientKey) -> &Lane {
        &self.clients[key.index()].lane
    }

    fn lane_mut(&mut self, key: ClientKey) -> &mut Lane {
        &mut self.clients[key.index()].lane
    }
}
