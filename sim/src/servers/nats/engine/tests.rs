mod clustered;
mod recorded;

use std::time::Duration;

use super::*;
use crate::servers::nats::config::{Limits, Timing, User};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    engine: Engine,
    start: Instant,
    now: Instant,
}

impl Bench {
    fn new(config: ServerConfig) -> Self {
        let start = Instant::now();
        Self { engine: Engine::new(config, 1), start, now: start }
    }

    fn attach(&mut self) -> ClientKey {
        let key = self.engine.attach(SocketAddr::from(([127, 0, 0, 1], 9)), self.now);
        assert!(self.read(key).starts_with("INFO {"));
        key
    }

    /// A client that introduced itself and sees its pong.
    fn connect(&mut self, options: &str) -> ClientKey {
        let key = self.attach();
        assert_eq!(
            self.say(key, &format!("CONNECT {{\"verbose\":false,\"pedantic\":false{options}}}\r\nPING\r\n")),
            "PONG\r\n"
        );
        key
    }

    /// What the client reads after it sent this.
    fn say(&mut self, key: ClientKey, bytes: &str) -> String {
        let received = self.engine.receive(key, bytes.as_bytes(), self.now);
        assert_eq!(received.consumed, bytes.len());
        self.read(key)
    }

    fn read(&mut self, key: ClientKey) -> String {
        let mut text = Vec::new();
        while !self.engine.outbox(key).is_empty() {
            let mut slices = [std::io::IoSlice::new(&[]); 4];
            let count = self.engine.outbox(key).slices(&mut slices);
            let piece: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
            self.engine.wrote(key, piece.len());
            text.extend(piece);
        }
        String::from_utf8(text).unwrap()
    }

    /// Lets time pass until the next deadline, and tells how long that took since the start.
    fn wait(&mut self) -> Duration {
        self.now = self.engine.next_deadline().unwrap();
        self.engine.expire(self.now);
        self.now - self.start
    }

    fn closed(&self, reason: CloseReason) -> u64 {
        self.engine.stats.closed.get(&reason).copied().unwrap_or(0)
    }
}

fn bench() -> Bench {
    Bench::new(ServerConfig::default())
}

fn users() -> ServerConfig {
    let user = User { name: "u".into(), password: "p".into() };
    ServerConfig { authorization: Authorization::Users(vec![user]), ..ServerConfig::default() }
}

#[test]
fn a_bare_connection_is_verbose_and_pedantic() {
    let mut bench = bench();
    let key = bench.attach();
    assert_eq!(bench.say(key, "SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n"), "+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\nPONG\r\n");
    assert_eq!(bench.say(key, "PUB a.* 0\r\n\r\n"), "-ERR 'Invalid Publish Subject'\r\n+OK\r\n");
    assert_eq!(bench.say(key, "SUB a..b 2\r\n"), "-ERR 'Invalid Subject'\r\n");
}

#[test]
fn headers_are_stripped_for_those_who_do_not_know_them() {
    let mut bench = bench();
    let (old, new) = (bench.connect(""), bench.connect(",\"headers\":true"));
    bench.say(old, "SUB a 1\r\n");
    bench.say(new, "SUB a 2\r\n");
    assert_eq!(
        bench.say(new, "HPUB a r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
        "HMSG a 2 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"
    );
    assert_eq!(bench.read(old), "MSG a 1 r 2\r\nhi\r\n");
}

#[test]
fn requests_without_listeners_are_answered_by_503() {
    let mut bench = bench();
    let key = bench.connect(",\"headers\":true,\"no_responders\":true");
    bench.say(key, "SUB in.* 5\r\n");
    assert_eq!(bench.say(key, "PUB a in.1 0\r\n\r\n"), "HMSG in.1 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n");
    assert_eq!(bench.say(key, "PUB a 0\r\n\r\n"), "");
}

#[test]
fn each_violation_has_its_error_and_ends_the_connection() {
    let cases = [
        ("X", "-ERR 'Unknown Protocol Operation'\r\n", CloseReason::ProtocolViolation),
        ("PUB a\r\n", "", CloseReason::ProtocolViolation),
        ("CONNECT x\r\n", "", CloseReason::ProtocolViolation),
        ("HPUB a 0 0\r\n\r\n", "", CloseReason::ProtocolViolation),
        ("PUB a 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n", CloseReason::MaxPayload),
        ("CONNECT {\"protocol\":2}\r\n", "-ERR 'invalid client protocol'\r\n", CloseReason::BadProtocolVersion),
        (
            "CONNECT {\"no_responders\":true}\r\n",
            "-ERR 'no responders requires headers support'\r\n",
            CloseReason::NoRespondersWithoutHeaders,
        ),
    ];
    for (said, expected, reason) in cases {
        let mut bench = bench();
        let key = bench.attach();
        assert_eq!(bench.say(key, said), expected, "{said}");
        assert_eq!(bench.closed(reason), 1, "{said}");
        assert!(bench.engine.is_gone(key));
    }
    let mut bench = bench();
    let key = bench.attach();
    assert_eq!(bench.say(key, &format!("SUB {}", "a".repeat(4097))), "-ERR 'maximum control line exceeded'\r\n");
}

#[test]
fn only_known_users_may_do_anything() {
    for (said, expected) in [
        ("CONNECT {\"user\":\"u\",\"pass\":\"p\"}\r\nPING\r\n", "+OK\r\nPONG\r\n"),
        ("CONNECT {\"user\":\"u\",\"pass\":\"q\"}\r\n", "-ERR 'Authorization Violation'\r\n"),
        ("CONNECT {}\r\n", "-ERR 'Authorization Violation'\r\n"),
        ("PING\r\n", "-ERR 'Authorization Violation'\r\n"),
    ] {
        let mut bench = Bench::new(users());
        let key = bench.attach();
        assert_eq!(bench.say(key, said), expected, "{said}");
    }
    let token = ServerConfig { authorization: Authorization::Token("t".into()), ..ServerConfig::default() };
    for (said, expected) in [("t", "+OK\r\n"), ("u", "-ERR 'Authorization Violation'\r\n")] {
        let mut bench = Bench::new(token.clone());
        let key = bench.attach();
        assert_eq!(bench.say(key, &format!("CONNECT {{\"auth_token\":\"{said}\"}}\r\n")), expected);
    }
}

#[test]
fn silence_before_authentication_times_out() {
    let mut bench = Bench::new(users());
    let key = bench.attach();
    assert_eq!(bench.wait(), 2 * SECOND);
    assert_eq!(bench.read(key), "-ERR 'Authentication Timeout'\r\n");
    assert!(bench.engine.is_gone(key));
}

#[test]
fn a_silent_client_is_pinged_and_then_stale() {
    let mut bench = bench();
    let key = bench.connect("");
    let first = bench.wait();
    assert!((2 * SECOND..2 * SECOND + SECOND * 2 / 5).contains(&first), "{first:?}");
    assert_eq!(bench.read(key), "PING\r\n");
    assert_eq!(bench.wait(), first + 120 * SECOND);
    assert_eq!(bench.read(key), "PING\r\n");
    assert_eq!(bench.wait(), first + 240 * SECOND);
    assert_eq!(bench.read(key), "-ERR 'Stale Connection'\r\n");
    assert_eq!(bench.closed(CloseReason::StaleConnection), 1);
    assert_eq!(bench.engine.next_deadline(), None);
}

#[test]
fn a_pong_starts_the_count_again() {
    let mut bench = bench();
    let key = bench.connect("");
    for _ in 0..10 {
        bench.wait();
        assert_eq!(bench.read(key), "PING\r\n");
        bench.say(key, "PONG\r\n");
    }
}

#[test]
fn a_busy_client_is_not_pinged() {
    let mut bench = bench();
    let key = bench.connect("");
    bench.wait();
    assert_eq!(bench.read(key), "PING\r\n");
    bench.say(key, "PONG\r\n");
    bench.now += 100 * SECOND;
    bench.say(key, "PUB a 0\r\n\r\n");
    bench.wait();
    assert_eq!(bench.read(key), "");
}

#[test]
fn a_write_that_takes_too_long_cuts_the_client() {
    let mut bench = bench();
    let key = bench.connect("");
    bench.say(key, "SUB a 1\r\n");
    bench.engine.receive(key, b"PUB a 4\r\nabcd\r\n", bench.now);
    bench.engine.block(key, bench.now);
    bench.now += SECOND;
    bench.engine.wrote(key, 3);
    bench.engine.block(key, bench.now);
    while bench.wait() < 10 * SECOND {}
    assert_eq!(bench.now - bench.start, 10 * SECOND);
    assert_eq!(bench.closed(CloseReason::SlowConsumerWriteDeadline), 1);
    assert_eq!(bench.engine.stats().slow_consumers, 1);
    assert!(bench.engine.is_gone(key));
}

#[test]
fn a_write_in_time_lets_the_next_have_its_own_deadline() {
    let mut bench = bench();
    let key = bench.connect("");
    bench.say(key, "SUB a 1\r\n");
    bench.engine.receive(key, b"PUB a 4\r\nabcd\r\n", bench.now);
    bench.engine.block(key, bench.now);
    bench.now += 9 * SECOND;
    bench.engine.receive(key, b"PUB a 4\r\nabcd\r\n", bench.now);
    bench.engine.wrote(key, "MSG a 1 4\r\nabcd\r\n".len());
    bench.engine.block(key, bench.now);
    while bench.wait() < 19 * SECOND {}
    assert_eq!(bench.now - bench.start, 19 * SECOND);
    assert_eq!(bench.closed(CloseReason::SlowConsumerWriteDeadline), 1);
}

#[test]
fn too_much_waiting_cuts_the_client_and_spares_the_others() {
    let limits = Limits { max_pending: 1000, ..Limits::default() };
    let mut bench = Bench::new(ServerConfig { limits, ..ServerConfig::default() });
    let (slow, fast, publisher) = (bench.connect(""), bench.connect(""), bench.connect(""));
    bench.say(slow, "SUB a 1\r\nSUB a 2\r\n");
    bench.say(fast, "SUB a 1\r\n");
    let message = format!("PUB a 300\r\n{}\r\n", "x".repeat(300));
    for _ in 0..3 {
        bench.say(publisher, &message);
        assert!(!bench.read(fast).is_empty());
    }
    assert_eq!(bench.closed(CloseReason::SlowConsumerPendingBytes), 1);
    assert_eq!(bench.engine.stats().subscriptions, 1);
    assert!(bench.engine.is_gone(slow));
}

#[test]
fn a_publisher_pauses_for_receivers_far_behind() {
    let limits = Limits { max_pending: 1000, ..Limits::default() };
    let mut bench = Bench::new(ServerConfig { limits, ..ServerConfig::default() });
    let (slow, publisher) = (bench.connect(""), bench.connect(""));
    bench.say(slow, "SUB a 1\r\n");
    bench.say(publisher, &format!("PUB a 800\r\n{}\r\n", "x".repeat(800)));
    assert!(!bench.engine.listens(publisher));
    assert_eq!(bench.wait(), Duration::from_millis(2));
    assert!(bench.engine.listens(publisher));
}

#[test]
fn one_connection_too_many_is_told_so() {
    let limits = Limits { max_connections: 1, ..Limits::default() };
    let mut bench = Bench::new(ServerConfig { limits, ..ServerConfig::default() });
    bench.attach();
    let second = bench.engine.attach(SocketAddr::from(([127, 0, 0, 1], 9)), bench.now);
    assert!(bench.read(second).ends_with("\r\n-ERR 'maximum connections exceeded'\r\n"));
    assert!(bench.engine.is_gone(second));
    assert_eq!(bench.engine.stats().connections, 1);
}

#[test]
fn a_lame_duck_tells_its_clients_and_closes_them_one_by_one() {
    let mut bench = bench();
    let clients: Vec<ClientKey> = (0..5).map(|_| bench.connect(",\"protocol\":1")).collect();
    let old = bench.connect("");
    bench.engine.lame_duck(bench.now);
    assert!(!bench.engine.accepts());
    for key in &clients {
        assert!(bench.read(*key).contains("\"ldm\":true"));
    }
    assert_eq!(bench.read(old), "");
    let mut ends = Vec::new();
    while !bench.engine.stopped {
        let before = bench.engine.stats().connections;
        let at = bench.wait();
        if bench.engine.stats().connections < before {
            assert_eq!(before - bench.engine.stats().connections, 1);
            ends.push(at);
        }
    }
    assert_eq!((ends.len(), ends[0]), (6, 10 * SECOND));
    assert!(ends.windows(2).all(|pair| (SECOND / 2..SECOND).contains(&(pair[1] - pair[0]))), "{ends:?}");
}

#[test]
fn a_lame_duck_without_clients_stops_at_once() {
    let mut bench = bench();
    bench.engine.lame_duck(bench.now);
    assert!(bench.engine.is_finished());
}

#[test]
fn an_idle_connection_has_one_timer() {
    let timing = Timing { ping_interval: 60 * SECOND, ..Timing::default() };
    let mut bench = Bench::new(ServerConfig { timing, ..users() });
    let key = bench.attach();
    bench.say(key, "CONNECT {\"user\":\"u\",\"pass\":\"p\"}\r\n");
    assert_eq!(bench.engine.timers.len(), 1);
    bench.engine.detach(key);
    assert_eq!(bench.engine.timers.len(), 0);
}

#[test]
fn large_bodies_are_shared_and_arrive_whole() {
    let mut bench = bench();
    let (first, second) = (bench.connect(""), bench.connect(""));
    bench.say(first, "SUB a 1\r\n");
    bench.say(second, "SUB a 2\r\n");
    let body = "x".repeat(100_000);
    let got = bench.say(first, &format!("PUB a 100000\r\n{body}\r\nPUB a 1\r\ny\r\n"));
    assert!(got == format!("MSG a 1 100000\r\n{body}\r\nMSG a 1 1\r\ny\r\n"));
    assert!(bench.read(second) == format!("MSG a 2 100000\r\n{body}\r\nMSG a 2 1\r\ny\r\n"));
}
