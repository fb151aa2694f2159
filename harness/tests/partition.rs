//! What the real async-nats does in a 30 s partition, read from the packets of the trace.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

use std::path::Path;
use std::process::Command;

const SCENARIO: &str = r#"
title  = "One node cut off for 30 s"
nodes  = 3
run    = "60s"
settle = "20s"

[[workload]]
block-ips = { rate = "1/s", nodes = [2, 3] }

[[fault]]
at = "10s"
partition = { side = [1], from = "brokers", heal-after = "30s" }

[[check]]
blocklist-converges = { within = "15s" }
"#;

/// One line of the trace: seconds and text.
struct Line {
    at_s: f64,
    text: String,
}

fn trace(dir: &Path) -> Vec<Line> {
    std::fs::write(dir.join("cut.toml"), SCENARIO).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["run", "cut.toml", "--seed", "4", "--backend", "nats", "--trace", "cut.trace"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let text = std::fs::read_to_string(dir.join("cut.trace")).unwrap();
    let line = |line: &str| {
        let (at, text) = line.trim_start().split_once("  ").unwrap();
        Line { at_s: at.parse().unwrap(), text: text.to_owned() }
    };
    text.lines().map(line).collect()
}

/// The times, in seconds, of the lines of node 1 within `from..to` that contain all of `words`.
fn times(trace: &[Line], from: f64, to: f64, words: &[&str]) -> Vec<f64> {
    let matches = |line: &&Line| {
        (from..to).contains(&line.at_s)
            && line.text.starts_with("node-1 ")
            && words.iter().all(|w| line.text.contains(w))
    };
    trace.iter().filter(matches).map(|line| line.at_s).collect()
}

#[test]
fn the_real_client_pings_disconnects_backs_off_reconnects_and_resubscribes() {
    let dir = tempfile::tempdir().unwrap();
    let trace = trace(dir.path());
    let chaos_s = trace.iter().find(|line| line.text.contains("chaos begins")).unwrap().at_s;
    let (cut_s, heal_s, end_s) = (chaos_s + 10.0, chaos_s + 40.0, f64::MAX);

    let pings = times(&trace, 0.0, cut_s, &["nats1:4222 data", "\"PING"]);
    assert!(!pings.is_empty(), "the client's own pings before the cut");
    let lost = times(&trace, cut_s, heal_s, &["nats1:4222 data (cut)"]);
    assert!(lost.len() >= 3, "the same segment again and again: {lost:?}");
    let gaps: Vec<f64> = lost.windows(2).map(|pair| pair[1] - pair[0]).take(3).collect();
    assert!(gaps.windows(2).all(|pair| pair[1] > pair[0] * 1.9), "retransmissions back off: {gaps:?}");

    let disconnected = times(&trace, cut_s, heal_s, &["coordinator link: disconnected"]);
    assert_eq!(disconnected.len(), 1, "two pings unanswered");
    assert!((5.0..20.0).contains(&(disconnected[0] - cut_s)), "{disconnected:?}");
    let attempts = times(&trace, disconnected[0], heal_s, &["nats1:4222 syn (cut)"]);
    assert!(attempts.len() >= 4, "reconnects are tried: {attempts:?}");

    let connected = times(&trace, heal_s, end_s, &["coordinator link: connected"]);
    assert_eq!(connected.len(), 1, "back once");
    assert!(connected[0] - heal_s < 10.0, "{connected:?}");
    let subscribed = times(&trace, heal_s, end_s, &["nats1:4222 data", "SUB squall.cluster"]);
    assert_eq!(subscribed.len(), 1, "and subscribed again");
    assert!(!times(&trace, subscribed[0], end_s, &["resync done (Reconnected)"]).is_empty(), "what was missed is read");
}
