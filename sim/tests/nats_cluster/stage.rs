//! Three servers of one cluster and a host of clients in a world.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, Subscriber};
use futures_util::StreamExt;
use squall_sim::fault::Fault;
use squall_sim::servers::nats::{ClusterConfig, NatsServer, ServerConfig, Timing, TlsMode};
use squall_sim::servers::tls::Authority;
use squall_sim::world::Finished;
use squall_sim::{HostSpec, Program, World, WorldConfig, run};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

pub(crate) const SERVERS: [&str; 3] = ["nats-1", "nats-2", "nats-3"];
/// Long enough for routes to come about or to come back: a lost one is opened again within 1.1 s, and two
/// servers that dropped each other's connection need a second attempt.
pub(crate) const MEET: Duration = Duration::from_secs(5);

/// The running servers by host; a killed one stays until its host boots again.
type Servers = Arc<Mutex<Vec<Option<NatsServer>>>>;

/// How the servers of a test are set up.
#[derive(Clone)]
pub(crate) struct Setup {
    /// What each server is told of the others.
    pub(crate) routes: [&'static [&'static str]; 3],
    pub(crate) tls: Option<u64>,
    pub(crate) timing: Timing,
}

impl Default for Setup {
    fn default() -> Self {
        let all: &[&str] = &["nats-1:6222", "nats-2:6222", "nats-3:6222"];
        Self { routes: [all; 3], tls: None, timing: Timing::default() }
    }
}

fn server(index: usize, setup: Setup, servers: Servers) -> HostSpec {
    let program: Program = Arc::new(move |boot| {
        let (setup, servers) = (setup.clone(), Arc::clone(&servers));
        Box::pin(async move {
            let name = SERVERS[index];
            let mut cluster = ClusterConfig::new("squall", setup.routes[index].iter().copied());
            cluster.advertise = Some(format!("{name}:6222"));
            let config = ServerConfig {
                server_name: Some(name.to_owned()),
                connect_urls: vec![format!("{name}:4222")],
                tls: setup.tls.map(|seed| TlsMode::Required(Authority::from_seed(seed).issue(&[name]))),
                cluster: Some(cluster),
                timing: setup.timing.clone(),
                ..ServerConfig::default()
            };
            let server = NatsServer::new(config, 100 * index as u64 + u64::from(boot.incarnation));
            servers.lock().unwrap()[index] = Some(server.clone());
            let clients = TcpListener::bind("0.0.0.0:4222").await.unwrap();
            let routes = TcpListener::bind("0.0.0.0:6222").await.unwrap();
            let (served, routed) = tokio::join!(server.serve(clients), server.serve_routes(routes));
            served.and(routed).unwrap();
        })
    });
    HostSpec { name: SERVERS[index].into(), program, wall_offset_ns: 0 }
}

/// The world as a test sees it.
#[derive(Clone)]
pub(crate) struct Stage {
    world: Arc<World>,
    servers: Servers,
}

impl Stage {
    /// Runs this on the host of the clients.
    pub(crate) async fn play<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let host = self.world.host("client").unwrap();
        self.world.spawn(host, work).expect("the host is up").await.expect("the host lives")
    }

    pub(crate) fn server(&self, name: &str) -> NatsServer {
        let index = SERVERS.iter().position(|server| *server == name).unwrap();
        self.servers.lock().unwrap()[index].clone().unwrap()
    }

    pub(crate) fn routes(&self) -> Vec<usize> {
        SERVERS.iter().map(|name| self.server(name).stats().routes).collect()
    }

    pub(crate) fn apply(&self, fault: &Fault) {
        self.world.apply(fault).unwrap();
    }

    pub(crate) fn kill(&self, host: &str) {
        self.apply(&Fault::Kill { host: host.into() });
    }

    /// Cuts one server off from the other two, but not from the clients.
    pub(crate) fn isolate(&self, name: &str) -> impl Fn() {
        let others = || SERVERS.iter().filter(|other| **other != name).map(|other| (*other).to_owned()).collect();
        let (own, others): (Vec<String>, Vec<String>) = (vec![name.to_owned()], others());
        let pairs = [(own.clone(), others.clone()), (others, own)];
        for (from, to) in pairs.clone() {
            self.apply(&Fault::Cut { from, to });
        }
        let stage = self.clone();
        move || pairs.iter().cloned().for_each(|(from, to)| stage.apply(&Fault::Mend { from, to }))
    }
}

pub(crate) fn staged<F, T: Send>(seed: u64, setup: &Setup, work: impl FnOnce(Stage) -> F + Send) -> Finished<T>
where
    F: Future<Output = T>,
{
    let servers: Servers = Arc::new(Mutex::new(vec![None; SERVERS.len()]));
    let idle: Program = Arc::new(|_| Box::pin(std::future::pending()));
    let mut hosts: Vec<HostSpec> = (0..3).map(|index| server(index, setup.clone(), Arc::clone(&servers))).collect();
    hosts.push(HostSpec { name: "client".into(), program: idle, wall_offset_ns: 0 });
    let finished = run(WorldConfig::new(seed), hosts, move |world| async move {
        let stage = Stage { world: Arc::new(world), servers };
        sleep(MEET).await;
        work(stage).await
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    finished
}

pub(crate) async fn connect(name: &str) -> Client {
    ConnectOptions::new().ignore_discovered_servers().connect(format!("{name}:4222")).await.unwrap()
}

/// Subscribes, and waits until all servers must know.
pub(crate) async fn listen(client: &Client, subject: &'static str) -> Subscriber {
    let subscriber = client.subscribe(subject).await.unwrap();
    client.flush().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    subscriber
}

pub(crate) async fn tell(client: &Client, subject: &'static str, text: &str) {
    client.publish(subject, text.to_owned().into()).await.unwrap();
    client.flush().await.unwrap();
}

/// Everything that comes until nothing has come for a second.
pub(crate) async fn heard(subscriber: &mut Subscriber) -> Vec<String> {
    let mut texts = Vec::new();
    while let Ok(Some(message)) = timeout(Duration::from_secs(1), subscriber.next()).await {
        texts.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    texts
}

pub(crate) fn with_events(options: ConnectOptions) -> (ConnectOptions, mpsc::UnboundedReceiver<Event>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let options = options.event_callback(move |event| {
        let _ = sender.send(event);
        async {}
    });
    (options, receiver)
}

pub(crate) async fn event(events: &mut mpsc::UnboundedReceiver<Event>, wanted: &str) {
    let seen = timeout(Duration::from_secs(60), async {
        while events.recv().await.expect("events go on").to_string() != wanted {}
    });
    seen.await.unwrap_or_else(|_| panic!("no such event: {wanted}"));
}

pub(crate) fn trusting(seed: u64) -> ConnectOptions {
    let provider = Arc::new(async_nats::rustls::crypto::ring::default_provider());
    let config = async_nats::rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(Authority::from_seed(seed).trust())
        .with_no_client_auth();
    ConnectOptions::new().tls_client_config(config)
}
