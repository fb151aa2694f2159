//! A world with a Redis server and a client's host, and patience.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{AsyncCommands, Client, PushInfo, PushKind, Value};
use squall_sim::fault::Fault;
use squall_sim::servers::redis::{RedisDisk, RedisServer, ServerConfig, ServerStats};
use squall_sim::world::Finished;
use squall_sim::{HostSpec, Program, World, WorldConfig, run};
use tokio::net::TcpListener;
use tokio::sync::mpsc::UnboundedReceiver;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Long enough for what must not arrive to have arrived.
pub(crate) const QUIET: Duration = Duration::from_secs(1);
pub(crate) const ADDRESS: &str = "redis://server:6379";
pub(crate) const ADDRESS_RESP3: &str = "redis://server:6379/?protocol=resp3";

pub(crate) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The server of a world, whichever of its lives is the present one.
#[derive(Clone)]
pub(crate) struct Lives {
    pub(crate) world: World,
    servers: Arc<Mutex<Vec<RedisServer>>>,
}

impl Lives {
    /// The server that started last.
    pub(crate) fn server(&self) -> RedisServer {
        self.servers.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn stats(&self) -> ServerStats {
        self.server().stats()
    }

    pub(crate) fn kill(&self) {
        self.world.apply(&Fault::Kill { host: "server".into() }).unwrap();
    }

    pub(crate) fn start(&self) {
        self.world.apply(&Fault::Start { host: "server".into() }).unwrap();
    }
}

/// Whether what a server knew is there after its death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Data {
    Survives,
    Lost,
}

/// Runs `work` on a host beside a server.
pub(crate) fn with_server<F, T>(config: ServerConfig, data: Data, work: impl FnOnce(Lives) -> F + Send) -> Finished<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let servers: Arc<Mutex<Vec<RedisServer>>> = Arc::default();
    let disk = RedisDisk::default();
    let kept = Arc::clone(&servers);
    let program: Program = Arc::new(move |_| {
        let server = match data {
            Data::Survives => RedisServer::with_disk(config.clone(), 7, disk.clone()),
            Data::Lost => RedisServer::new(config.clone(), 7),
        };
        kept.lock().unwrap().push(server.clone());
        Box::pin(async move {
            let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 6379))).await.unwrap();
            server.serve(listener).await.unwrap();
        })
    });
    let idle: Program = Arc::new(|_| -> Work { Box::pin(std::future::pending()) });
    let hosts = vec![
        HostSpec { name: "server".into(), wall_offset_ns: 0, program },
        HostSpec { name: "client".into(), wall_offset_ns: 0, program: idle },
    ];
    run(WorldConfig::new(1), hosts, |world| async move {
        let lives = Lives { world, servers };
        // The server listens once its host has had a turn.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let host = lives.world.host("client").unwrap();
        let world = lives.world;
        world.spawn(host, work(lives)).expect("the host is up").await.expect("the work ends")
    })
}

/// The same with a server that has nothing special.
pub(crate) fn beside_server<F, T>(work: impl FnOnce(Lives) -> F + Send) -> T
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    with_server(ServerConfig::default(), Data::Lost, work).result
}

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("too late: {what}"),
    }
}

pub(crate) async fn connect(address: &str) -> MultiplexedConnection {
    let client = Client::open(address).unwrap();
    soon("connection", client.get_multiplexed_async_connection()).await.unwrap()
}

/// A manager that comes back by itself, and everything it was pushed.
pub(crate) async fn manager(client: Client) -> (ConnectionManager, UnboundedReceiver<PushInfo>) {
    let (sender, pushes) = tokio::sync::mpsc::unbounded_channel();
    let config = ConnectionManagerConfig::new()
        .set_push_sender(sender)
        .set_automatic_resubscription()
        .set_min_delay(Duration::from_millis(100))
        .set_max_delay(Duration::from_millis(500))
        .set_number_of_retries(100);
    let manager = soon("manager", ConnectionManager::new_with_config(client, config)).await.unwrap();
    (manager, pushes)
}

/// The next push of this kind.
pub(crate) async fn push(pushes: &mut UnboundedReceiver<PushInfo>, kind: PushKind) -> Vec<Value> {
    loop {
        let push = soon(&format!("{kind}"), pushes.recv()).await.expect("pushes go on");
        if push.kind == kind {
            return push.data;
        }
    }
}

/// Publishes until somebody hears it.
pub(crate) async fn publish_to_somebody(connection: &mut MultiplexedConnection, channel: &str, text: &str) {
    soon("a subscriber", async {
        while connection.publish::<_, _, u64>(channel, text).await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
}

pub(crate) fn text(value: &str) -> Value {
    Value::BulkString(value.as_bytes().to_vec())
}
