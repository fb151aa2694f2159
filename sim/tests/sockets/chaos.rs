//! Random faults on open connections between three hosts.
//!
//! Whatever happens, a reader gets a prefix of what was written, in order and once. After everything healed, connections
//! that nobody reset or killed deliver every byte; of the others, each side that lives learns of the end.

use crate::stage::{idle, run_world};
use proptest::prelude::*;
use squall_sim::fault::Fault;
use squall_sim::world::Finished;
use squall_sim::{World, WorldConfig};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

pub(crate) const HOSTS: [&str; 3] = ["a", "b", "c"];
/// Ordered pairs of hosts.
pub(crate) const LINKS: [(usize, usize); 6] = [(0, 1), (1, 0), (1, 2), (2, 1), (2, 0), (0, 2)];
/// Who connects to whom.
const CONNECTIONS: [(usize, usize); 3] = [(0, 1), (1, 2), (2, 0)];
/// After the heal, everything is decided by then: data is given up after 924.6 s, and the last retransmission may be
/// 120 s late.
const DECIDED: Duration = Duration::from_secs(1_050);

/// One move of a schedule. `end` counts both ends of every connection; links, hosts and connections go by index.
#[derive(Clone, Debug)]
enum Step {
    Write { end: usize, bytes: usize },
    Read { end: usize, bytes: usize },
    Network(Lay),
    Reset { connection: usize },
    Kill { host: usize },
    PowerLoss { host: usize },
    Start { host: usize },
    Pass { ms: u64 },
}

/// What is laid over a link, or lifted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lay {
    Cut(usize),
    Mend(usize),
    Lossy(usize),
    Clean(usize),
    Hold(usize),
    Release(usize),
}

pub(crate) fn lay() -> impl Strategy<Value = Lay> {
    let link = || 0..LINKS.len();
    prop_oneof![
        link().prop_map(Lay::Cut),
        link().prop_map(Lay::Mend),
        link().prop_map(Lay::Lossy),
        link().prop_map(Lay::Clean),
        link().prop_map(Lay::Hold),
        link().prop_map(Lay::Release),
    ]
}

/// Rules in force, so that each is laid and lifted once.
#[derive(Default)]
pub(crate) struct Weather {
    cut: BTreeSet<usize>,
    lossy: BTreeSet<usize>,
    held: BTreeSet<usize>,
}

impl Weather {
    pub(crate) fn apply(&mut self, world: World, lay: Lay) {
        let names = |link: usize| {
            let (from, to) = LINKS[link];
            (vec![HOSTS[from].to_owned()], vec![HOSTS[to].to_owned()])
        };
        let (changed, link) = match lay {
            Lay::Cut(link) => (self.cut.insert(link), link),
            Lay::Mend(link) => (self.cut.remove(&link), link),
            Lay::Lossy(link) => (self.lossy.insert(link), link),
            Lay::Clean(link) => (self.lossy.remove(&link), link),
            Lay::Hold(link) => (self.held.insert(link), link),
            Lay::Release(link) => (self.held.remove(&link), link),
        };
        let (from, to) = names(link);
        let fault = match lay {
            Lay::Cut(_) => Fault::Cut { from, to },
            Lay::Mend(_) => Fault::Mend { from, to },
            Lay::Lossy(_) => Fault::Loss { from, to, per_million: 300_000 },
            Lay::Clean(_) => Fault::Loss { from, to, per_million: 0 },
            Lay::Hold(_) => Fault::Hold { from, to },
            Lay::Release(_) => Fault::Release { from, to },
        };
        if changed {
            world.apply(&fault).unwrap();
        }
    }

    pub(crate) fn heal(&mut self, world: World) {
        for link in 0..LINKS.len() {
            for lay in [Lay::Mend(link), Lay::Clean(link), Lay::Release(link)] {
                self.apply(world, lay);
            }
        }
    }
}

/// What the programs at one end of a connection did and saw.
#[derive(Clone, Debug, Default)]
struct Seen {
    /// Bytes the harness asked to write while the host lived.
    asked: usize,
    /// Bytes the socket took.
    written: usize,
    received: usize,
    /// Position of the first byte that was not the one sent there.
    wrong_at: Option<usize>,
    /// The reader saw the end, or an error.
    over: Option<Result<(), std::io::ErrorKind>>,
}

type Shared = Arc<Mutex<Seen>>;

/// The byte that `end` sends at this position.
fn byte_at(end: usize, position: usize) -> u8 {
    u8::try_from((position * 31 + position / 241 + end * 97) % 251).unwrap()
}

async fn writes(end: usize, mut half: OwnedWriteHalf, mut orders: UnboundedReceiver<usize>, seen: Shared) {
    while let Some(bytes) = orders.recv().await {
        let from = seen.lock().unwrap().written;
        let data: Vec<u8> = (from..from + bytes).map(|at| byte_at(end, at)).collect();
        let mut left = &data[..];
        while !left.is_empty() {
            let Ok(n) = half.write(left).await else { return };
            seen.lock().unwrap().written += n;
            left = &left[n..];
        }
    }
    let _over_already = half.shutdown().await;
}

async fn reads(peer: usize, mut half: OwnedReadHalf, mut orders: UnboundedReceiver<usize>, seen: Shared) {
    loop {
        // Without an order for a while; without an orderer for good.
        let bytes = orders.recv().await.unwrap_or(65_536);
        let mut buf = vec![0; bytes];
        let read = half.read(&mut buf).await;
        let mut seen = seen.lock().unwrap();
        match read {
            Ok(n @ 1..) => {
                let at = seen.received;
                let wrong = (0..n).find(|i| buf[*i] != byte_at(peer, at + i));
                seen.wrong_at = seen.wrong_at.or(wrong.map(|i| at + i));
                seen.received += n;
            }
            Ok(_) => return seen.over = Some(Ok(())),
            Err(error) => return seen.over = Some(Err(error.kind())),
        }
    }
}

/// One end of a connection as the harness holds it.
struct End {
    host: usize,
    writes: UnboundedSender<usize>,
    reads: UnboundedSender<usize>,
    seen: Shared,
}

fn live(world: World, host: usize, end: usize, stream: TcpStream) -> End {
    let (read, write) = stream.into_split();
    let ((writer, write_orders), (reader, read_orders)) = (unbounded_channel(), unbounded_channel());
    let seen = Shared::default();
    let id = world.host(HOSTS[host]).unwrap();
    world.spawn(id, writes(end, write, write_orders, Arc::clone(&seen))).unwrap();
    world.spawn(id, reads(end ^ 1, read, read_orders, Arc::clone(&seen))).unwrap();
    End { host, writes: writer, reads: reader, seen }
}

async fn open(world: World) -> Vec<End> {
    let mut ends = Vec::new();
    for (client, server) in CONNECTIONS {
        let (at_client, at_server) = (world.host(HOSTS[client]).unwrap(), world.host(HOSTS[server]).unwrap());
        let listener = world.spawn(at_server, TcpListener::bind("0.0.0.0:0")).unwrap().await.unwrap().unwrap();
        let ip = Ipv4Addr::new(10, 0, 0, u8::try_from(server + 1).unwrap());
        let to = (ip, listener.local_addr().unwrap().port());
        let stream = world.spawn(at_client, TcpStream::connect(to)).unwrap().await.unwrap().unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        ends.push(live(world, client, ends.len(), stream));
        ends.push(live(world, server, ends.len(), accepted));
    }
    ends
}

/// What a schedule did to the connections.
#[derive(Debug, Default)]
struct Damage {
    reset: BTreeSet<usize>,
    /// Hosts whose first process is gone.
    died: BTreeSet<usize>,
}

struct Outcome {
    seen: Vec<Seen>,
    damage: Damage,
}

fn apply(world: World, step: &Step, ends: &[End], weather: &mut Weather, damage: &mut Damage) {
    let name = |host: usize| HOSTS[host].to_owned();
    match *step {
        Step::Write { end, bytes } if !damage.died.contains(&ends[end].host) => {
            ends[end].seen.lock().unwrap().asked += bytes;
            let _writer_has_failed = ends[end].writes.send(bytes);
        }
        Step::Read { end, bytes } => {
            let _reader_is_over = ends[end].reads.send(bytes);
        }
        Step::Network(lay) => weather.apply(world, lay),
        Step::Reset { connection } => {
            let (from, to) = CONNECTIONS[connection];
            world.apply(&Fault::Reset { from: vec![name(from)], to: vec![name(to)] }).unwrap();
            damage.reset.insert(connection);
        }
        Step::Kill { host } => {
            world.apply(&Fault::Kill { host: name(host) }).unwrap();
            damage.died.insert(host);
        }
        Step::PowerLoss { host } => {
            world.apply(&Fault::PowerLoss { host: name(host) }).unwrap();
            damage.died.insert(host);
        }
        Step::Start { host } => {
            world.apply(&Fault::Start { host: name(host) }).unwrap();
        }
        Step::Write { .. } | Step::Pass { .. } => {}
    }
}

async fn play(world: World, schedule: Vec<Step>) -> Outcome {
    let ends = open(world).await;
    let (mut weather, mut damage) = (Weather::default(), Damage::default());
    for step in &schedule {
        apply(world, step, &ends, &mut weather, &mut damage);
        if let Step::Pass { ms } = step {
            sleep(Duration::from_millis(*ms)).await;
        }
    }
    weather.heal(world);
    // A last byte each, which asks a silent peer whether it lives; then the end of all orders.
    for end in 0..ends.len() {
        apply(world, &Step::Write { end, bytes: 1 }, &ends, &mut weather, &mut damage);
    }
    let seen: Vec<Shared> = ends.iter().map(|end| Arc::clone(&end.seen)).collect();
    drop(ends);
    sleep(DECIDED).await;
    Outcome { seen: seen.iter().map(|seen| seen.lock().unwrap().clone()).collect(), damage }
}

fn run_schedule(seed: u64, schedule: &[Step]) -> Finished<Outcome> {
    let schedule = schedule.to_vec();
    run_world(WorldConfig::new(seed), HOSTS.map(idle).into(), move |world| play(world, schedule))
}

fn check(finished: &Finished<Outcome>) -> Result<(), TestCaseError> {
    let Outcome { seen, damage } = &finished.result;
    for (at, end) in seen.iter().enumerate() {
        let (connection, peer) = (at / 2, &seen[at ^ 1]);
        let (client, server) = CONNECTIONS[connection];
        let host = if at % 2 == 0 { client } else { server };
        prop_assert_eq!(end.wrong_at, None, "end {} got bytes out of order", at);
        prop_assert!(end.received <= peer.written, "end {} got {} of {}", at, end.received, peer.written);
        let broken = damage.reset.contains(&connection) || [client, server].iter().any(|h| damage.died.contains(h));
        if !broken {
            prop_assert_eq!(peer.written, peer.asked, "the writer of end {} is stuck", at ^ 1);
            prop_assert_eq!(end.received, peer.asked, "bytes for end {} are missing", at);
            prop_assert_eq!(end.over, Some(Ok(())), "end {} of a whole connection", at);
        } else if !damage.died.contains(&host) {
            prop_assert!(end.over.is_some(), "end {} never learned that its connection is over: {:?}", at, end);
        }
    }
    prop_assert_eq!(finished.facts.sockets_after_death, 0);
    prop_assert_eq!(finished.facts.polls_after_death, 0);
    prop_assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    Ok(())
}

/// Moves that break no connection.
fn gentle() -> impl Strategy<Value = Step> {
    let end = || 0..2 * CONNECTIONS.len();
    // Now and then more than a window.
    let bytes = prop_oneof![4 => 1..5_000_usize, 1 => 100_000..700_000_usize];
    prop_oneof![
        5 => (end(), bytes.clone()).prop_map(|(end, bytes)| Step::Write { end, bytes }),
        3 => (end(), bytes).prop_map(|(end, bytes)| Step::Read { end, bytes }),
        5 => lay().prop_map(Step::Network),
        4 => (1..3_000_u64).prop_map(|ms| Step::Pass { ms }),
        // Shorter than a packet's way: faults meet what is under way.
        2 => Just(Step::Pass { ms: 1 }),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let host = || 0..HOSTS.len();
    prop_oneof![
        12 => gentle(),
        1 => (0..CONNECTIONS.len()).prop_map(|connection| Step::Reset { connection }),
        1 => host().prop_map(|host| Step::Kill { host }),
        1 => host().prop_map(|host| Step::PowerLoss { host }),
        2 => host().prop_map(|host| Step::Start { host }),
    ]
}

pub(crate) fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn every_byte_arrives_once_all_links_are_healed(seed: u64, schedule in prop::collection::vec(gentle(), 1..60)) {
        check(&run_schedule(seed, &schedule))?;
    }

    #[test]
    fn every_end_of_a_connection_is_seen_and_no_byte_is_out_of_order(
        seed: u64,
        schedule in prop::collection::vec(any_step(), 1..60),
    ) {
        check(&run_schedule(seed, &schedule))?;
    }
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn a_seed_repeats_to_the_digest(seed: u64, schedule in prop::collection::vec(any_step(), 1..60)) {
        let digest = || run_schedule(seed, &schedule).recording.digest;
        prop_assert_eq!(digest(), digest());
    }
}
