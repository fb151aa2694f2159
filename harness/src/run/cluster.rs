//! The hosts of a world: brokers, the metadata store, nodes.

use super::Prepared;
use super::observe::{Log, NodeObserver};
use crate::nemesis::Topology;
use crate::scenario::{Backend, Scenario};
use squall_cluster::config::{ConfigError, NodeConfig};
use squall_cluster::defects::Defect;
use squall_cluster::ids::NodeId;
use squall_cluster::node::Node;
use squall_sim::entropy::{Subsystem, derive};
use squall_sim::fault::{CommitPoint, Fault, StorePoint};
use squall_sim::servers::nats::{NatsServer, ServerConfig as NatsConfig};
use squall_sim::servers::postgres::{DeathPoint, Disk, PostgresServer, ServerConfig as StoreConfig};
use squall_sim::world::{Control, EffectCounter};
use squall_sim::{Boot, HostSpec, Program, World};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// The port of the simulated NATS servers.
const NATS_PORT: u16 = 4222;
/// The port of the simulated metadata store.
const STORE_PORT: u16 = 5432;

/// The configuration of a node when the scenario names none: the documented keys, a short ping interval.
const DEFAULT_CONFIG: &str = r#"
[cluster]
node-id = 1
coordinator = "nats"

[server]
hostname = "mx.example.org"

[store."nats"]
type = "nats"
address = ["nats-1:4222"]
ping-interval = "5s"

[store."postgres"]
type = "postgresql"
host = "store"
user = "squall"
database = "squall"
"#;

/// Why a scenario cannot be made ready.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum PrepareError {
    /// The node configuration does not load.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Config(#[from] ConfigError),
    /// A node id that the configuration could not take.
    #[error("node {0} has the id 0; ids are 1 to 65535")]
    NodeId(u16),
}

impl Prepared {
    /// Parses what every run of the scenario on this backend needs.
    ///
    /// # Errors
    /// When the node configuration is wrong.
    pub fn new(scenario: Scenario, backend: Backend, mut defects: Vec<Defect>) -> Result<Self, PrepareError> {
        let (name, text) = match &scenario.config {
            Some(config) => (config.path.as_str(), config.text.as_str()),
            None => ("the harness's node configuration", DEFAULT_CONFIG),
        };
        let template = NodeConfig::parse(name, text)?;
        let config_of = |index: u16| {
            let mut config = template.clone();
            let id = scenario.node_id(index);
            config.cluster.node_id = NodeId::new(id).ok_or(PrepareError::NodeId(index))?;
            Ok(config)
        };
        let configs = (1..=scenario.nodes).map(config_of).collect::<Result<_, PrepareError>>()?;
        let topology = Topology {
            nodes: (1..=scenario.nodes).map(|i| format!("node-{i}")).collect(),
            brokers: vec!["nats-1".to_owned()],
            store: "store".to_owned(),
        };
        defects.extend(scenario.defect);
        defects.dedup();
        Ok(Self { scenario, backend, defects, configs, topology })
    }
}

/// A node that runs, and which boot of it.
type RunningNode = (u32, Arc<Node>);

/// A node as the harness reaches it.
#[derive(Clone, Default)]
pub(crate) struct NodeSlot(Arc<Mutex<Option<RunningNode>>>);

impl NodeSlot {
    /// The node that runs, with its incarnation.
    pub(crate) fn get(&self) -> Option<RunningNode> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, node: Option<RunningNode>) {
        let old = std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), node);
        // A killed process runs no destructors.
        std::mem::forget(old);
    }
}

/// Everything the harness holds of a world's programs.
pub(super) struct Cluster {
    pub(super) nodes: Vec<NodeSlot>,
    pub(super) disk: Disk,
    pub(super) log: Log,
}

/// Milliseconds since the Unix epoch on the store's machine, whose clock is true.
fn store_clock_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn program<F>(program: impl Fn(Boot) -> F + Send + Sync + 'static) -> Program
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |boot| Box::pin(program(boot)))
}

/// The hosts in order (nodes, brokers, store) and what the harness holds of them.
///
/// # Errors
/// When SQLite gets no memory.
pub(super) fn hosts(prepared: &Prepared, seed: u64) -> std::io::Result<(Vec<HostSpec>, Cluster, ServerControl)> {
    let log = Log::default();
    let disk = Disk::new(store_clock_ms)?;
    let mut hosts = Vec::new();
    let mut nodes = Vec::new();
    for (index, config) in (1..).zip(&prepared.configs) {
        let slot = NodeSlot::default();
        hosts.push(HostSpec {
            name: prepared.topology.nodes[usize::from(index) - 1].clone(),
            program: node(index, config.clone(), slot.clone(), log.clone()),
            wall_offset_ns: prepared.scenario.skew_ns(index),
        });
        nodes.push(slot);
    }
    let brokers: Vec<(String, BrokerSlot)> =
        prepared.topology.brokers.iter().map(|name| (name.clone(), BrokerSlot::default())).collect();
    for (name, slot) in &brokers {
        let program = broker(derive(seed, Subsystem::Servers), slot.clone());
        hosts.push(HostSpec { name: name.clone(), program, wall_offset_ns: 0 });
    }
    let store = HostSpec { name: prepared.topology.store.clone(), program: store(disk.clone()), wall_offset_ns: 0 };
    hosts.push(store);
    let control = ServerControl { disk: disk.clone(), store: prepared.topology.store.clone(), brokers };
    Ok((hosts, Cluster { nodes, disk, log }, control))
}

fn node(index: u16, config: NodeConfig, slot: NodeSlot, log: Log) -> Program {
    program(move |boot| {
        let (config, slot, log) = (config.clone(), slot.clone(), log.clone());
        async move {
            slot.set(None);
            let observer = Arc::new(NodeObserver::new(index, boot.incarnation, log));
            match Node::start(config, observer).await {
                Ok(node) => {
                    slot.set(Some((boot.incarnation, node)));
                    std::future::pending().await
                }
                Err(error) => squall_sim::note(&"refused to start", || format!("refused to start: {error}")),
            }
        }
    })
}

type BrokerSlot = Arc<Mutex<Option<NatsServer>>>;

fn broker(seed: u64, slot: BrokerSlot) -> Program {
    program(move |boot| {
        let slot = Arc::clone(&slot);
        async move {
            let server = NatsServer::new(NatsConfig::default(), seed ^ u64::from(boot.incarnation));
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(server.clone());
            serve(NATS_PORT, |listener| async move { server.serve(listener).await }).await;
        }
    })
}

fn store(disk: Disk) -> Program {
    program(move |boot| {
        let disk = disk.clone();
        async move {
            let die = move || {
                World::current().kill(boot.host);
            };
            let config = StoreConfig { on_death: Arc::new(die), ..StoreConfig::default() };
            let server = PostgresServer::new(disk, config);
            serve(STORE_PORT, |listener| async move { server.serve(listener).await }).await;
        }
    })
}

/// Listens and serves; a server that cannot is one that exited.
async fn serve<F>(port: u16, serve: impl FnOnce(TcpListener) -> F)
where
    F: Future<Output = std::io::Result<()>>,
{
    let served = match TcpListener::bind(("0.0.0.0", port)).await {
        Ok(listener) => serve(listener).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        squall_sim::note(&"server ended", || format!("server ended: {error}"));
    }
}

/// Applies the faults that only the simulated servers can.
pub(super) struct ServerControl {
    disk: Disk,
    store: String,
    brokers: Vec<(String, BrokerSlot)>,
}

impl Control for ServerControl {
    fn apply(&self, fault: &Fault) -> Option<EffectCounter> {
        let faults = self.disk.faults();
        let before = faults.counters();
        match fault {
            Fault::StoreSlow { per_statement_ns } => {
                faults.set_service_time(Duration::from_nanos(*per_statement_ns));
                Some(Box::new(move || faults.counters().statements - before.statements))
            }
            Fault::StoreSerialization { count, at } => {
                match at {
                    StorePoint::Statement => faults.fail_statements(*count),
                    StorePoint::Commit => faults.fail_commits(*count),
                }
                Some(Box::new(move || faults.counters().injected() - before.injected()))
            }
            Fault::StoreDieAtCommit { point } => {
                faults.die_at_commit(match point {
                    CommitPoint::Before => DeathPoint::BeforeCommit,
                    CommitPoint::After => DeathPoint::AfterCommit,
                });
                Some(Box::new(move || faults.counters().injected() - before.injected()))
            }
            Fault::LameDuck { host } => {
                let (_, slot) = self.brokers.iter().find(|(name, _)| name == host)?;
                let server = slot.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
                let clients = server.stats().connections as u64;
                server.lame_duck();
                Some(Box::new(move || clients))
            }
            _ => None,
        }
    }

    fn disarm(&self, host: &str) {
        if host == self.store {
            self.disk.faults().spare();
        }
    }
}
