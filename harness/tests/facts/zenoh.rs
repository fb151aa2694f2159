//! Two zenoh peers, one of which dials the other.

use crate::fact::{Fact, Holds, about, count, exactly, percent, seconds};
use crate::stage::{Heard, Log, READY, Sent, Stage, idle, lost, lost_percent, now_s, payload, phase, play, sent_in};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{interval, sleep};
use zenoh::sample::{Locality, SampleKind};
use zenoh::{Session, Wait};

const SPEAKER: &str = "speaker";
const HEARER: &str = "hearer";
const ADDRESS: &str = "tcp/10.0.0.1:7447";
const EVENTS: &str = "events";
const ALIVE: &str = "alive";

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        Fact {
            scenario: "zenoh-killed-peer",
            what: "a zenoh peer that is gone or out of reach",
            figures: vec![
                seconds("closed, noticed after", "7 ms at most", Holds::All(0.0..=0.021)),
                seconds("killed, noticed after", "7 ms at most", Holds::All(0.0..=0.021)),
                seconds("cut off, noticed after, with a lease of 8 s", "8 s", about(8.0)),
            ],
            measure: |seed| vec![noticed(seed, Loss::Closed), noticed(seed, Loss::Killed), noticed(seed, Loss::CutOff)],
        },
        Fact {
            scenario: "zenoh-cut-4s",
            what: "zenoh peers cut off from each other for 4 s",
            figures: vec![count("lost", "0", exactly(0.0))],
            measure: |seed| vec![vec![cut(seed, 4).lost]],
        },
        Fact {
            scenario: "zenoh-cut-25s",
            what: "zenoh peers cut off from each other for 23 to 30 s (here 25 s)",
            figures: vec![percent("lost of what was put since the cut began", "all", Holds::All(95.0..=100.0))],
            measure: |seed| vec![vec![cut(seed, 25).lost_percent]],
        },
    ]
}

/// How a peer is lost.
#[derive(Clone, Copy)]
enum Loss {
    Closed,
    Killed,
    CutOff,
}

/// Opens a session whose lease is that of the measurements.
async fn open(name: &str) -> Session {
    let (listen, connect) =
        if name == SPEAKER { ("\"tcp/0.0.0.0:7447\"", String::new()) } else { ("", format!("\"{ADDRESS}\"")) };
    let config = format!(
        r#"{{
  mode: "peer",
  scouting: {{ multicast: {{ enabled: false }}, gossip: {{ enabled: false }} }},
  listen: {{ endpoints: [{listen}] }},
  connect: {{ endpoints: [{connect}], timeout_ms: -1, exit_on_failure: false }},
  open: {{ return_conditions: {{ connect_scouted: false }} }},
  transport: {{ link: {{ tx: {{ lease: 8000 }} }} }},
}}"#
    );
    let config = zenoh::Config::from_json5(&config).unwrap();
    // Opening blocks, awaited or not.
    tokio::task::spawn_blocking(|| zenoh::open(config).wait()).await.unwrap().unwrap()
}

/// What the two peers noted.
#[derive(Clone, Default)]
struct Noted {
    sent: Log<Sent>,
    heard: Log<Heard>,
    /// When the speaker was told that the hearer is gone.
    gone: Log<f64>,
    close: Arc<Notify>,
}

/// Publishes for ever, and watches for the hearer.
async fn speak(noted: Noted) {
    let session = open(SPEAKER).await;
    let gone = noted.gone;
    let watch = session.liveliness().declare_subscriber(ALIVE).callback(move |sample| {
        if sample.kind() == SampleKind::Delete {
            gone.add(now_s());
        }
    });
    watch.background().wait().unwrap();
    let publisher = session.declare_publisher(EVENTS).await.unwrap();
    let mut ticks = interval(Duration::from_millis(100));
    for number in 0.. {
        ticks.tick().await;
        publisher.put(payload(number)).await.unwrap();
        noted.sent.add(Sent { number, at: now_s(), took: 0.0 });
    }
}

/// Listens until it is told to close.
async fn hear(noted: Noted) {
    let session = open(HEARER).await;
    let heard = noted.heard;
    let subscriber = session.declare_subscriber(EVENTS).allowed_origin(Locality::Remote);
    let callback = move |sample: zenoh::sample::Sample| heard.add(Heard::now(&sample.payload().to_bytes()));
    subscriber.callback(callback).background().wait().unwrap();
    let _alive = session.liveliness().declare_token(ALIVE).await.unwrap();
    noted.close.notified().await;
    session.close().await.unwrap();
}

/// Starts both peers and waits until they have met.
async fn met(stage: Stage, seed: u64) -> Noted {
    let noted = Noted::default();
    stage.on(SPEAKER, speak(noted.clone()));
    sleep(READY).await;
    stage.on(HEARER, hear(noted.clone()));
    sleep(Duration::from_secs(5) + phase(seed)).await;
    assert!(noted.heard.all().len() > 20, "they have met");
    noted
}

fn noticed(seed: u64, loss: Loss) -> Vec<f64> {
    play(seed, idle(&[SPEAKER, HEARER]), |stage| async move {
        let noted = met(stage, seed).await;
        let lost_at = now_s();
        match loss {
            Loss::Closed => noted.close.notify_one(),
            Loss::Killed => stage.kill(HEARER),
            Loss::CutOff => {
                stage.blackhole(SPEAKER, HEARER, Duration::from_secs(25)).await;
            }
        }
        sleep(Duration::from_secs(5)).await;
        let gone = noted.gone.all().first().copied().expect("the peer is missed");
        vec![gone - lost_at]
    })
}

/// What a cut did.
struct Cut {
    lost: f64,
    lost_percent: f64,
}

fn cut(seed: u64, lasting_s: u64) -> Cut {
    play(seed, idle(&[SPEAKER, HEARER]), |stage| async move {
        let noted = met(stage, seed).await;
        let began = now_s() - 2.0;
        let cut = stage.blackhole(SPEAKER, HEARER, Duration::from_secs(lasting_s)).await;
        sleep(Duration::from_secs(40)).await;
        let (before, after) =
            (sent_in(&noted.sent, began..cut.start - 0.1), sent_in(&noted.sent, now_s() - 10.0..now_s() - 1.0));
        assert_eq!(lost(&before, &noted.heard) + lost(&after, &noted.heard), 0.0, "together before and long after");
        let during = sent_in(&noted.sent, cut);
        Cut { lost: lost(&during, &noted.heard), lost_percent: lost_percent(&during, &noted.heard) }
    })
}
