//! Many events at once: zenoh's `put` queues within the caller's turn, and its transmission needs a turn of its own.

use crate::support::{endpoints, quiet};
use squall_sim::{HostSpec, Program, World, run};
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::yield_now;
use tokio::time::sleep;
use zenoh::{Config, Session, Wait};

const EVENTS: usize = 2_000;
const EVENT_BYTES: usize = 200;

/// Whether a publisher lets others run between two events.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manners {
    Yields,
    Hogs,
}

async fn open(peer: usize) -> Session {
    let config = Config::from_json5(&endpoints(peer)).unwrap();
    tokio::task::spawn_blocking(|| zenoh::open(config).wait()).await.unwrap().unwrap()
}

/// How many events of a burst arrive.
fn burst(manners: Manners) -> usize {
    let idle: Program = Arc::new(|_| Box::pin(pending()));
    let hosts = ["p0", "p1"].map(|name| HostSpec { name: name.into(), program: Arc::clone(&idle), wall_offset_ns: 0 });
    let finished = run(quiet(1), hosts.into(), |world: World| async move {
        let hearing = async {
            let session = open(0).await;
            let arrived = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&arrived);
            let count = move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
            };
            let _subscriber = session.declare_subscriber("burst").callback(count).await.unwrap();
            sleep(Duration::from_secs(10)).await;
            arrived.load(Ordering::Relaxed)
        };
        let publishing = async move {
            let session = open(1).await;
            sleep(Duration::from_secs(2)).await;
            let publisher = session.declare_publisher("burst").await.unwrap();
            for _ in 0..EVENTS {
                publisher.put(vec![7_u8; EVENT_BYTES]).await.unwrap();
                if manners == Manners::Yields {
                    yield_now().await;
                }
            }
            pending::<()>().await;
        };
        let _until_the_end = world.spawn(world.host("p1").unwrap(), publishing).unwrap();
        world.spawn(world.host("p0").unwrap(), hearing).unwrap().await.unwrap()
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    finished.result
}

#[test]
fn a_burst_whose_publisher_yields_arrives_whole() {
    assert_eq!(burst(Manners::Yields), EVENTS);
}

#[test]
fn a_burst_that_never_yields_overflows_the_transmission_queue() {
    let arrived = burst(Manners::Hogs);
    assert!(arrived < EVENTS, "all {arrived} arrived");
}
