//! How servers meet, tell each other of third ones, and part.

use std::time::Duration;

use super::Engine;
use crate::servers::nats::client::{ASYNC_INFO_PROTOCOL, CloseReason, Phase};
use crate::servers::nats::info::{Duty, line};
use crate::servers::nats::membership::RECONNECT;
use crate::servers::nats::route::{Dial, Knowledge, Remote, RouteInfo, Target, join_host_port};
use crate::servers::nats::router::ClientKey;

/// The longest random delay before a lost route is opened again, so that two servers do not go on dropping
/// each other's connections.
const SPREAD: Duration = Duration::from_millis(100);

impl Engine {
    /// Orders the first connections to the configured servers.
    pub(in crate::servers::nats) fn start_cluster(&mut self, route_port: u16) {
        self.route_port = route_port;
        let routes = self.config.cluster.as_ref().map(|cluster| cluster.routes.clone()).unwrap_or_default();
        for address in routes {
            self.membership.dial(Target { address, knowledge: Knowledge::Explicit }, Duration::ZERO);
        }
    }

    /// The connections to open, each after its delay.
    pub(in crate::servers::nats) fn take_dials(&mut self) -> Vec<Dial> {
        let dials = self.membership.take_dials();
        if self.stopped { Vec::new() } else { dials }
    }

    /// Whether [`Engine::take_dials`] has any.
    pub(in crate::servers::nats) fn has_dials(&self) -> bool {
        self.membership.has_dials() && !self.stopped
    }

    /// Notes that a server could not be reached.
    pub(in crate::servers::nats) fn unreachable(&mut self, target: Target) {
        self.membership.unreachable(target);
    }

    pub(super) fn cluster_name(&self) -> &str {
        self.config.cluster.as_ref().map_or("", |cluster| &cluster.name)
    }

    /// Takes a server's word about itself, or about a third one.
    pub(super) fn meet(&mut self, key: ClientKey, mut info: RouteInfo) {
        let client = &self.clients[key.index()];
        let Some(route) = client.route() else {
            return;
        };
        if info.ip.is_empty() {
            let listener = join_host_port(&client.peer.ip().to_string(), info.port);
            info.ip = format!("nats-route://{listener}/");
        }
        match &route.remote {
            Some(remote) if remote.server_id != info.server_id => self.hear_of(&info),
            Some(_) if info.ldm => self.withdraw_urls_of(key),
            Some(_) => {}
            None => self.welcome(key, info),
        }
    }

    /// Takes a new server in, unless there is a reason not to.
    fn welcome(&mut self, key: ClientKey, info: RouteInfo) {
        let server_id = info.server_id.clone();
        let remote =
            Remote { server_id: server_id.clone(), address: info.address(), connect_urls: info.connect_urls.clone() };
        let (own_id, own_name) = (self.server_id.clone(), self.server_name().to_owned());
        let conflict = !info.cluster.is_empty() && info.cluster != self.cluster_name();
        let Some(route) = self.clients[key.index()].route_mut() else {
            return;
        };
        let solicited = route.solicited.clone();
        route.remote = Some(remote);
        if server_id == own_id {
            self.close(key, CloseReason::DuplicateRoute);
        } else if conflict {
            self.close(key, CloseReason::ClusterNameConflict);
        } else if solicited.is_none() && info.server_name == own_name {
            self.close(key, CloseReason::DuplicateServerName);
        } else if let Some(first) = self.membership.route_to(&server_id) {
            self.prefer(first, key);
            self.close(key, CloseReason::DuplicateRoute);
        } else {
            self.membership.add(server_id, key);
            let from_gossip = solicited.is_some_and(|target| target.knowledge == Knowledge::Implicit);
            if self.membership.len() > 1 && !from_gossip {
                self.spread_word(key, &info);
            }
            if self.membership.add_urls(&info.connect_urls) {
                self.inform_clients(Duty::Serving);
            }
            self.send_interest(key);
        }
    }

    /// Keeps the first of two routes to one server, with what only the second knew.
    fn prefer(&mut self, first: ClientKey, second: ClientKey) {
        let Some(second) = self.clients[second.index()].route() else {
            return;
        };
        let (solicited, remote) = (second.solicited.clone(), second.remote.clone());
        let Some(first) = self.clients[first.index()].route_mut() else {
            return;
        };
        first.rival = remote.map(|remote| Target { address: remote.address, knowledge: Knowledge::Implicit });
        let explicit = solicited.as_ref().is_some_and(|target| target.knowledge == Knowledge::Explicit);
        if explicit || first.solicited.is_none() {
            first.solicited = solicited.or_else(|| first.solicited.take());
        }
    }

    /// Tells the servers known already of a new one.
    fn spread_word(&mut self, newcomer: ClientKey, info: &RouteInfo) {
        let word = line("INFO", info);
        let others: Vec<ClientKey> = self.membership.members().filter(|key| *key != newcomer).collect();
        for key in others {
            self.send(key, &word);
        }
    }

    /// Connects to a server that another one told of.
    fn hear_of(&mut self, info: &RouteInfo) {
        let known = info.server_id == self.server_id || self.membership.route_to(&info.server_id).is_some();
        let address = info.address();
        let configured = self.config.cluster.as_ref().is_some_and(|cluster| {
            let host_port = join_host_port(&info.host, info.port);
            cluster.routes.iter().any(|route| *route == host_port || *route == address)
        });
        if !known && !configured {
            self.membership.dial(Target { address, knowledge: Knowledge::Implicit }, Duration::ZERO);
        }
    }

    /// No client is sent to a lame duck.
    fn withdraw_urls_of(&mut self, key: ClientKey) {
        let remote = self.clients[key.index()].route_mut().and_then(|route| route.remote.as_mut());
        let urls = remote.map(|remote| std::mem::take(&mut remote.connect_urls)).unwrap_or_default();
        if self.membership.remove_urls(&urls) {
            self.inform_clients(Duty::Serving);
        }
    }

    /// Ends a route's part in everything, and orders the next one if it is for this server to open it.
    pub(super) fn part(&mut self, key: ClientKey) {
        let Some(route) = self.clients[key.index()].route_mut() else {
            return;
        };
        let (solicited, rival, remote) = (route.solicited.clone(), route.rival.take(), route.remote.clone());
        if let Some(remote) = &remote
            && self.membership.remove(&remote.server_id, key)
            && self.membership.remove_urls(&remote.connect_urls)
        {
            self.inform_clients(Duty::Serving);
        }
        let server_id = remote.as_ref().map(|remote| remote.server_id.as_str());
        let connected = server_id.is_some_and(|id| self.membership.route_to(id).is_some());
        if self.stopped || connected || server_id == Some(self.server_id.as_str()) {
            return;
        }
        if let Some(target) = solicited.or(rival) {
            let least = if target.knowledge == Knowledge::Explicit { RECONNECT } else { Duration::ZERO };
            let delay = least + self.random_below(SPREAD);
            self.membership.dial(target, delay);
        }
    }

    /// Tells clients that take it what the server now says about itself.
    pub(super) fn inform_clients(&mut self, duty: Duty) {
        let informed = self.clients.iter().filter(|(_, client)| {
            let takes = client.settled && client.options.protocol >= ASYNC_INFO_PROTOCOL;
            client.is_client() && client.phase == Phase::Open && takes
        });
        let keys: Vec<ClientKey> = informed.map(|(index, _)| ClientKey(index as u32)).collect();
        for key in keys {
            self.greet(key, duty);
        }
    }

    /// Tells a client that has just settled what changed since it was greeted.
    pub(super) fn catch_up(&mut self, key: ClientKey) {
        let client = &self.clients[key.index()];
        if client.informed != self.membership.version() && client.options.protocol >= ASYNC_INFO_PROTOCOL {
            self.greet(key, Duty::Serving);
        }
    }

    /// Tells everybody that this server is about to leave.
    pub(super) fn announce_departure(&mut self) {
        let word = line("INFO", &RouteInfo { ldm: true, ..self.route_info() });
        self.send_to_members(&word);
        self.membership.withdraw();
        self.inform_clients(Duty::LameDuck);
    }
}
