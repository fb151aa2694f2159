//! Servers of one cluster, with their routes wired to each other here: what one writes the other reads.

use super::*;
use crate::servers::nats::config::ClusterConfig;
use crate::servers::nats::route::{Dial, Knowledge, Target};

const ALL: [&str; 3] = ["a:6222", "b:6222", "c:6222"];

/// Both ends of a connection between servers.
type Wire = ((usize, ClientKey), (usize, ClientKey));

struct Cluster {
    servers: Vec<Bench>,
    wires: Vec<Wire>,
}

fn config(name: &str, routes: &[&str]) -> ServerConfig {
    let mut cluster = ClusterConfig::new("c", routes.iter().copied());
    cluster.advertise = Some(format!("{name}:6222"));
    ServerConfig {
        server_name: Some(name.into()),
        connect_urls: vec![format!("{name}:4222")],
        cluster: Some(cluster),
        ..ServerConfig::default()
    }
}

impl Cluster {
    fn new(configs: impl IntoIterator<Item = ServerConfig>) -> Self {
        let start = Instant::now();
        let server = |(seed, config)| {
            let mut engine = Engine::new(config, seed);
            engine.start_cluster(6222);
            Bench { engine, start, now: start }
        };
        Self { servers: (1..).zip(configs).map(server).collect(), wires: Vec::new() }
    }

    /// Servers that know each other, all connected.
    fn full(count: usize) -> Self {
        let mut cluster = Self::new(ALL[..count].iter().map(|address| config(&address[..1], &ALL[..count])));
        cluster.settle();
        cluster
    }

    /// The servers whose dials become connections at once, whatever their delay.
    fn settle(&mut self) {
        for _ in 0..20 {
            for from in 0..self.servers.len() {
                for Dial { target, .. } in self.servers[from].engine.take_dials() {
                    let to = ALL.iter().position(|address| *address == target.address);
                    match to.filter(|to| self.servers.get(*to).is_some_and(|server| !server.engine.is_stopped())) {
                        Some(to) => self.connect(from, to, target),
                        None => self.servers[from].engine.unreachable(target),
                    }
                }
            }
            while self.carry() {}
        }
    }

    fn connect(&mut self, from: usize, to: usize, target: Target) {
        let peer = SocketAddr::from(([10, 0, 0, 1], 9));
        let now = self.servers[from].now;
        let near = self.servers[from].engine.attach_route(peer, Some(target), now);
        let far = self.servers[to].engine.attach_route(peer, None, now);
        self.wires.push(((from, near), (to, far)));
    }

    /// Carries what waits once over every wire, and drops wires of which one end is closed.
    fn carry(&mut self) -> bool {
        let mut moved = false;
        for ((a, near), (b, far)) in self.wires.clone() {
            for ((from, key), (to, other)) in [((a, near), (b, far)), ((b, far), (a, near))] {
                let text = self.servers[from].read(key);
                if !text.is_empty() {
                    moved = true;
                    let now = self.servers[to].now;
                    self.servers[to].engine.receive(other, text.as_bytes(), now);
                }
            }
            if self.servers[a].engine.is_gone(near) || self.servers[b].engine.is_gone(far) {
                moved = true;
                self.cut(((a, near), (b, far)));
            }
        }
        moved
    }

    fn cut(&mut self, wire: Wire) {
        self.wires.retain(|other| *other != wire);
        let ((a, near), (b, far)) = wire;
        self.servers[a].engine.detach(near);
        self.servers[b].engine.detach(far);
    }

    fn client(&mut self, server: usize) -> ClientKey {
        self.servers[server].connect(",\"protocol\":1,\"headers\":true,\"no_responders\":true")
    }

    fn say(&mut self, server: usize, key: ClientKey, text: &str) -> String {
        let said = self.servers[server].say(key, text);
        while self.carry() {}
        said
    }

    fn read(&mut self, server: usize, key: ClientKey) -> String {
        self.servers[server].read(key)
    }

    fn routes(&self) -> Vec<usize> {
        self.servers.iter().map(|server| server.engine.stats().routes).collect()
    }
}

#[test]
fn servers_that_all_dial_each_other_and_themselves_end_up_with_one_route_each() {
    let mut cluster = Cluster::full(3);
    assert_eq!(cluster.routes(), [2, 2, 2]);
    assert_eq!(cluster.wires.len(), 3);
    cluster.settle();
    assert_eq!(cluster.wires.len(), 3, "nobody goes on dialling");
}

#[test]
fn who_knows_one_server_learns_the_others() {
    let mut cluster = Cluster::new([config("a", &[]), config("b", &["a:6222"]), config("c", &["a:6222"])]);
    cluster.settle();
    assert_eq!(cluster.routes(), [2, 2, 2]);
}

#[test]
fn another_cluster_is_kept_out() {
    let mut stranger = config("b", &["a:6222"]);
    stranger.cluster.as_mut().unwrap().name = "d".into();
    let mut cluster = Cluster::new([config("a", &[]), stranger]);
    cluster.settle();
    assert_eq!(cluster.routes(), [0, 0]);
    assert!(cluster.servers[0].closed(CloseReason::ClusterNameConflict) > 0);
}

#[test]
fn a_message_crosses_one_route_and_reaches_everybody_once() {
    let mut cluster = Cluster::full(3);
    let keys: Vec<ClientKey> = (0..3).map(|server| cluster.client(server)).collect();
    for (server, key) in keys.iter().enumerate() {
        cluster.say(server, *key, "SUB a.* 1\r\nSUB a.b 2\r\n");
    }
    let own = cluster.say(0, keys[0], "HPUB a.b re 12 14\r\nNATS/1.0\r\n\r\nhi\r\n");
    let expected = ["2", "1"].map(|sid| format!("HMSG a.b {sid} re 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")).concat();
    assert_eq!(own, expected);
    assert_eq!(cluster.read(1, keys[1]), expected);
    assert_eq!(cluster.read(2, keys[2]), expected);
}

#[test]
fn interest_ends_with_the_last_subscription_and_with_the_client() {
    let mut cluster = Cluster::full(2);
    let (asks, first, second) = (cluster.client(0), cluster.client(1), cluster.client(1));
    cluster.say(0, asks, "SUB in 9\r\n");
    let none = "HMSG in 9 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";
    assert_eq!(cluster.say(0, asks, "PUB a in 0\r\n\r\n"), none);
    cluster.say(1, first, "SUB a 1\r\n");
    cluster.say(1, second, "SUB a 1\r\nUNSUB 1 2\r\n");
    cluster.say(1, first, "UNSUB 1\r\n");
    for left in ["", "", none] {
        assert_eq!(cluster.say(0, asks, "PUB a in 0\r\n\r\n"), left);
    }
    cluster.say(1, first, "SUB a 1\r\n");
    assert_eq!(cluster.say(0, asks, "PUB a in 0\r\n\r\n"), "");
    cluster.servers[1].engine.detach(first);
    while cluster.carry() {}
    assert_eq!(cluster.say(0, asks, "PUB a in 0\r\n\r\n"), none);
}

#[test]
fn each_member_of_a_queue_group_is_as_likely_wherever_it_is() {
    let mut cluster = Cluster::full(2);
    let (publisher, local, remote) = (cluster.client(0), cluster.client(0), cluster.client(1));
    cluster.say(0, local, "SUB a g 1\r\n");
    cluster.say(1, remote, "SUB a g 1\r\nSUB a g 2\r\nSUB a g 3\r\nSUB a other 4\r\n");
    for _ in 0..400 {
        cluster.say(0, publisher, "PUB a 0\r\n\r\n");
    }
    let there = cluster.read(1, remote);
    let count = |text: &str, sid: &str| text.matches(&format!("MSG a {sid} 0")).count();
    let here = count(&cluster.read(0, local), "1");
    let members: Vec<usize> = ["1", "2", "3"].iter().map(|sid| count(&there, sid)).collect();
    assert_eq!(here + members.iter().sum::<usize>(), 400);
    assert!([&[here], &members[..]].concat().iter().all(|times| (60..140).contains(times)), "{here} {members:?}");
    assert_eq!(count(&there, "4"), 400, "the other group has one member");
}

#[test]
fn a_publisher_without_echo_is_heard_elsewhere() {
    let mut cluster = Cluster::full(2);
    let mute = cluster.servers[0].connect(",\"echo\":false");
    let other = cluster.client(1);
    cluster.say(0, mute, "SUB a 1\r\n");
    cluster.say(1, other, "SUB a 1\r\n");
    assert_eq!(cluster.say(0, mute, "PUB a 0\r\n\r\n"), "");
    assert_eq!(cluster.read(1, other), "MSG a 1 0\r\n\r\n");
}

#[test]
fn clients_learn_of_servers_that_come_and_go() {
    let mut cluster = Cluster::new([config("a", &[]), config("b", &["a:6222"])]);
    let early = cluster.client(0);
    cluster.settle();
    assert!(cluster.read(0, early).contains(r#""connect_urls":["a:4222","b:4222"]"#));
    let wire = cluster.wires[0];
    cluster.servers[1].engine.shutdown();
    cluster.cut(wire);
    assert!(cluster.read(0, early).contains(r#""connect_urls":["a:4222"]"#));
    assert!(cluster.servers[1].engine.take_dials().is_empty(), "who stops opens no route");
}

#[test]
fn a_lost_route_is_opened_again_by_who_is_configured_to() {
    let mut cluster = Cluster::new([config("a", &[]), config("b", &["a:6222"])]);
    cluster.settle();
    let wire = cluster.wires[0];
    cluster.cut(wire);
    assert!(cluster.servers[0].engine.take_dials().is_empty());
    let dials = cluster.servers[1].engine.take_dials();
    assert_eq!(dials.len(), 1);
    assert_eq!(dials[0].target, Target { address: "a:6222".into(), knowledge: Knowledge::Explicit });
    assert!((SECOND..SECOND + SECOND / 10).contains(&dials[0].delay), "{:?}", dials[0].delay);
}

#[test]
fn a_lame_duck_sends_its_clients_to_the_others_and_takes_none_from_them() {
    let mut cluster = Cluster::full(2);
    let (stays, leaves) = (cluster.client(0), cluster.client(1));
    let now = cluster.servers[1].now;
    cluster.servers[1].engine.lame_duck(now);
    while cluster.carry() {}
    let told = cluster.read(1, leaves);
    assert!(told.contains(r#""connect_urls":["a:4222"],"ldm":true"#), "{told}");
    let told = cluster.read(0, stays);
    assert!(told.contains(r#""connect_urls":["a:4222"]"#) && !told.contains("ldm"), "{told}");
}

#[test]
fn a_silent_route_is_stale_after_two_pings() {
    let mut cluster = Cluster::full(2);
    let ((dialler, near), (_, far)) = cluster.wires[0];
    let key = if dialler == 0 { near } else { far };
    let server = &mut cluster.servers[0];
    let mut at = Vec::new();
    while server.closed(CloseReason::StaleConnection) == 0 {
        at.push(server.wait().as_secs());
    }
    assert_eq!(server.read(key), "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    assert_eq!(at, [1, 31, 61]);
}

#[test]
fn a_client_on_the_port_of_routes_is_told_so() {
    let mut server = Bench::new(config("a", &[]));
    let key = server.engine.attach_route(SocketAddr::from(([127, 0, 0, 1], 9)), None, server.now);
    assert!(server.read(key).starts_with("INFO {"));
    let said = server.say(key, "CONNECT {\"lang\":\"rust\",\"verbose\":false}\r\n");
    assert_eq!(said, "-ERR 'attempted to connect to route port'\r\n");
    assert_eq!(server.closed(CloseReason::WrongPort), 1);
}
