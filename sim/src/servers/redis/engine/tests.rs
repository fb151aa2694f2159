mod recorded;

use std::time::Duration;

use super::*;
use crate::servers::redis::config::{ClusterMode, Limits, OutputLimit, User};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    engine: Engine,
    now: Instant,
}

impl Bench {
    fn new(config: ServerConfig) -> Self {
        Self::with_disk(config, RedisDisk::default())
    }

    fn with_disk(config: ServerConfig, disk: RedisDisk) -> Self {
        let now = Instant::now();
        let mut engine = Engine::new(config, 1, disk);
        engine.start(SocketAddr::from(([127, 0, 0, 1], 6379)), now);
        Self { engine, now }
    }

    fn attach(&mut self) -> ClientKey {
        let port = 40_000 + self.engine.stats.total_connections as u16;
        let ends =
            Ends { peer: SocketAddr::from(([127, 0, 0, 1], port)), local: SocketAddr::from(([127, 0, 0, 1], 6379)) };
        self.engine.attach(ends, self.now)
    }

    fn send(&mut self, key: ClientKey, bytes: &[u8]) {
        self.engine.receive(key, &mut BytesMut::from(bytes), self.now);
    }

    /// What the client reads after it sent this.
    fn say(&mut self, key: ClientKey, bytes: &str) -> String {
        self.send(key, bytes.as_bytes());
        self.read(key)
    }

    fn read(&mut self, key: ClientKey) -> String {
        let mut text = Vec::new();
        let outbox = &mut self.engine.lane_mut(key).outbox;
        while !outbox.is_empty() {
            let mut slices = [std::io::IoSlice::new(&[]); 4];
            let count = outbox.slices(&mut slices);
            let piece: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            outbox.advance(piece.len());
            text.extend(piece);
        }
        self.engine.wrote(key);
        String::from_utf8(text).unwrap()
    }

    fn is_open(&self, key: ClientKey) -> bool {
        self.engine.lane(key).is_open()
    }

    fn closed(&self, reason: CloseReason) -> u64 {
        self.engine.stats.closed.get(&reason).copied().unwrap_or(0)
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.engine.expire(self.now);
    }
}

fn bench() -> Bench {
    Bench::new(ServerConfig::default())
}

fn with_limits(limits: Limits) -> Bench {
    Bench::new(ServerConfig { limits, ..ServerConfig::default() })
}

fn publish(channel: &str, bytes: usize) -> Vec<u8> {
    let mut request = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{channel}\r\n${bytes}\r\n", channel.len()).into_bytes();
    request.resize(request.len() + bytes, b'x');
    request.extend(b"\r\n");
    request
}

#[test]
fn requests_may_come_in_any_pieces() {
    let requests = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$3\r\n1\r2\r\nGET a\r\n*1\r\n$4\r\nPING\r\n";
    for size in 1..requests.len() {
        let mut bench = bench();
        let key = bench.attach();
        let mut input = BytesMut::new();
        for piece in requests.chunks(size) {
            input.extend_from_slice(piece);
            bench.engine.receive(key, &mut input, bench.now);
        }
        assert_eq!(bench.read(key), "+OK\r\n$3\r\n1\r2\r\n+PONG\r\n", "pieces of {size}");
    }
}

#[test]
fn subscribers_hear_in_the_order_they_came() {
    let mut bench = bench();
    let keys: Vec<ClientKey> = (0..4).map(|_| bench.attach()).collect();
    bench.say(keys[2], "SUBSCRIBE a\r\n");
    bench.say(keys[0], "PSUBSCRIBE *\r\n");
    bench.say(keys[1], "SUBSCRIBE a\r\n");
    while bench.engine.next_dirty().is_some() {}
    assert_eq!(bench.say(keys[3], "PUBLISH a x\r\n"), ":3\r\n");
    let order: Vec<ClientKey> = std::iter::from_fn(|| bench.engine.next_dirty()).collect();
    assert_eq!(order, [keys[2], keys[1], keys[0], keys[3]]);
}

#[test]
fn more_output_than_the_hard_limit_cuts_a_subscriber() {
    let pubsub_output = OutputLimit { hard: 1000, soft: 0, soft_for: Duration::ZERO };
    let mut bench = with_limits(Limits { pubsub_output, ..Limits::default() });
    let (slow, fast, publisher) = (bench.attach(), bench.attach(), bench.attach());
    bench.say(slow, "SUBSCRIBE a\r\n");
    bench.say(fast, "SUBSCRIBE a\r\n");
    for _ in 0..3 {
        bench.send(publisher, &publish("a", 280));
        bench.read(fast);
    }
    assert!(bench.is_open(slow));
    bench.send(publisher, &publish("a", 280));
    assert!(!bench.is_open(slow) && bench.is_open(fast));
    assert!(bench.engine.lane(slow).outbox.is_empty(), "what waited is lost");
    assert_eq!(bench.closed(CloseReason::OutputBufferHardLimit), 1);
    assert_eq!(bench.read(publisher), ":2\r\n".repeat(4));
    assert_eq!(bench.say(publisher, "PUBSUB NUMSUB a\r\n"), "*2\r\n$1\r\na\r\n:1\r\n");
}

#[test]
fn clients_without_subscriptions_have_limits_of_their_own() {
    let pubsub_output = OutputLimit { hard: 1000, soft: 0, soft_for: Duration::ZERO };
    let mut bench = with_limits(Limits { pubsub_output, ..Limits::default() });
    let key = bench.attach();
    bench.send(key, format!("*2\r\n$4\r\nECHO\r\n$5000\r\n{}\r\n", "x".repeat(5000)).as_bytes());
    assert!(bench.is_open(key));
}

#[test]
fn the_soft_limit_cuts_who_exceeds_it_for_too_long() {
    let pubsub_output = OutputLimit { hard: 0, soft: 1000, soft_for: 60 * SECOND };
    let mut bench = with_limits(Limits { pubsub_output, ..Limits::default() });
    let (slow, publisher) = (bench.attach(), bench.attach());
    bench.say(slow, "SUBSCRIBE a\r\n");
    assert_eq!(bench.engine.next_deadline(), None);
    bench.send(publisher, &publish("a", 1000));
    bench.pass(50 * SECOND);
    bench.read(slow);
    assert_eq!(bench.engine.next_deadline(), None, "who caught up has all the time again");
    bench.send(publisher, &publish("a", 1000));
    bench.pass(59 * SECOND);
    bench.send(publisher, &publish("a", 10));
    assert!(bench.is_open(slow));
    bench.pass(SECOND);
    assert!(!bench.is_open(slow));
    assert_eq!(bench.closed(CloseReason::OutputBufferSoftLimit), 1);
    assert_eq!(bench.engine.stats().slow_consumers, 1);
}

#[test]
fn who_unsubscribes_is_no_slow_subscriber_any_more() {
    let pubsub_output = OutputLimit { hard: 0, soft: 1000, soft_for: 60 * SECOND };
    let mut bench = with_limits(Limits { pubsub_output, ..Limits::default() });
    let (slow, publisher) = (bench.attach(), bench.attach());
    bench.say(slow, "SUBSCRIBE a\r\n");
    bench.send(publisher, &publish("a", 1000));
    bench.send(slow, b"UNSUBSCRIBE a\r\n");
    bench.pass(61 * SECOND);
    assert!(bench.is_open(slow));
    assert_eq!(bench.engine.next_deadline(), None);
}

#[test]
fn a_request_that_never_ends_is_cut() {
    let mut bench = with_limits(Limits { query_buffer: 1000, ..Limits::default() });
    let key = bench.attach();
    bench.send(key, &publish("a", 900));
    assert!(bench.is_open(key));
    let long = publish("a", 2000);
    bench.send(key, &long[..1500]);
    assert!(!bench.is_open(key));
    assert_eq!(bench.closed(CloseReason::QueryBufferLimit), 1);
}

#[test]
fn one_client_too_many_is_told_so() {
    let mut bench = with_limits(Limits { max_clients: 1, ..Limits::default() });
    let first = bench.attach();
    let second = bench.attach();
    assert_eq!(bench.read(second), "-ERR max number of clients reached\r\n");
    assert!(!bench.is_open(second) && bench.is_open(first));
    bench.engine.detach(second);
    bench.engine.detach(first);
    let third = bench.attach();
    assert!(bench.is_open(third));
    assert_eq!(bench.engine.stats().connections, 1);
}

#[test]
fn values_end_when_their_time_has_come() {
    let mut bench = bench();
    let (key, watcher) = (bench.attach(), bench.attach());
    bench.say(key, "SET a 1 PX 1500\r\n");
    assert_eq!(bench.say(key, "PTTL a\r\nTTL a\r\n"), ":1500\r\n:2\r\n");
    bench.say(watcher, "WATCH a\r\nMULTI\r\n");
    bench.pass(1499 * SECOND / 1000);
    assert_eq!(bench.say(key, "GET a\r\n"), "$1\r\n1\r\n");
    bench.pass(SECOND / 1000);
    assert_eq!(bench.say(key, "GET a\r\nDBSIZE\r\nTTL a\r\n"), "$-1\r\n:0\r\n:-2\r\n");
    assert_eq!(bench.say(watcher, "EXEC\r\n"), "*-1\r\n");
}

#[test]
fn data_outlives_a_server_only_on_its_disk() {
    let disk = RedisDisk::default();
    let mut first = Bench::with_disk(ServerConfig::default(), disk.clone());
    let key = first.attach();
    first.say(key, "SET a 1\r\nSELECT 3\r\nRPUSH l x\r\n");
    drop(first);
    let mut second = Bench::with_disk(ServerConfig::default(), disk);
    let key = second.attach();
    assert_eq!(second.say(key, "GET a\r\nSELECT 3\r\nLLEN l\r\n"), "$1\r\n1\r\n+OK\r\n:1\r\n");
    let mut third = bench();
    let key = third.attach();
    assert_eq!(third.say(key, "GET a\r\n"), "$-1\r\n");
}

#[test]
fn users_have_passwords_of_their_own() {
    let users = vec![User { name: "squall".into(), password: "wind".into() }];
    let mut bench = Bench::new(ServerConfig { password: Some("secret".into()), users, ..ServerConfig::default() });
    let key = bench.attach();
    assert!(bench.say(key, "AUTH squall secret\r\n").starts_with("-WRONGPASS"));
    assert_eq!(bench.say(key, "AUTH squall wind\r\nACL WHOAMI\r\n"), "+OK\r\n$6\r\nsquall\r\n");
    let other = bench.attach();
    bench.say(other, "AUTH secret\r\n");
    assert_eq!(bench.say(other, "CLIENT KILL USER squall\r\n"), ":1\r\n");
    assert!(!bench.is_open(key));
    assert_eq!(bench.engine.stats().refused_logins, 1);
}

#[test]
fn clients_are_listed_with_what_they_do() {
    let mut bench = bench();
    let (key, other) = (bench.attach(), bench.attach());
    bench.say(other, "CLIENT SETNAME ear\r\nSUBSCRIBE a b\r\n");
    bench.pass(3 * SECOND);
    let list = bench.say(key, "CLIENT LIST\r\n");
    let lines: Vec<&str> = list.lines().filter(|line| line.starts_with("id=")).collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("id=3 addr=127.0.0.1:40000 laddr=127.0.0.1:6379 "), "{list}");
    for word in [" name=ear ", " age=3 ", " idle=3 ", " flags=P ", " sub=2 ", " cmd=subscribe ", " resp=2"] {
        assert!(lines[1].contains(word), "{word} in {list}");
    }
    assert_eq!(bench.say(key, "CLIENT KILL ADDR 127.0.0.1:40001\r\n"), ":1\r\n");
    assert!(!bench.is_open(other));
}

#[test]
fn a_cluster_of_one_owns_every_slot() {
    let mut bench = Bench::new(ServerConfig { cluster: ClusterMode::SingleNode, ..ServerConfig::default() });
    let key = bench.attach();
    let id = bench.engine.node_id.clone();
    assert_eq!(
        bench.say(key, "CLUSTER SLOTS\r\n"),
        format!("*1\r\n*3\r\n:0\r\n:16383\r\n*4\r\n$0\r\n\r\n:6379\r\n$40\r\n{id}\r\n*0\r\n"),
    );
    let nodes = format!("{id} :6379@16379 myself,master - 0 0 0 connected 0-16383\n");
    assert_eq!(bench.say(key, "CLUSTER NODES\r\n"), format!("${}\r\n{nodes}\r\n", nodes.len()));
    assert_eq!(bench.say(key, "SELECT 1\r\n"), "-ERR SELECT is not allowed in cluster mode\r\n");
    assert_eq!(bench.say(key, "READONLY\r\nCLUSTER KEYSLOT foo{bar}\r\n"), "+OK\r\n:5061\r\n");
}

#[test]
fn a_walk_sees_every_key_once() {
    let mut bench = bench();
    let key = bench.attach();
    let mut wanted: Vec<String> = (0..100).map(|number| format!("key:{number}")).collect();
    for name in &wanted {
        bench.say(key, &format!("SET {name} x\r\n"));
    }
    let (mut seen, mut cursor) = (Vec::new(), "0".to_owned());
    loop {
        let step = bench.say(key, &format!("SCAN {cursor} COUNT 7\r\n"));
        let mut words = step.lines().filter(|line| !line.starts_with(['*', '$']));
        cursor = words.next().unwrap().to_owned();
        seen.extend(words.map(str::to_owned));
        if cursor == "0" {
            break;
        }
    }
    seen.sort();
    wanted.sort();
    assert_eq!(seen, wanted);
}

#[test]
fn a_stopped_server_keeps_nobody() {
    let mut bench = bench();
    let key = bench.attach();
    bench.send(key, b"PING\r\n");
    bench.engine.stop();
    assert!(!bench.engine.accepts() && !bench.is_open(key) && bench.engine.lane(key).outbox.is_empty());
    assert!(!bench.engine.is_finished());
    bench.engine.detach(key);
    assert!(bench.engine.is_finished());
    assert_eq!(bench.engine.stats().connections, 0);
}
