//! Random faults on connections that are being opened: every attempt ends, and a healed network connects.

use crate::chaos::{HOSTS, Lay, Weather, cases, lay};
use crate::stage::{idle, run_world};
use proptest::prelude::*;
use squall_sim::fault::Fault;
use squall_sim::{HostSpec, Program, World, WorldConfig, now_ns};
use std::io::ErrorKind;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// A SYN is given up after 127 s; its answer is sent for as long again.
const GIVEN_UP: Duration = Duration::from_secs(2 * 127 + 1);

#[derive(Clone, Debug)]
enum Step {
    Connect,
    ConnectToNoListener,
    Network(Lay),
    Kill,
    PowerLoss,
    Start,
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Connect),
        2 => Just(Step::ConnectToNoListener),
        4 => lay().prop_map(Step::Network),
        1 => Just(Step::Kill),
        1 => Just(Step::PowerLoss),
        2 => Just(Step::Start),
        4 => (1..3_000_u64).prop_map(|ms| Step::Pass { ms }),
        1 => (60_000..200_000_u64).prop_map(|ms| Step::Pass { ms }),
        3 => Just(Step::Pass { ms: 1 }),
    ]
}

/// Answers one byte on each connection, at every boot.
fn server(name: &str) -> HostSpec {
    let program: Program = Arc::new(|_| {
        Box::pin(async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    if let Ok(byte) = stream.read_u8().await {
                        let _peer_may_be_gone = stream.write_u8(byte).await;
                    }
                });
            }
        })
    });
    HostSpec { name: name.into(), program, wall_offset_ns: 0 }
}

/// An attempt: when it began, and how it ended.
type Attempt = Arc<Mutex<Option<Result<(), ErrorKind>>>>;

fn connect(world: World, port: u16) -> Attempt {
    let attempt = Attempt::default();
    let result = Arc::clone(&attempt);
    let client = world.host(HOSTS[0]).unwrap();
    let _goes_on = world.spawn(client, async move {
        let connected = TcpStream::connect(("b", port)).await;
        *result.lock().unwrap() = Some(connected.map(drop).map_err(|error| error.kind()));
    });
    attempt
}

async fn play(world: World, schedule: Vec<Step>) -> (Vec<Attempt>, bool) {
    let (mut weather, mut attempts) = (Weather::default(), Vec::new());
    let host = || HOSTS[1].to_owned();
    for step in schedule {
        match step {
            Step::Connect => attempts.push(connect(world, 7)),
            Step::ConnectToNoListener => attempts.push(connect(world, 8)),
            Step::Network(lay) => weather.apply(world, lay),
            Step::Kill => drop(world.apply(&Fault::Kill { host: host() }).unwrap()),
            Step::PowerLoss => drop(world.apply(&Fault::PowerLoss { host: host() }).unwrap()),
            Step::Start => drop(world.apply(&Fault::Start { host: host() }).unwrap()),
            Step::Pass { ms } => sleep(Duration::from_millis(ms)).await,
        }
    }
    weather.heal(world);
    world.apply(&Fault::Start { host: host() }).unwrap();
    sleep(GIVEN_UP).await;
    let echo = world.spawn(world.host(HOSTS[0]).unwrap(), async {
        let mut stream = TcpStream::connect("b:7").await?;
        stream.write_u8(1).await?;
        stream.read_u8().await
    });
    let echoed = timeout(Duration::from_secs(1), echo.unwrap()).await;
    (attempts, matches!(echoed, Ok(Ok(Ok(1)))))
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn every_connect_ends(seed: u64, schedule in prop::collection::vec(step(), 1..40)) {
        let hosts = vec![idle(HOSTS[0]), server(HOSTS[1]), idle(HOSTS[2])];
        let finished = run_world(WorldConfig::new(seed), hosts, move |world| play(world, schedule));
        let (attempts, echoed) = finished.result;
        for (number, attempt) in attempts.iter().enumerate() {
            let result = *attempt.lock().unwrap();
            // A reset right behind the answer, as after a hold, is there before the program looks.
            let expected = [ErrorKind::ConnectionRefused, ErrorKind::TimedOut, ErrorKind::ConnectionReset];
            let known = result.is_some_and(|r| r.map_or_else(|kind| expected.contains(&kind), |()| true));
            prop_assert!(known, "attempt {} ended in {:?}", number, result);
        }
        prop_assert!(echoed, "the healed network does not connect");
        prop_assert_eq!(finished.facts.sockets_after_death, 0);
        prop_assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    }
}

/// Connects while `before` is on, lifts it when `lift_after` has passed, and tells how and after how many milliseconds
/// the attempt ended.
fn attempt_under(before: Vec<Lay>, port: u16, lift_after: Duration) -> (Result<(), ErrorKind>, u64) {
    let hosts = vec![idle(HOSTS[0]), server(HOSTS[1]), idle(HOSTS[2])];
    let mut config = WorldConfig::new(1);
    config.network.latency = squall_sim::Latency::fixed(1_000_000);
    config.network.nic_bytes_per_s = None;
    let finished = run_world(config, hosts, move |world| async move {
        let mut weather = Weather::default();
        for lay in before {
            weather.apply(world, lay);
        }
        let client = world.host(HOSTS[0]).unwrap();
        let connecting = world.spawn(client, async move {
            let began = now_ns();
            let connected = TcpStream::connect(("b", port)).await.map(drop).map_err(|error| error.kind());
            (connected, (now_ns() - began) / 1_000_000)
        });
        sleep(lift_after).await;
        weather.heal(world);
        let ended = timeout(Duration::from_secs(1_000), connecting.unwrap()).await;
        ended.expect("every attempt ends").unwrap()
    });
    finished.result
}

/// From the server to the client, and the other way.
const BACK: usize = 1;
const FORTH: usize = 0;

#[test]
fn a_cut_connect_times_out_after_127_seconds_whichever_way_is_cut() {
    for way in [FORTH, BACK] {
        let ended = attempt_under(vec![Lay::Cut(way)], 7, Duration::from_secs(500));
        assert_eq!(ended, (Err(ErrorKind::TimedOut), 127_000), "link {way}");
    }
}

#[test]
fn a_refusal_that_was_lost_comes_with_the_next_syn() {
    let ended = attempt_under(vec![Lay::Cut(BACK)], 8, Duration::from_millis(500));
    // Lost at 1 ms, when the refusal was; the SYN goes again a second later.
    assert_eq!(ended, (Err(ErrorKind::ConnectionRefused), 1_003));
}

#[test]
fn a_held_refusal_comes_with_the_release() {
    let ended = attempt_under(vec![Lay::Hold(BACK)], 8, Duration::from_millis(500));
    assert_eq!(ended, (Err(ErrorKind::ConnectionRefused), 501));
}
