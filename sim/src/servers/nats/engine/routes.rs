//! Routes: what the operations of another server do, and what it is sent.

use std::net::SocketAddr;

use tokio::time::Instant;

use super::{Engine, receive::Received};
use crate::servers::nats::client::{Client, CloseReason, Kind, Phase, Timer};
use crate::servers::nats::info::{GO_VERSION, line};
use crate::servers::nats::protocol::route::{self, Interest, RouteOp, Routed};
use crate::servers::nats::protocol::{self, Step};
use crate::servers::nats::route::{ACCOUNT, Route, RouteConnect, RouteInfo, Target};
use crate::servers::nats::router::{ClientKey, LocalInterest};

impl Engine {
    /// Takes in a new route: one that came in, or one to this target.
    pub(in crate::servers::nats) fn attach_route(
        &mut self,
        peer: SocketAddr,
        solicited: Option<Target>,
        now: Instant,
    ) -> ClientKey {
        let opened_here = solicited.is_some();
        let route = Route { solicited, ..Route::default() };
        let key = self.insert(Client::new(Kind::Route(Box::new(route)), self.next_id, peer, now));
        if self.stopped {
            self.close(key, CloseReason::ServerShutdown);
            return key;
        }
        if opened_here {
            let connect = RouteConnect {
                echo: true,
                headers: true,
                name: self.server_id.clone(),
                cluster: self.cluster_name().to_owned(),
                ..RouteConnect::default()
            };
            self.send(key, &line("CONNECT", &connect));
        }
        let info = line("INFO", &self.route_info());
        self.send(key, &info);
        self.start_first_route_ping(key, now);
        key
    }

    /// What this server tells others about itself.
    pub(super) fn route_info(&self) -> RouteInfo {
        let advertise = self.config.cluster.as_ref().and_then(|cluster| cluster.advertise.as_deref());
        let split = advertise.and_then(|address| address.rsplit_once(':'));
        let advertised = split.and_then(|(host, port)| Some((host.to_owned(), port.parse().ok()?)));
        let (host, port) = advertised.unwrap_or((self.config.host.clone(), self.route_port));
        RouteInfo {
            server_id: self.server_id.clone(),
            server_name: self.server_name().to_owned(),
            version: self.config.version.clone(),
            proto: 1,
            go: GO_VERSION.to_owned(),
            host,
            port,
            headers: true,
            max_payload: self.config.limits.max_payload,
            ip: advertise.map(|address| format!("nats-route://{address}/")).unwrap_or_default(),
            cluster: self.cluster_name().to_owned(),
            connect_urls: self.membership.own_urls().to_vec(),
            ldm: false,
        }
    }

    pub(super) fn receive_route(&mut self, key: ClientKey, input: &[u8]) -> Received {
        let mut consumed = 0;
        let mut missing = 1;
        while consumed < input.len() {
            if self.clients[key.index()].phase == Phase::Closing {
                return Received { consumed: input.len(), missing };
            }
            match route::parse(&input[consumed..], self.config.limits.max_payload) {
                Ok(Step::Op(op, taken)) => {
                    consumed += taken;
                    self.apply_route(key, op);
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

    fn apply_route(&mut self, key: ClientKey, op: RouteOp<'_>) {
        match op {
            RouteOp::Connect(object) => match serde_json::from_slice(object) {
                Ok(connect) => self.connect_route(key, &connect),
                Err(_) => self.close(key, CloseReason::ProtocolViolation),
            },
            RouteOp::Info(object) => match serde_json::from_slice(object) {
                Ok(info) => self.meet(key, info),
                Err(_) => self.close(key, CloseReason::ProtocolViolation),
            },
            RouteOp::Interest(Interest { account: ACCOUNT, pattern, queue, weight }) => {
                // An invalid subject comes from nobody, and harms nobody.
                let _invalid = self.router.add_remote(key, pattern, queue, weight);
            }
            RouteOp::NoInterest(Interest { account: ACCOUNT, pattern, queue, .. }) => {
                self.router.remove_remote(key, pattern, queue);
            }
            RouteOp::Message(Routed { account: ACCOUNT, message, queues }) => {
                self.publish_routed(&message, queues);
            }
            RouteOp::Ping => self.send(key, protocol::PONG),
            RouteOp::Pong => self.clients[key.index()].pings_out = 0,
            RouteOp::Error(_) => self.close(key, CloseReason::ClientError),
            // There is no other account here.
            RouteOp::Interest(_) | RouteOp::NoInterest(_) | RouteOp::Message(_) | RouteOp::Ignored => {}
        }
    }

    fn connect_route(&mut self, key: ClientKey, connect: &RouteConnect) {
        if !connect.lang.is_empty() {
            self.refuse(key, "attempted to connect to route port", CloseReason::WrongPort);
        } else if connect.cluster != self.cluster_name() {
            let (theirs, ours) = (&connect.cluster, self.cluster_name());
            let error = format!("Rejecting connection, cluster name \"{theirs}\" does not match \"{ours}\"");
            self.refuse(key, &error, CloseReason::ClusterNameConflict);
        }
    }

    /// Tells a server that is new here what the clients of this one want.
    pub(super) fn send_interest(&mut self, key: ClientKey) {
        let mut lines = Vec::new();
        for (interest, weight) in self.router.local_interest() {
            interest_line(&mut lines, interest, weight);
        }
        self.send(key, &lines);
    }

    /// Tells the other servers what changed in the wishes of this one's clients.
    pub(super) fn send_interest_changes(&mut self) {
        if !self.router.has_changes() {
            return;
        }
        let mut lines = Vec::new();
        for (interest, weight) in self.router.take_changes() {
            interest_line(&mut lines, &interest, weight);
        }
        self.send_to_members(&lines);
    }

    pub(super) fn send_to_members(&mut self, bytes: &[u8]) {
        let members: Vec<ClientKey> = self.membership.members().collect();
        for key in members {
            self.send(key, bytes);
        }
    }

    /// Pings a route, however busy it is.
    pub(super) fn ping_route(&mut self, key: ClientKey, now: Instant) {
        let client = &mut self.clients[key.index()];
        if client.pings_out + 1 > self.config.timing.max_pings_out {
            return self.refuse(key, "Stale Connection", CloseReason::StaleConnection);
        }
        client.pings_out += 1;
        self.send(key, protocol::PING);
        let interval = self.route_ping_interval();
        self.start_timer(key, Timer::Ping, now + interval);
    }
}

fn interest_line(lines: &mut Vec<u8>, interest: &LocalInterest, weight: u32) {
    let queue = interest.queue.as_deref();
    route::interest_line(lines, &Interest { account: ACCOUNT, pattern: &interest.pattern, queue, weight });
}
