//! Where a script plays: real loopback sockets, or the hosts of a world.

use crate::SCRIPTS;
use squall_sim::world::Finished;
use squall_sim::{HostId, HostSpec, Program, World, WorldConfig, run};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// A program against `tokio::net`, and what it saw.
pub(crate) type Script = fn(Stage) -> Pin<Box<dyn Future<Output = ()>>>;

/// Enough for anything under way on a healthy network to arrive and be answered.
const SETTLE: Duration = Duration::from_millis(40);
/// A script that takes longer hangs.
const STUCK: Duration = Duration::from_secs(20);
/// Worlds differ in their latencies: each script has to see the same in all of them.
const SEEDS: std::ops::Range<u64> = 1..6;

#[derive(Clone, Copy)]
enum Place {
    Loopback,
    Hosts { server: HostId, client: HostId },
}

/// Two machines, which may be one, and the transcript.
#[derive(Clone)]
pub(crate) struct Stage {
    place: Place,
    /// Where the server's sockets are.
    pub(crate) server_ip: IpAddr,
    /// Where the client's are.
    pub(crate) client_ip: IpAddr,
    transcript: Arc<Mutex<Vec<String>>>,
}

impl Stage {
    fn new(place: Place, server_ip: Ipv4Addr, client_ip: Ipv4Addr) -> Self {
        Self { place, server_ip: server_ip.into(), client_ip: client_ip.into(), transcript: Arc::default() }
    }

    /// Notes a value that the script saw.
    pub(crate) fn saw(&self, what: &str, value: impl Debug) {
        self.transcript.lock().unwrap().push(format!("{what}: {value:?}"));
    }

    /// Notes the result of an operation: its value, or its kind of error.
    pub(crate) fn did<T: Debug>(&self, what: &str, result: io::Result<T>) {
        self.saw(what, result.map_err(|error| error.kind()));
    }

    /// Notes whether `work` is done soon, or waits.
    pub(crate) async fn waits<T>(&self, what: &str, work: impl Future<Output = T>) {
        let waits = timeout(SETTLE, work).await.is_err();
        self.saw(what, if waits { "waits" } else { "is done" });
    }

    /// Lets everything under way arrive and be answered.
    pub(crate) async fn settle(&self) {
        sleep(SETTLE).await;
    }

    pub(crate) fn spawn_on_server<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match self.place {
            Place::Loopback => tokio::spawn(work),
            Place::Hosts { server, .. } => World::current().spawn(server, work).expect("no script kills a host"),
        }
    }

    pub(crate) fn spawn_on_client<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        match self.place {
            Place::Loopback => tokio::spawn(work),
            Place::Hosts { client, .. } => World::current().spawn(client, work).expect("no script kills a host"),
        }
    }

    /// Sockets belong to the host that makes them, whoever uses them afterwards.
    pub(crate) async fn on_server<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.spawn_on_server(work).await.unwrap()
    }

    pub(crate) async fn on_client<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.spawn_on_client(work).await.unwrap()
    }

    /// A listener of the server, with its address.
    pub(crate) async fn listen(&self) -> (TcpListener, SocketAddr) {
        let listener = self.on_server(TcpListener::bind((self.server_ip, 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    pub(crate) async fn connect(&self, to: SocketAddr) -> io::Result<TcpStream> {
        self.on_client(TcpStream::connect(to)).await
    }

    /// The client's and the server's end of a connection.
    pub(crate) async fn pair(&self) -> (TcpStream, TcpStream) {
        let (listener, address) = self.listen().await;
        let client = self.connect(address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        (client, server)
    }

    /// Plays the script to its end; returns what it saw.
    async fn play(self, script: Script) -> Vec<String> {
        let stuck = timeout(STUCK, script(self.clone())).await.is_err();
        let mut transcript = std::mem::take(&mut *self.transcript.lock().unwrap());
        if stuck {
            transcript.push("stuck".to_owned());
        }
        transcript
    }
}

/// What each script saw on the sockets of this machine's kernel. A process that has held one world refuses real sockets
/// for good, so all of them play before the first world.
static REAL: LazyLock<BTreeMap<&'static str, Vec<String>>> = LazyLock::new(|| {
    let lanes = SCRIPTS.chunks(SCRIPTS.len().div_ceil(LANES));
    let play = |lane: &[(&'static str, Script)]| -> Vec<_> {
        lane.iter().map(|(name, script)| (*name, on_real_sockets(*script))).collect()
    };
    std::thread::scope(|scope| {
        let lanes: Vec<_> = lanes.map(|lane| scope.spawn(move || play(lane))).collect();
        lanes.into_iter().flat_map(|lane| lane.join().unwrap_or_default()).collect()
    })
});
/// Scripts that play on real sockets at a time; they sleep most of it.
const LANES: usize = 6;

fn on_real_sockets(script: Script) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stage = Stage::new(Place::Loopback, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
    runtime.block_on(stage.play(script))
}

/// A host that runs nothing of its own.
pub(crate) fn idle(name: &str) -> HostSpec {
    let program: Program = Arc::new(|_| Box::pin(std::future::pending()));
    HostSpec { name: name.into(), program, wall_offset_ns: 0 }
}

/// Runs a world, once nothing needs real sockets any more.
pub(crate) fn run_world<R: Send, F: Future<Output = R>>(
    config: WorldConfig,
    hosts: Vec<HostSpec>,
    main: impl FnOnce(World) -> F + Send,
) -> Finished<R> {
    LazyLock::force(&REAL);
    run(config, hosts, main)
}

/// In a world, on one host over loopback or between two.
fn in_a_world(script: Script, seed: u64, client_name: &'static str) -> Vec<String> {
    let finished = run_world(WorldConfig::new(seed), vec![idle("server"), idle("client")], move |world| {
        let server = world.host("server").unwrap();
        let client = world.host(client_name).unwrap();
        let (server_ip, client_ip) = match client_name {
            "client" => (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)),
            _ => (Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST),
        };
        Stage::new(Place::Hosts { server, client }, server_ip, client_ip).play(script)
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    finished.result
}

/// Plays a script on real and on simulated sockets and compares what it saw.
///
/// # Panics
/// If the transcripts differ, or the script hangs.
pub(crate) fn compare(name: &str, script: Script) {
    let real = REAL.get(name).expect("a script whose real play panicked has no transcript; its message is above");
    assert!(real.last().is_some_and(|last| last != "stuck"), "the script hangs, or sees nothing: {real:#?}");
    for seed in SEEDS {
        assert_eq!(in_a_world(script, seed, "server"), *real, "one host, seed {seed}; right: Linux");
        assert_eq!(in_a_world(script, seed, "client"), *real, "two hosts, seed {seed}; right: Linux");
    }
}
