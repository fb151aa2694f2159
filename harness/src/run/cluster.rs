//! The hosts of a world: brokers, the metadata store, nodes.

use super::brokers::{self, Farewell, program};
use super::observe::{Log, NodeObserver};
use super::{Measuring, Prepared};
use crate::nemesis::Topology;
use crate::scenario::{Backend, Scenario};
use squall_cluster::config::{ConfigError, CoordinatorConfig, NodeConfig};
use squall_cluster::defects::Defect;
use squall_cluster::ids::NodeId;
use squall_cluster::node::Node;
use squall_sim::entropy::{Subsystem, derive};
use squall_sim::fault::{CommitPoint, Fault, StorePoint};
use squall_sim::servers::postgres::{DeathPoint, Disk, PostgresServer, ServerConfig as StoreConfig};
use squall_sim::world::{Control, EffectCounter};
use squall_sim::{HostSpec, Program, World};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The port of the simulated metadata store.
const STORE_PORT: u16 = 5432;

/// The rest of a node's configuration when the scenario names none, and its metadata store when that names none.
const COMMON: &str = r#"
[server]
hostname = "mx.example.org"

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
    /// A configuration that is for another backend.
    #[error("{path} coordinates through {found}, so it does not run on {backend}")]
    #[diagnostic(help(
        "name a configuration for each backend, config = {{ {backend} = \"…\" }}, or restrict `backends`"
    ))]
    OtherBackend {
        /// The file.
        path: String,
        /// What it coordinates through.
        found: &'static str,
        /// What it was to run on.
        backend: Backend,
    },
}

impl Prepared {
    /// Parses what every run of the scenario on this backend needs.
    ///
    /// # Errors
    /// When the node configuration is wrong.
    pub fn new(scenario: Scenario, backend: Backend, mut defects: Vec<Defect>) -> Result<Self, PrepareError> {
        let brokers = brokers::names(backend, scenario.brokers);
        let template = template(&scenario, backend, &brokers)?;
        let config_of = |index: u16| {
            let mut config = template.clone();
            let id = scenario.node_id(index);
            config.cluster.node_id = NodeId::new(id).ok_or(PrepareError::NodeId(index))?;
            Ok(config)
        };
        let configs = (1..=scenario.nodes).map(config_of).collect::<Result<_, PrepareError>>()?;
        let topology = Topology {
            nodes: (1..=scenario.nodes).map(|i| format!("node-{i}")).collect(),
            brokers,
            store: "store".to_owned(),
        };
        defects.extend(scenario.defect);
        defects.dedup();
        Ok(Self { scenario, backend, defects, configs, topology, measuring: Measuring::default() })
    }
}

/// The configuration of all nodes, but for their ids.
fn template(scenario: &Scenario, backend: Backend, brokers: &[String]) -> Result<NodeConfig, PrepareError> {
    let section = brokers::section(backend, brokers);
    let own = NodeConfig::parse("the harness's node configuration", &format!("{section}{COMMON}"))?;
    let Some(config) = scenario.configs.of(backend) else { return Ok(own) };
    let mut template = NodeConfig::parse(&config.path, &config.text)?;
    let found = template.cluster.coordinator.as_ref().map_or("nothing", CoordinatorConfig::kind);
    if found != backend.name() {
        return Err(PrepareError::OtherBackend { path: config.path.clone(), found, backend });
    }
    template.store = template.store.or(own.store);
    Ok(template)
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

/// Milliseconds since the Unix epoch on the machine that asks; those of servers have true clocks.
pub(super) fn wall_clock_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The hosts in order (nodes, brokers, store) and what the harness holds of them.
///
/// # Errors
/// When SQLite gets no memory.
pub(super) fn hosts(prepared: &Prepared, seed: u64) -> std::io::Result<(Vec<HostSpec>, Cluster, ServerControl)> {
    let log = Log::of(prepared);
    let disk = Disk::new(wall_clock_ms)?;
    let mut hosts = Vec::new();
    let mut nodes = Vec::new();
    let servers_seed = derive(seed, Subsystem::Servers);
    let authority = brokers::authority(&prepared.configs[0], servers_seed);
    for (index, config) in (1..).zip(&prepared.configs) {
        let mut config = config.clone();
        if let Some(authority) = &authority {
            brokers::trust(&mut config, authority);
        }
        let slot = NodeSlot::default();
        hosts.push(HostSpec {
            name: prepared.topology.nodes[usize::from(index) - 1].clone(),
            program: node(index, config, slot.clone(), log.clone()),
            wall_offset_ns: prepared.scenario.skew_ns(index),
        });
        nodes.push(slot);
    }
    let mut farewells = BTreeMap::new();
    let names = &prepared.topology.brokers;
    for broker in brokers::brokers(&prepared.configs[0], names, servers_seed, authority.as_ref()) {
        hosts.push(HostSpec { name: broker.name.clone(), program: broker.program, wall_offset_ns: 0 });
        farewells.insert(broker.name, broker.farewell);
    }
    let store = HostSpec { name: prepared.topology.store.clone(), program: store(disk.clone()), wall_offset_ns: 0 };
    hosts.push(store);
    let control = ServerControl { disk: disk.clone(), store: prepared.topology.store.clone(), farewells };
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

fn store(disk: Disk) -> Program {
    program(move |boot| {
        let disk = disk.clone();
        async move {
            let die = move || {
                World::current().kill(boot.host);
            };
            let config = StoreConfig { on_death: Arc::new(die), ..StoreConfig::default() };
            let server = PostgresServer::new(disk, config);
            brokers::serve(STORE_PORT, |listener| async move { server.serve(listener).await }).await;
        }
    })
}

/// Applies the faults that only the simulated servers can.
pub(super) struct ServerControl {
    disk: Disk,
    store: String,
    farewells: BTreeMap<String, Farewell>,
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
                let clients = self.farewells.get(host)?()?;
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
