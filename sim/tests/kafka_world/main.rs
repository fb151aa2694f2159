//! Brokers and the real `rskafka` in a world: deaths, cuts, and the passing of time.
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

#[path = "../kafka_server/support.rs"]
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use rskafka::client::consumer::{StartOffset, StreamConsumerBuilder};
use rskafka::client::partition::OffsetAt;
use squall_sim::fault::Fault;
use squall_sim::servers::kafka::{BrokerId, ClusterConfig, KafkaCluster};
use squall_sim::world::Finished;
use squall_sim::{HostSpec, Latency, Program, World, WorldConfig, now_ns, run};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use support::{NOW_MS, address, client, config, partition, produce, record, texts};

/// Hosts `broker1`, `broker2`… and `client`, a millisecond from each other.
fn with_brokers<F, T: Send>(
    count: i32,
    change: impl FnOnce(&mut ClusterConfig),
    work: impl FnOnce(World, KafkaCluster) -> F + Send,
) -> Finished<T>
where
    F: Future<Output = T>,
{
    let mut cluster_config = config((1..=count).map(|id| address(id, &format!("broker{id}"), 9092)).collect());
    change(&mut cluster_config);
    let cluster = KafkaCluster::new(cluster_config, 7);
    let mut hosts: Vec<HostSpec> = (1..=count).map(|id| broker(&cluster, id)).collect();
    let idle: Program = Arc::new(|_| Box::pin(std::future::pending()));
    hosts.push(HostSpec { name: "client".into(), program: idle, wall_offset_ns: 0 });
    let mut world = WorldConfig::new(1);
    world.network.latency = Latency::fixed(1_000_000);
    world.network.nic_bytes_per_s = None;
    run(world, hosts, |world| work(world, cluster))
}

fn broker(cluster: &KafkaCluster, id: i32) -> HostSpec {
    let cluster = cluster.clone();
    let program: Program = Arc::new(move |_| {
        let broker = cluster.broker(BrokerId(id));
        Box::pin(async move {
            let listener = TcpListener::bind("0.0.0.0:9092").await.unwrap();
            broker.serve(listener).await.unwrap();
        })
    });
    HostSpec { name: format!("broker{id}"), program, wall_offset_ns: 0 }
}

async fn on<T: Send + 'static>(world: World, work: impl Future<Output = T> + Send + 'static) -> T {
    world.spawn(world.host("client").unwrap(), work).expect("the host is up").await.expect("the host lives")
}

fn bootstrap(count: i32) -> Vec<String> {
    (1..=count).map(|id| format!("broker{id}:9092")).collect()
}

fn kill(world: World, id: i32) {
    world.apply(&Fault::Kill { host: format!("broker{id}") }).unwrap();
}

fn start(world: World, id: i32) {
    world.apply(&Fault::Start { host: format!("broker{id}") }).unwrap();
}

/// Cuts or mends all that goes from and to a broker.
fn isolate(world: World, id: i32, others: &[&str], fault: fn(Vec<String>, Vec<String>) -> Fault) {
    let one = vec![format!("broker{id}")];
    let others: Vec<String> = others.iter().map(|other| (*other).to_owned()).collect();
    world.apply(&fault(one.clone(), others.clone())).unwrap();
    world.apply(&fault(others, one)).unwrap();
}

fn cut(from: Vec<String>, to: Vec<String>) -> Fault {
    Fault::Cut { from, to }
}

fn mend(from: Vec<String>, to: Vec<String>) -> Fault {
    Fault::Mend { from, to }
}

/// Everything that the topic holds, and reads on until it has `count`.
async fn read_all(brokers: i32, count: usize) -> Vec<String> {
    let topic = partition(&client(&bootstrap(brokers)).await, "events").await;
    let mut stream = StreamConsumerBuilder::new(topic.into(), StartOffset::Earliest).build();
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.push(stream.next().await.unwrap().unwrap().0);
    }
    texts(&seen)
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

#[test]
fn a_record_reaches_a_waiting_consumer_in_four_latencies() {
    let elapsed = with_brokers(
        1,
        |_| {},
        |world, _| async move {
            on(world, async {
                let client = client(&bootstrap(1)).await;
                let (reader, writer) = (partition(&client, "events").await, partition(&client, "events").await);
                let reading = tokio::spawn(async move {
                    reader.fetch_records(0, 1..1000, 60_000).await.unwrap();
                    now_ns()
                });
                sleep(Duration::from_secs(1)).await;
                let before = now_ns();
                produce(&writer, "news").await;
                (now_ns() - before, reading.await.unwrap() - before)
            })
            .await
        },
    );
    assert_eq!(elapsed.result, (2_000_000, 2_000_000), "there to the broker and back, for both");
}

#[test]
fn a_fetch_without_data_ends_after_its_wait_to_the_nanosecond() {
    let elapsed = with_brokers(
        1,
        |_| {},
        |world, _| async move {
            on(world, async {
                let topic = partition(&client(&bootstrap(1)).await, "events").await;
                let before = now_ns();
                assert!(topic.fetch_records(0, 1..1000, 500).await.unwrap().0.is_empty());
                now_ns() - before
            })
            .await
        },
    );
    assert_eq!(elapsed.result, 502_000_000);
}

#[test]
fn a_killed_broker_comes_back_with_its_log_once_its_session_ran_out() {
    let finished = with_brokers(
        1,
        |_| {},
        |world, cluster| async move {
            on(world, async {
                let topic = partition(&client(&bootstrap(1)).await, "events").await;
                for text in numbers(3) {
                    produce(&topic, &text).await;
                }
            })
            .await;
            sleep(Duration::from_secs(1)).await;
            kill(world, 1);
            let killed = Instant::now();
            sleep(Duration::from_secs(2)).await;
            start(world, 1);
            let seen = on(world, async {
                let topic = partition(&client(&bootstrap(1)).await, "events").await;
                produce(&topic, "3").await;
                read_all(1, 4).await
            })
            .await;
            (seen, killed.elapsed().as_secs(), cluster.leadership("events", 0).unwrap())
        },
    );
    let (seen, seconds, leadership) = finished.result;
    assert_eq!(seen, numbers(4));
    assert!((7..=9).contains(&seconds), "{seconds} s");
    assert_eq!((leadership.leader, leadership.isr), (Some(BrokerId(1)), vec![BrokerId(1)]));
    assert!(leadership.epoch > 0, "a new life leads in a new epoch");
}

#[test]
fn a_power_loss_takes_what_was_not_written_back() {
    let finished = with_brokers(
        1,
        |_| {},
        |world, cluster| async move {
            let topic = on(world, async {
                let topic = Arc::new(partition(&client(&bootstrap(1)).await, "events").await);
                produce(&topic, "old").await;
                sleep(Duration::from_secs(60)).await;
                produce(&topic, "new").await;
                topic
            })
            .await;
            world.apply(&Fault::PowerLoss { host: "broker1".into() }).unwrap();
            cluster.lose_unflushed(BrokerId(1));
            sleep(Duration::from_secs(10)).await;
            start(world, 1);
            drop(topic);
            on(world, async {
                let topic = partition(&client(&bootstrap(1)).await, "events").await;
                (read_all(1, 1).await, topic.get_offset(OffsetAt::Latest).await.unwrap())
            })
            .await
        },
    );
    assert_eq!(finished.result, (vec!["old".to_owned()], 1));
}

#[test]
fn a_produce_in_a_cut_of_ten_seconds_ends_by_retransmission() {
    let finished = with_brokers(
        1,
        |_| {},
        |world, _| async move {
            let topic = on(world, async { Arc::new(partition(&client(&bootstrap(1)).await, "events").await) }).await;
            isolate(world, 1, &["client"], cut);
            let writer = topic.clone();
            let producing = world.spawn(world.host("client").unwrap(), async move {
                let before = Instant::now();
                (produce(&writer, "late").await, before.elapsed())
            });
            sleep(Duration::from_secs(10)).await;
            isolate(world, 1, &["client"], mend);
            producing.unwrap().await.unwrap()
        },
    );
    let (offset, waited) = finished.result;
    assert_eq!(offset, 0, "appended once");
    assert!((10..=20).contains(&waited.as_secs()), "{waited:?}");
}

/// Produces numbers until told to stop, and returns how many were acknowledged.
async fn produce_until(brokers: i32, stop: Arc<Mutex<bool>>) -> usize {
    let topic = partition(&client(&bootstrap(brokers)).await, "events").await;
    let mut acknowledged = 0;
    while !*stop.lock().unwrap() {
        produce(&topic, &acknowledged.to_string()).await;
        acknowledged += 1;
        sleep(Duration::from_millis(100)).await;
    }
    acknowledged
}

/// The records without what a retry wrote again.
fn distinct(mut seen: Vec<String>) -> Vec<String> {
    seen.dedup();
    seen
}

#[test]
fn another_replica_leads_when_the_leader_dies_and_nothing_acknowledged_is_lost() {
    let finished = with_brokers(
        3,
        |_| {},
        |world, cluster| async move {
            let stop = Arc::new(Mutex::new(false));
            let producing = world.spawn(world.host("client").unwrap(), produce_until(3, stop.clone()));
            sleep(Duration::from_secs(5)).await;
            let before = cluster.leadership("events", 0).unwrap();
            let old = before.leader.unwrap();
            kill(world, old.0);
            sleep(Duration::from_secs(8)).await;
            let not_yet = cluster.leadership("events", 0).unwrap();
            sleep(Duration::from_secs(10)).await;
            let after = cluster.leadership("events", 0).unwrap();
            start(world, old.0);
            sleep(Duration::from_secs(10)).await;
            let back = cluster.leadership("events", 0).unwrap();
            *stop.lock().unwrap() = true;
            let acknowledged = producing.unwrap().await.unwrap();
            let seen = on(world, read_all(3, acknowledged)).await;
            (before, not_yet, after, back, acknowledged, seen)
        },
    );
    let (before, not_yet, after, back, acknowledged, seen) = finished.result;
    assert_eq!((before.isr.len(), before.epoch), (3, 0));
    assert_eq!(not_yet, before, "its session had not run out");
    assert_ne!(after.leader, before.leader);
    assert_eq!((after.isr.len(), after.epoch), (2, 1));
    assert_eq!((back.leader, back.isr.len(), back.epoch), (after.leader, 3, 1), "it follows, and leads no more");
    assert!(acknowledged > 150, "{acknowledged}");
    assert_eq!(distinct(seen)[..], numbers(acknowledged)[..]);
}

#[test]
fn a_leader_cut_off_from_the_others_acknowledges_nothing_and_forgets_what_it_took() {
    let finished = with_brokers(
        3,
        |_| {},
        |world, cluster| async move {
            on(world, async {
                let topic = partition(&client(&bootstrap(3)).await, "events").await;
                produce(&topic, "0").await;
            })
            .await;
            sleep(Duration::from_secs(1)).await;
            let old = cluster.leadership("events", 0).unwrap().leader.unwrap().0;
            let others: Vec<String> = (1..=3).filter(|id| *id != old).map(|id| format!("broker{id}")).collect();
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            isolate(world, old, &others, cut);
            let lonely = world.spawn(world.host("client").unwrap(), async move {
                let client = client(&[format!("broker{old}:9092")]).await;
                let topic = partition(&client, "events").await;
                topic.produce(vec![record("lonely", NOW_MS)], Default::default()).await
            });
            sleep(Duration::from_secs(40)).await;
            let during = cluster.leadership("events", 0).unwrap();
            on(world, async {
                // Whoever asks the old leader is told that it still leads: ask one of the others.
                let mut offset = -1;
                while offset < 0 {
                    let topic = partition(&client(&bootstrap(3)).await, "events").await;
                    let produced = topic.produce(vec![record("1", NOW_MS)], Default::default());
                    offset =
                        tokio::time::timeout(Duration::from_secs(5), produced).await.map_or(-1, |ok| ok.unwrap()[0]);
                }
            })
            .await;
            isolate(world, old, &others, mend);
            sleep(Duration::from_secs(60)).await;
            let lonely = lonely.unwrap().await.unwrap().map_err(|error| error.to_string());
            (old, lonely, during, cluster.leadership("events", 0).unwrap(), on(world, read_all(3, 2)).await)
        },
    );
    let (old, lonely, during, after, seen) = finished.result;
    assert!(lonely.unwrap_err().contains("RequestTimedOut"));
    assert_ne!(during.leader, Some(BrokerId(old)));
    assert!(!during.isr.contains(&BrokerId(old)));
    assert_eq!(after.isr.len(), 3, "it follows again");
    assert_eq!(seen, numbers(2));
}

#[test]
fn an_orderly_shutdown_hands_over_at_once() {
    let finished = with_brokers(
        3,
        |_| {},
        |world, cluster| async move {
            on(world, async {
                let topic = partition(&client(&bootstrap(3)).await, "events").await;
                produce(&topic, "0").await;
            })
            .await;
            let old = cluster.leadership("events", 0).unwrap().leader.unwrap();
            cluster.shutdown(old);
            let before = Instant::now();
            on(world, async {
                let topic = partition(&client(&bootstrap(3)).await, "events").await;
                produce(&topic, "1").await;
            })
            .await;
            (old, before.elapsed(), cluster.leadership("events", 0).unwrap(), on(world, read_all(3, 2)).await)
        },
    );
    let (old, elapsed, after, seen) = finished.result;
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
    assert!(after.leader != Some(old) && !after.isr.contains(&old));
    assert_eq!(seen, numbers(2));
}

#[test]
fn a_leader_moved_by_hand_keeps_the_client_going() {
    let finished = with_brokers(
        3,
        |_| {},
        |world, cluster| async move {
            let topic = on(world, async {
                let topic = Arc::new(partition(&client(&bootstrap(3)).await, "events").await);
                produce(&topic, "0").await;
                topic
            })
            .await;
            let before = cluster.leadership("events", 0).unwrap();
            let next = *before.isr.iter().find(|id| Some(**id) != before.leader).unwrap();
            cluster.move_leader("events", 0, next).unwrap();
            on(world, async move {
                produce(&topic, "1").await;
            })
            .await;
            (next, cluster.leadership("events", 0).unwrap(), on(world, read_all(3, 2)).await)
        },
    );
    let (next, after, seen) = finished.result;
    assert_eq!((after.leader, after.epoch), (Some(next), 1));
    assert_eq!(seen, numbers(2));
}

#[test]
fn a_follower_that_does_not_fetch_is_left_out_after_its_patience() {
    let lag = Duration::from_secs(4);
    let finished = with_brokers(
        3,
        |config| config.timing.replica_lag_max = lag,
        |world, cluster| async move {
            on(world, async {
                let topic = partition(&client(&bootstrap(3)).await, "events").await;
                produce(&topic, "0").await;
            })
            .await;
            let leader = cluster.leadership("events", 0).unwrap().leader.unwrap().0;
            let slow = (1..=3).find(|id| *id != leader).unwrap();
            world.apply(&Fault::Pause { host: format!("broker{slow}") }).unwrap();
            let waited = on(world, async {
                let topic = partition(&client(&bootstrap(3)).await, "events").await;
                let before = Instant::now();
                produce(&topic, "1").await;
                before.elapsed()
            })
            .await;
            let during = cluster.leadership("events", 0).unwrap();
            world.apply(&Fault::Resume { host: format!("broker{slow}") }).unwrap();
            sleep(Duration::from_secs(5)).await;
            (waited, during.isr.len(), cluster.leadership("events", 0).unwrap().isr.len())
        },
    );
    let (waited, during, after) = finished.result;
    assert!((3..=7).contains(&waited.as_secs()), "{waited:?}");
    assert_eq!((during, after), (2, 3));
}

#[test]
fn retention_lets_old_records_go() {
    static CLOCK: Mutex<i64> = Mutex::new(NOW_MS);
    let finished = with_brokers(
        1,
        |config| {
            config.wall_clock = || *CLOCK.lock().unwrap();
            config.topics.retention = Some(Duration::from_secs(60));
        },
        |world, _| async move {
            on(world, async {
                let topic = partition(&client(&bootstrap(1)).await, "events").await;
                produce(&topic, "old").await;
                topic.produce(vec![record("new", NOW_MS + 300_000)], Default::default()).await.unwrap();
                let before = topic.get_offset(OffsetAt::Earliest).await.unwrap();
                *CLOCK.lock().unwrap() += 300_000;
                sleep(Duration::from_secs(301)).await;
                (before, topic.get_offset(OffsetAt::Earliest).await.unwrap())
            })
            .await
        },
    );
    assert_eq!(finished.result, (0, 1));
}

#[test]
fn a_seed_repeats_a_run() {
    let digest = || {
        let finished = with_brokers(
            3,
            |_| {},
            |world, cluster| async move {
                let stop = Arc::new(Mutex::new(false));
                let producing = world.spawn(world.host("client").unwrap(), produce_until(3, stop.clone()));
                sleep(Duration::from_secs(5)).await;
                kill(world, cluster.leadership("events", 0).unwrap().leader.unwrap().0);
                sleep(Duration::from_secs(15)).await;
                *stop.lock().unwrap() = true;
                producing.unwrap().await.unwrap()
            },
        );
        (finished.result, finished.recording.digest)
    };
    assert_eq!(digest(), digest());
}
