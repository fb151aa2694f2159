//! `async-nats` and one NATS server.

use crate::fact::{Fact, Holds, Measured, about, count, exactly, percent, seconds};
use crate::stage::{
    Heard, Log, PUBLISHER, READY, SERVER, SUBSCRIBERS, Sent, Stage, host, idle, last_heard, lost, lost_percent, now_s,
    payload, phase, play, sent_in,
};
use async_nats::{ConnectOptions, Event};
use futures_util::StreamExt;
use squall_sim::servers::nats::{NatsServer, ServerConfig};
use squall_sim::{Boot, HostSpec};
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{interval, sleep};

const ADDRESS: &str = "server:4222";
const SUBJECT: &str = "events";
/// The documented one.
const PATIENT_PING: Duration = Duration::from_secs(60);

pub(crate) fn facts() -> Vec<Fact> {
    vec![
        killed("nats-killed-3s", "NATS server killed, back after 3 s", |seed| restarted(seed, 3)),
        killed("nats-killed-15s", "NATS server killed, back after 15 s", |seed| restarted(seed, 15)),
        Fact {
            scenario: "nats-queue-full",
            what: "NATS server away for 3 s, 1,000 publishes a second: the client's queue of 2,048 fills",
            figures: vec![seconds("publish() blocked", "2.06 s", about(2.06))],
            measure: queue_full,
        },
        Fact {
            scenario: "nats-silent-20s",
            what: "NATS link blackholed for 20 s, pings every 60 s",
            figures: vec![count("lost", "0", exactly(0.0)), seconds("delivered after the heal", "6.5 s", about(6.5))],
            measure: |seed| {
                let silence = silence(seed, Duration::from_secs(20));
                vec![vec![silence.lost], vec![silence.last_late]]
            },
        },
        Fact {
            scenario: "nats-silent-180s",
            what: "NATS link blackholed for 180 s, pings every 60 s",
            figures: vec![seconds("noticed after", "180 s", about(180.0)), percent("lost", "all", exactly(100.0))],
            measure: |seed| {
                let silence = silence(seed, Duration::from_secs(180));
                vec![silence.noticed_after, vec![silence.lost_percent]]
            },
        },
        Fact {
            scenario: "nats-slow-reader",
            what: "a NATS client that does not read",
            figures: vec![seconds("cut off after its buffers were full", "10 s", about(10.0))],
            measure: slow_reader,
        },
        Fact {
            scenario: "nats-lagged-subscription",
            what: "200 events to a NATS subscription that holds 64 and is not read",
            figures: vec![
                count("kept, the oldest", "64", exactly(64.0)),
                count("SlowConsumer events", "at least one", Holds::All(1.0..=136.0)),
            ],
            measure: full_subscription,
        },
        Fact {
            scenario: "nats-no-echo",
            what: "100 events of a NATS client that subscribes to them, too",
            figures: vec![
                count("heard with `no_echo`", "0", exactly(0.0)),
                count("and without", "100", exactly(100.0)),
            ],
            measure: echo,
        },
    ]
}

fn killed(scenario: &'static str, what: &'static str, measure: fn(u64) -> Measured) -> Fact {
    let figures = vec![
        seconds("clients back after its return", "1.1 s", about(1.1)),
        seconds("first to last of them", "in lockstep", Holds::All(0.0..=0.1)),
        percent(
            "buffered publishes lost on a subscriber",
            "36 of 59 on one, 7 on another, by whether its SUB beats the flush",
            Holds::Extremes { largest: 20.0..=100.0, smallest: 0.0..=0.0 },
        ),
    ];
    Fact { scenario, what, figures, measure }
}

/// A server, and which it is at present.
fn server(seed: u64) -> (HostSpec, Log<NatsServer>) {
    let running = Log::<NatsServer>::default();
    let kept = running.clone();
    let program = Arc::new(move |boot: Boot| -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let server = NatsServer::new(ServerConfig::default(), seed ^ u64::from(boot.incarnation));
        kept.add(server.clone());
        Box::pin(async move {
            let listener = TcpListener::bind("0.0.0.0:4222").await.unwrap();
            server.serve(listener).await.unwrap();
        })
    });
    (host(SERVER, program), running)
}

/// A server, a publisher and subscribers.
fn hosts(seed: u64) -> Vec<HostSpec> {
    let clients = idle(&SUBSCRIBERS);
    [server(seed).0].into_iter().chain(idle(&[PUBLISHER])).chain(clients).collect()
}

/// What a client's library said, and when.
type Told = Log<(f64, Event)>;

fn telling(options: ConnectOptions, told: &Told) -> ConnectOptions {
    let told = told.clone();
    options.event_callback(move |event| {
        told.add((now_s(), event));
        ready(())
    })
}

/// The first event of this kind after a time.
fn first(told: &Told, event: &Event, after: f64) -> f64 {
    let first = told.all().into_iter().find(|(at, what)| *at > after && what == event);
    first.unwrap_or_else(|| panic!("no {event:?} after {after} s: {:?}", told.all())).0
}

/// Publishes for ever.
async fn speak(options: ConnectOptions, every: Duration, sent: Log<Sent>) {
    let client = options.connect(ADDRESS).await.unwrap();
    sleep(READY).await;
    let mut ticks = interval(every);
    for number in 0.. {
        ticks.tick().await;
        let at = now_s();
        client.publish(SUBJECT, payload(number).into()).await.unwrap();
        sent.add(Sent { number, at, took: now_s() - at });
    }
}

/// Listens for ever.
async fn listen(options: ConnectOptions, heard: Log<Heard>) {
    let client = options.connect(ADDRESS).await.unwrap();
    let mut subscription = client.subscribe(SUBJECT).await.unwrap();
    while let Some(message) = subscription.next().await {
        heard.add(Heard::now(&message.payload));
    }
}

fn restarted(seed: u64, outage_s: u64) -> Measured {
    play(seed, hosts(seed), |stage| async move {
        let (sent, publisher) = (Log::default(), Told::default());
        stage.on(PUBLISHER, speak(telling(ConnectOptions::new(), &publisher), Duration::from_millis(70), sent.clone()));
        let subscribers: Vec<(Told, Log<Heard>)> = SUBSCRIBERS.iter().map(|_| Default::default()).collect();
        for (name, (told, heard)) in SUBSCRIBERS.iter().zip(&subscribers) {
            stage.on(name, listen(telling(ConnectOptions::new(), told), heard.clone()));
        }
        sleep(Duration::from_secs(5) + phase(seed)).await;
        let outage = stage.outage(Duration::from_secs(outage_s)).await;
        sleep(Duration::from_secs(20)).await;

        let clients = subscribers.iter().map(|(told, _)| told).chain([&publisher]);
        let back: Vec<f64> = clients.map(|told| first(told, &Event::Connected, outage.end)).collect();
        let (earliest, latest) = extremes(&back);
        let buffered = sent_in(&sent, outage.start..back[SUBSCRIBERS.len()]);
        let missed = subscribers.iter().map(|(_, heard)| lost_percent(&buffered, heard)).collect();
        let after = sent_in(&sent, latest + 1.0..now_s() - 1.0);
        assert!(subscribers.iter().all(|(_, heard)| lost(&after, heard) == 0.0), "all are back for good");
        vec![back.iter().map(|at| at - outage.end).collect(), vec![latest - earliest], missed]
    })
}

fn extremes(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::MAX, f64::MIN), |(low, high), &value| (low.min(value), high.max(value)))
}

fn queue_full(seed: u64) -> Measured {
    play(seed, hosts(seed), |stage| async move {
        let sent = Log::default();
        stage.on(PUBLISHER, speak(ConnectOptions::new(), Duration::from_millis(1), sent.clone()));
        sleep(Duration::from_secs(3) + phase(seed)).await;
        stage.outage(Duration::from_secs(3)).await;
        sleep(Duration::from_secs(10)).await;
        vec![vec![sent.all().iter().map(|one: &Sent| one.took).fold(0.0, f64::max)]]
    })
}

/// What a subscriber behind a silent link went through.
struct Silence {
    lost: f64,
    lost_percent: f64,
    /// When the last event of the silence was heard, seconds after it; 0 if none was.
    last_late: f64,
    /// When the client noticed, seconds since it began; empty if it did not.
    noticed_after: Vec<f64>,
}

fn silence(seed: u64, lasting: Duration) -> Silence {
    let [cut_off, ..] = SUBSCRIBERS;
    play(seed, hosts(seed), |stage| async move {
        let (sent, heard, told) = (Log::default(), Log::default(), Told::default());
        let patient = || ConnectOptions::new().ping_interval(PATIENT_PING);
        stage.on(cut_off, listen(telling(patient(), &told), heard.clone()));
        stage.on(PUBLISHER, speak(patient(), Duration::from_millis(100), sent.clone()));
        // Shortly after a ping: the third one after that, unanswered, comes 180 s later.
        sleep(Duration::from_secs(1) + phase(seed)).await;
        let silence = stage.blackhole(SERVER, cut_off, lasting).await;
        sleep(Duration::from_secs(60)).await;

        let (before, after) = (sent_in(&sent, 0.0..silence.start - 0.1), sent_in(&sent, now_s() - 20.0..now_s() - 1.0));
        assert_eq!(lost(&before, &heard) + lost(&after, &heard), 0.0, "connected before and long after");
        let during = sent_in(&sent, silence.clone());
        let lost_percent = lost_percent(&during, &heard);
        let last_late = if lost_percent == 100.0 { 0.0 } else { last_heard(&during, &heard) - silence.end };
        let noticed = told.all().into_iter().find(|(_, event)| *event == Event::Disconnected);
        let noticed_after = noticed.into_iter().map(|(at, _)| at - silence.start).collect();
        Silence { lost: lost(&during, &heard), lost_percent, last_late, noticed_after }
    })
}

fn slow_reader(seed: u64) -> Measured {
    let [stopped, ..] = SUBSCRIBERS;
    let (server, running) = server(seed);
    let hosts = [server].into_iter().chain(idle(&[PUBLISHER, stopped])).collect();
    play(seed, hosts, |stage| async move {
        stage.on(stopped, listen(ConnectOptions::new(), Log::default()));
        stage.on(PUBLISHER, async {
            let client = ConnectOptions::new().connect(ADDRESS).await.unwrap();
            let mut ticks = interval(Duration::from_millis(1));
            loop {
                ticks.tick().await;
                client.publish(SUBJECT, vec![b'0'; 4_096].into()).await.unwrap();
            }
        });
        sleep(Duration::from_secs(1) + phase(seed)).await;
        let (server, paused) = (running.last().unwrap(), now_s());
        stage.pause(stopped);
        while server.stats().slow_consumers == 0 {
            assert!(now_s() < paused + 120.0, "the server never minds");
            sleep(Duration::from_millis(10)).await;
        }
        vec![vec![now_s() - paused]]
    })
}

fn full_subscription(seed: u64) -> Measured {
    let [lagging, ..] = SUBSCRIBERS;
    play(seed, hosts(seed), |stage| async move {
        let (heard, told) = (Log::<Heard>::default(), Told::default());
        let (kept, options) = (heard.clone(), telling(ConnectOptions::new().subscription_capacity(64), &told));
        stage.on(lagging, async move {
            let client = options.connect(ADDRESS).await.unwrap();
            let mut subscription = client.subscribe(SUBJECT).await.unwrap();
            sleep(Duration::from_secs(10)).await;
            while let Some(message) = subscription.next().await {
                kept.add(Heard::now(&message.payload));
            }
        });
        sleep(READY).await;
        publish(stage, 200);
        sleep(Duration::from_secs(20) + phase(seed)).await;
        let numbers: Vec<u64> = heard.all().iter().map(|one| one.number).collect();
        assert_eq!(numbers, (0..numbers.len() as u64).collect::<Vec<_>>(), "the oldest, in order");
        let slow = told.all().iter().filter(|(_, event)| matches!(event, Event::SlowConsumer(_))).count();
        vec![vec![numbers.len() as f64], vec![slow as f64]]
    })
}

/// Publishes so many events at once.
fn publish(stage: Stage, count: u64) {
    stage.on(PUBLISHER, async move {
        let client = ConnectOptions::new().connect(ADDRESS).await.unwrap();
        for number in 0..count {
            client.publish(SUBJECT, payload(number).into()).await.unwrap();
        }
        pending::<()>().await;
    });
}

fn echo(seed: u64) -> Measured {
    let heard = |options: fn() -> ConnectOptions| {
        play(seed, hosts(seed), |stage| async move {
            let [beside, ..] = SUBSCRIBERS;
            let (own, others) = (Log::<Heard>::default(), Log::<Heard>::default());
            stage.on(beside, listen(ConnectOptions::new(), others.clone()));
            let kept = own.clone();
            stage.on(PUBLISHER, async move {
                let client = options().connect(ADDRESS).await.unwrap();
                let mut subscription = client.subscribe(SUBJECT).await.unwrap();
                sleep(READY).await;
                for number in 0..100 {
                    client.publish(SUBJECT, payload(number).into()).await.unwrap();
                }
                while let Some(message) = subscription.next().await {
                    kept.add(Heard::now(&message.payload));
                }
            });
            sleep(Duration::from_secs(5)).await;
            assert_eq!(others.all().len(), 100, "others hear all of them");
            own.all().len() as f64
        })
    };
    vec![vec![heard(|| ConnectOptions::new().no_echo())], vec![heard(ConnectOptions::new)]]
}
