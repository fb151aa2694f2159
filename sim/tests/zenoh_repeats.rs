//! A seed repeats: the same world of zenoh peers, run in two processes, ends with the same digest of every packet.
//!
//! `zenoh_repeats cost` prints instead what a simulated minute costs.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

#[path = "zenoh/support.rs"]
#[expect(dead_code, reason = "shared with the tests of behaviour")]
mod support;

use squall_interpose::layout;
use squall_interpose::pool::{Exit, Finished, Limits, Pool};
use squall_sim::fault::Fault;
use squall_sim::{HostSpec, Program, World, WorldConfig, run};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use support::{DOCUMENTED, endpoints, with_peers, with_peers_in};
use tokio::time::sleep;
use zenoh::Wait;

const LIMITS: Limits = Limits { memory_bytes: 8 << 30, real_time: Duration::from_secs(120) };
const SEEDS: u64 = 4;
const SIGABRT: i32 = 6;

/// How peers find each other.
#[derive(Clone, Copy, Debug)]
enum Finding {
    Scouting,
    Endpoints,
}

impl Finding {
    fn configs(self, peers: usize) -> Vec<String> {
        let one = |peer| match self {
            Self::Scouting => DOCUMENTED.to_owned(),
            Self::Endpoints => endpoints(peer),
        };
        (0..peers).map(one).collect()
    }
}

/// Forty seconds on a lossy network with a kill, a restart and a cut; the digest, then how much was heard.
fn stormy(finding: Finding, peers: usize, seed: u64) -> Vec<u8> {
    let mut config = WorldConfig::new(seed);
    config.network.loss_per_million = 5_000;
    let (finished, log) = with_peers_in(config, finding.configs(peers), |world| async move {
        sleep(Duration::from_secs(8)).await;
        let (from, to) = (vec!["p0".to_owned()], vec!["p1".to_owned()]);
        world.apply(&Fault::Kill { host: "p1".into() }).unwrap();
        sleep(Duration::from_secs(4)).await;
        world.apply(&Fault::Start { host: "p1".into() }).unwrap();
        sleep(Duration::from_secs(8)).await;
        world.apply(&Fault::Cut { from: from.clone(), to: to.clone() }).unwrap();
        sleep(Duration::from_secs(12)).await;
        world.apply(&Fault::Mend { from, to }).unwrap();
        sleep(Duration::from_secs(8)).await;
    });
    let heard = log.all().len();
    assert!(heard > 0, "no peer heard anything");
    format!("{:016x} of {} events, {heard} heard", finished.recording.digest, finished.recording.events).into_bytes()
}

/// A quiet simulated minute.
fn minute(finding: Finding, peers: usize) -> Vec<u8> {
    let (finished, log) = with_peers(1, finding.configs(peers), |_| sleep(Duration::from_secs(60)));
    format!("{} packets, {} heard", finished.recording.events, log.all().len()).into_bytes()
}

/// A subscriber with zenoh's default queue, whose sender blocks when it is full, and who does not read.
fn overflowing() -> Vec<u8> {
    let idle: Program = Arc::new(|_| Box::pin(pending()));
    let hosts = vec![HostSpec { name: "p0".into(), program: idle, wall_offset_ns: 0 }];
    run(WorldConfig::new(1), hosts, |world: World| async move {
        let work = async {
            let config = zenoh::Config::from_json5(&endpoints(0)).unwrap();
            let session = tokio::task::spawn_blocking(|| zenoh::open(config).wait()).await.unwrap().unwrap();
            let _never_read = session.declare_subscriber("queue").await.unwrap();
            for _ in 0..1_000 {
                session.put("queue", "event").await.unwrap();
            }
        };
        world.spawn(world.host("p0").unwrap(), work).unwrap().await.unwrap();
    });
    Vec::new()
}

fn ended(work: impl FnOnce() -> Vec<u8>) -> Finished {
    let mut pool = Pool::new();
    pool.start(0, LIMITS, work).unwrap();
    loop {
        if let Some(finished) = pool.wait().unwrap() {
            return finished;
        }
    }
}

fn in_a_child(work: impl FnOnce() -> Vec<u8>) -> Finished {
    let finished = ended(work);
    assert_eq!(finished.exit, Exit::Done);
    finished
}

fn text(finished: &Finished) -> String {
    String::from_utf8_lossy(&finished.output).into_owned()
}

fn main() {
    layout::fix().unwrap();
    if std::env::args().any(|argument| argument == "cost") {
        for (finding, peers) in
            [Finding::Scouting, Finding::Endpoints].into_iter().flat_map(|f| [5, 10, 20].map(|n| (f, n)))
        {
            let finished = in_a_child(|| minute(finding, peers));
            println!(
                "{finding:?}, {peers} peers: {:.3} CPU s a simulated minute, {} KiB, {}",
                finished.cpu.as_secs_f64(),
                finished.max_rss_kib,
                text(&finished)
            );
        }
        return;
    }
    for finding in [Finding::Scouting, Finding::Endpoints] {
        for peers in [2, 3, 5, 10] {
            for seed in 0..SEEDS {
                let (first, second) =
                    (in_a_child(|| stormy(finding, peers, seed)), in_a_child(|| stormy(finding, peers, seed)));
                assert_eq!(text(&first), text(&second), "{finding:?}, {peers} peers, seed {seed}");
            }
        }
    }
    println!("test a_seed_repeats_in_two_processes ... ok");
    assert_eq!(ended(overflowing).exit, Exit::Signal(SIGABRT));
    println!("test a_wait_that_nobody_can_end_ends_the_run ... ok");
}
