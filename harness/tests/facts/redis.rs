//! The crate `redis`, its plain subscriber and its `ConnectionManager`, and one Redis server.

use crate::fact::{Fact, Holds, Measured, about, count, exactly, seconds};
use crate::stage::{
    Heard, Log, PUBLISHER, READY, SERVER, SUBSCRIBERS, Sent, Stage, host, idle, last_heard, lost, now_s, payload,
    phase, play, sent_in,
};
use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, SendError};
use redis::{AsyncCommands, Client, PushInfo, PushKind, Value};
use squall_sim::servers::redis::{RedisServer, ServerConfig};
use squall_sim::{Boot, HostSpec};
use std::future::{Future, pending};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{interval, sleep};

const ADDRESS: &str = "redis://server:6379";
const ADDRESS_RESP3: &str = "redis://server:6379/?protocol=resp3";
const CHANNEL: &str = "events";
const SUBSCRIBER: &str = SUBSCRIBERS[0];
const EVERY: Duration = Duration::from_millis(50);

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        Fact {
            scenario: "redis-stream-ends",
            what: "a plain Redis PubSub stream when its server is killed, back after 3 s",
            figures: vec![
                seconds("ends after the kill", "at the disconnect", Holds::All(0.0..=0.1)),
                count("heard since, for a minute", "0", exactly(0.0)),
            ],
            measure: plain_stream,
        },
        Fact {
            scenario: "redis-killed-3s",
            what: "Redis ConnectionManager with resubscription, server killed, back after 3 s",
            figures: vec![
                seconds("hears again after its return", "1.3 s", about(1.3)),
                seconds("longest PUBLISH", "4.3 s", about(4.3)),
            ],
            measure: managers,
        },
        Fact {
            scenario: "redis-idle-subscribers",
            what: "the same with an idle subscriber, server back after 15 s",
            figures: vec![
                count("heard in the two minutes after its return", "0", exactly(0.0)),
                seconds("hears again after a PING", "yes", Holds::All(0.0..=15.0)),
            ],
            measure: used_up,
        },
        silent("redis-silent-20s", "Redis link blackholed for 20 s", "6.7 s", 6.7, |seed| silence(seed, 20)),
        silent("redis-silent-60s", "Redis link blackholed for longer (here 65 s)", "34 s", 34.0, |seed| {
            silence(seed, 65)
        }),
    ]
}

fn silent(
    scenario: &'static str,
    what: &'static str,
    real: &'static str,
    real_s: f64,
    measure: fn(u64) -> Measured,
) -> Fact {
    let figures = vec![
        count("disconnects noticed", "0", exactly(0.0)),
        count("lost", "0", exactly(0.0)),
        seconds("delivered after the heal", real, about(real_s)),
    ];
    Fact { scenario, what, figures, measure }
}

fn hosts(seed: u64) -> Vec<HostSpec> {
    let program = Arc::new(move |boot: Boot| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let server = RedisServer::new(ServerConfig::default(), seed ^ u64::from(boot.incarnation));
        Box::pin(async move {
            let listener = TcpListener::bind("0.0.0.0:6379").await.unwrap();
            server.serve(listener).await.unwrap();
        })
    });
    [host(SERVER, program)].into_iter().chain(idle(&[PUBLISHER, SUBSCRIBER])).collect()
}

/// What a manager's connection was pushed.
#[derive(Clone, Default)]
struct Pushed {
    heard: Log<Heard>,
    disconnections: Log<f64>,
}

impl Pushed {
    fn note(&self, push: &PushInfo) {
        match (&push.kind, &push.data[..]) {
            (PushKind::Message, [_, Value::BulkString(text)]) => self.heard.add(Heard::now(text)),
            (PushKind::Disconnection, _) => self.disconnections.add(now_s()),
            _ => {}
        }
    }
}

async fn manager(pushed: &Pushed) -> ConnectionManager {
    let pushed = pushed.clone();
    let push = move |push: PushInfo| -> Result<(), SendError> {
        pushed.note(&push);
        Ok(())
    };
    let config = ConnectionManagerConfig::new().set_push_sender(push).set_automatic_resubscription();
    ConnectionManager::new_with_config(Client::open(ADDRESS_RESP3).unwrap(), config).await.unwrap()
}

/// Publishes for ever; a PUBLISH that fails is over.
async fn speak(sent: Log<Sent>) {
    let mut manager = manager(&Pushed::default()).await;
    let mut ticks = interval(EVERY);
    for number in 0.. {
        ticks.tick().await;
        let at = now_s();
        let _may_fail = manager.publish::<_, _, u64>(CHANNEL, payload(number)).await;
        sent.add(Sent { number, at, took: now_s() - at });
    }
}

/// Subscribes, and does nothing more than to send PINGs until one is answered, when told to.
async fn listen(pushed: Pushed, ping: Arc<Notify>) {
    let mut manager = manager(&pushed).await;
    manager.subscribe(CHANNEL).await.unwrap();
    ping.notified().await;
    while manager.ping::<String>().await.is_err() {
        sleep(Duration::from_secs(1)).await;
    }
    pending().await
}

/// What a publisher and a subscriber noted.
struct Noted {
    sent: Log<Sent>,
    pushed: Pushed,
    ping: Arc<Notify>,
}

/// Starts both.
async fn started(stage: Stage, seed: u64) -> Noted {
    let noted = Noted { sent: Log::default(), pushed: Pushed::default(), ping: Arc::default() };
    stage.on(SUBSCRIBER, listen(noted.pushed.clone(), Arc::clone(&noted.ping)));
    sleep(READY).await;
    stage.on(PUBLISHER, speak(noted.sent.clone()));
    sleep(Duration::from_secs(2) + phase(seed)).await;
    assert!(noted.pushed.heard.all().len() > 30, "both are connected");
    noted
}

/// The events that came within this time.
fn heard_in(heard: &Log<Heard>, time: Range<f64>) -> Vec<Heard> {
    heard.all().into_iter().filter(|one| time.contains(&one.at)).collect()
}

fn plain_stream(seed: u64) -> Measured {
    play(seed, hosts(seed), |stage| async move {
        let (sent, heard, ended) = (Log::default(), Log::default(), Log::default());
        stage.on(PUBLISHER, speak(sent));
        let (kept, end) = (heard.clone(), ended.clone());
        stage.on(SUBSCRIBER, async move {
            let mut pubsub = Client::open(ADDRESS).unwrap().get_async_pubsub().await.unwrap();
            pubsub.subscribe(CHANNEL).await.unwrap();
            // Asked on after its end, as a loop that only skips errors does.
            let mut messages = pubsub.on_message();
            loop {
                match messages.next().await {
                    Some(message) => kept.add(Heard::now(message.get_payload_bytes())),
                    None => {
                        end.add(now_s());
                        sleep(Duration::from_secs(1)).await;
                    }
                }
            }
        });
        sleep(Duration::from_secs(2) + phase(seed)).await;
        assert!(!heard.all().is_empty(), "subscribed before");
        let outage = stage.outage(Duration::from_secs(3)).await;
        sleep(Duration::from_secs(60)).await;
        let ended = ended.all().first().copied().expect("the stream ends");
        let since = heard_in(&heard, ended..f64::MAX);
        vec![vec![ended - outage.start], vec![since.len() as f64]]
    })
}

fn managers(seed: u64) -> Measured {
    play(seed, hosts(seed), |stage| async move {
        let noted = started(stage, seed).await;
        let outage = stage.outage(Duration::from_secs(3)).await;
        sleep(Duration::from_secs(30)).await;
        let back = heard_in(&noted.pushed.heard, outage.end..f64::MAX);
        let back = back.first().expect("the subscriber is back").at;
        let blocked = noted.sent.all().iter().map(|one| one.took).fold(0.0, f64::max);
        vec![vec![back - outage.end], vec![blocked]]
    })
}

fn used_up(seed: u64) -> Measured {
    play(seed, hosts(seed), |stage| async move {
        let noted = started(stage, seed).await;
        let outage = stage.outage(Duration::from_secs(15)).await;
        sleep(Duration::from_secs(120)).await;
        let pinged = now_s();
        let unpinged = heard_in(&noted.pushed.heard, outage.end..pinged);
        noted.ping.notify_one();
        sleep(Duration::from_secs(60)).await;
        let back = heard_in(&noted.pushed.heard, pinged..f64::MAX);
        let back = back.first().expect("the subscriber is back after a PING").at;
        vec![vec![unpinged.len() as f64], vec![back - pinged]]
    })
}

fn silence(seed: u64, lasting_s: u64) -> Measured {
    play(seed, hosts(seed), |stage| async move {
        let noted = started(stage, seed).await;
        let silence = stage.blackhole(SERVER, SUBSCRIBER, Duration::from_secs(lasting_s)).await;
        sleep(Duration::from_secs(90)).await;
        let during = sent_in(&noted.sent, silence.clone());
        let all = sent_in(&noted.sent, 0.0..now_s() - 1.0);
        let heard = &noted.pushed.heard;
        let noticed = noted.pushed.disconnections.all().len() as f64;
        vec![vec![noticed], vec![lost(&all, heard)], vec![last_heard(&during, heard) - silence.end]]
    })
}
