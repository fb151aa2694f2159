//! The whole configuration of one node.

use super::error::{ConfigError, Problem};
use super::reader::{Document, Findings, Table, nearest};
use super::store::{KafkaConfig, NatsConfig, PostgresConfig, RedisConfig, ZenohConfig};
use crate::ids::NodeId;
use ipnet::IpNet;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;
use toml::de::{DeTable, DeValue};

const NODE_IDS: std::ops::RangeInclusive<u64> = 1..=u16::MAX as u64;

/// The configuration of one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfig {
    /// `[cluster]`.
    pub cluster: ClusterConfig,
    /// `[server]`.
    pub server: ServerConfig,
    /// The metadata store; without one, blocks live in memory only.
    pub store: Option<PostgresConfig>,
    /// `[blocklist]`.
    pub blocklist: BlocklistConfig,
    /// What the file says was understood, but ought to be written differently; in the order of the file.
    pub warnings: Vec<Problem>,
}

/// `[cluster]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// This node's id.
    pub node_id: NodeId,
    /// How it talks to the others; without one it works alone.
    pub coordinator: Option<CoordinatorConfig>,
    /// Who does which maintenance.
    pub roles: RolesConfig,
}

/// The section that `cluster.coordinator` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorConfig {
    /// `type = "zenoh"`.
    Zenoh {
        /// The section's name.
        name: String,
        /// Its content.
        zenoh: ZenohConfig,
    },
    /// `type = "nats"`.
    Nats {
        /// The section's name.
        name: String,
        /// Its content.
        nats: NatsConfig,
    },
    /// `type = "kafka"`.
    Kafka {
        /// The section's name.
        name: String,
        /// Its content.
        kafka: KafkaConfig,
    },
    /// `type = "redis"`.
    Redis {
        /// The section's name.
        name: String,
        /// Its content.
        redis: RedisConfig,
    },
}

impl CoordinatorConfig {
    /// The section's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Zenoh { name, .. }
            | Self::Nats { name, .. }
            | Self::Kafka { name, .. }
            | Self::Redis { name, .. } => name,
        }
    }

    /// The value of its `type`, which is also the feature that builds it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Zenoh { .. } => "zenoh",
            Self::Nats { .. } => "nats",
            Self::Kafka { .. } => "kafka",
            Self::Redis { .. } => "redis",
        }
    }
}

/// `[cluster.roles]`: the nodes that may do each maintenance task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolesConfig {
    /// `purge.stores`: deletes expired data.
    pub purge_stores: BTreeSet<NodeId>,
    /// `purge.accounts`: deletes old mail and changelogs.
    pub purge_accounts: BTreeSet<NodeId>,
    /// `acme.renew`: renews certificates.
    pub acme_renew: BTreeSet<NodeId>,
    /// `metrics.calculate`: computes statistics.
    pub metrics_calculate: BTreeSet<NodeId>,
    /// `metrics.push`: sends them away.
    pub metrics_push: BTreeSet<NodeId>,
}

/// `[server]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerConfig {
    /// The public name, the same on all nodes behind one load balancer.
    pub hostname: Option<String>,
}

/// `[blocklist]`.
///
/// | key | default | |
/// |---|---|---|
/// | `allowed-ips` | `[]` | addresses and networks that are never blocked |
/// | `anti-entropy-interval` | `30s` | the longest time between digests |
/// | `tombstone-retention` | `24h` | how long unblocked and expired entries are remembered; longer than any partition |
/// | `broadcast-grace` | `50ms` | how long a broadcast waits for the store |
/// | `resync-jitter` | `200ms` | nodes that lost messages together read the store within this time |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlocklistConfig {
    /// Never blocked.
    pub allowed_ips: Vec<IpNet>,
    /// The longest time between digests.
    pub anti_entropy_interval: Duration,
    /// How long unblocked and expired entries are remembered.
    pub tombstone_retention: Duration,
    /// How long a broadcast waits for the store.
    pub broadcast_grace: Duration,
    /// Resyncs are spread over this time.
    pub resync_jitter: Duration,
}

impl Default for BlocklistConfig {
    fn default() -> Self {
        Self {
            allowed_ips: Vec::new(),
            anti_entropy_interval: Duration::from_secs(30),
            tombstone_retention: Duration::from_secs(86_400),
            broadcast_grace: Duration::from_millis(50),
            resync_jitter: Duration::from_millis(200),
        }
    }
}

impl NodeConfig {
    /// Reads a configuration file's text; `name` is the file's name in errors.
    ///
    /// # Errors
    /// Names every unknown key, wrong type, value out of range and dangling reference, with line and column.
    pub fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let parsed = DeTable::parse(text).map_err(|error| {
            let span = error.span().unwrap_or(0..0);
            let message = error.message().to_lowercase().replace('\n', ", ");
            ConfigError::new(name, text, vec![Problem::new(text, span, message, None)])
        })?;
        let document = Document::new(text);
        let config = read(&Table::top(&document, parsed.get_ref()));
        let Findings { problems, mut warnings } = document.into_findings();
        if !problems.is_empty() {
            return Err(ConfigError::new(name, text, problems));
        }
        warnings.sort_by_key(|warning| warning.span.start);
        Ok(NodeConfig { warnings, ..config })
    }
}

fn read(top: &Table<'_, '_>) -> NodeConfig {
    let stores = stores(&top.table("store"));
    let server = top.table("server");
    let config = NodeConfig {
        cluster: cluster(&top.table("cluster"), &stores),
        server: ServerConfig { hostname: server.string("hostname") },
        store: metadata_store(top, &stores),
        blocklist: blocklist(&top.table("blocklist")),
        warnings: Vec::new(),
    };
    server.finish();
    top.finish();
    config
}

enum StoreSection {
    Zenoh(ZenohConfig),
    Nats(NatsConfig),
    Kafka(KafkaConfig),
    Redis(RedisConfig),
    Postgres(PostgresConfig),
    /// Of an unknown type, which has been complained about.
    Unknown,
}

fn stores<'d>(table: &Table<'d, '_>) -> BTreeMap<&'d str, StoreSection> {
    const TYPES: [&str; 5] = ["zenoh", "nats", "kafka", "redis", "postgresql"];
    let mut stores = BTreeMap::new();
    for (name, table) in table.tables() {
        let section = match table.required("type").as_str() {
            "zenoh" => StoreSection::Zenoh(ZenohConfig::read(&table)),
            "nats" => StoreSection::Nats(NatsConfig::read(&table)),
            "kafka" => StoreSection::Kafka(KafkaConfig::read(&table)),
            "redis" => StoreSection::Redis(RedisConfig::read(&table)),
            "postgresql" => StoreSection::Postgres(PostgresConfig::read(&table)),
            "" => StoreSection::Unknown,
            other => {
                let help = nearest(other, TYPES).unwrap_or_else(|| format!("expected one of: {}", TYPES.join(", ")));
                table.refuse("type", &format!("is not known: {other:?}"), &help);
                StoreSection::Unknown
            }
        };
        // Of an unknown type no key can be judged.
        if !matches!(section, StoreSection::Unknown) {
            table.finish();
        }
        stores.insert(name, section);
    }
    stores
}

fn cluster(table: &Table<'_, '_>, stores: &BTreeMap<&str, StoreSection>) -> ClusterConfig {
    let config = ClusterConfig {
        node_id: table.integer("node-id", NODE_IDS).and_then(node_id).unwrap_or(NodeId::FIRST),
        coordinator: coordinator(table, stores),
        roles: roles(&table.table("roles")),
    };
    table.finish();
    config
}

fn node_id(number: u64) -> Option<NodeId> {
    NodeId::new(u16::try_from(number).ok()?)
}

fn coordinator(table: &Table<'_, '_>, stores: &BTreeMap<&str, StoreSection>) -> Option<CoordinatorConfig> {
    let name = table.string("coordinator")?;
    match stores.get(name.as_str()) {
        Some(StoreSection::Zenoh(zenoh)) => Some(CoordinatorConfig::Zenoh { name, zenoh: zenoh.clone() }),
        Some(StoreSection::Nats(nats)) => Some(CoordinatorConfig::Nats { name, nats: nats.clone() }),
        Some(StoreSection::Kafka(kafka)) => Some(CoordinatorConfig::Kafka { name, kafka: kafka.clone() }),
        Some(StoreSection::Redis(redis)) => Some(CoordinatorConfig::Redis { name, redis: redis.clone() }),
        Some(StoreSection::Postgres(_)) => {
            table.refuse(
                "coordinator",
                &format!("{name:?} is a PostgreSQL store, which cannot coordinate"),
                "name a store of type \"zenoh\", \"nats\", \"kafka\" or \"redis\"",
            );
            None
        }
        Some(StoreSection::Unknown) => None,
        None => {
            let help = nearest(&name, stores.keys().copied())
                .unwrap_or_else(|| format!("define [store.{name:?}], or name a store that exists"));
            table.refuse("coordinator", &format!("{name:?} is not defined"), &help);
            None
        }
    }
}

fn metadata_store(top: &Table<'_, '_>, stores: &BTreeMap<&str, StoreSection>) -> Option<PostgresConfig> {
    let databases = || {
        stores.iter().filter_map(|(name, section)| match section {
            StoreSection::Postgres(postgres) => Some((*name, postgres)),
            _ => None,
        })
    };
    let storage = top.table("storage");
    let wanted = storage.string("data");
    storage.finish();
    if let Some(wanted) = wanted {
        let found = databases().find(|(name, _)| *name == wanted);
        if found.is_none() {
            let help = nearest(&wanted, databases().map(|(name, _)| name))
                .unwrap_or_else(|| "name a store of type \"postgresql\"".into());
            storage.refuse("data", &format!("{wanted:?} is not a PostgreSQL store of this file"), &help);
        }
        return found.map(|(_, postgres)| postgres.clone());
    }
    if databases().count() > 1 {
        let names: Vec<_> = databases().map(|(name, _)| name).collect();
        storage.document.problem(
            storage.span.clone(),
            "there are several PostgreSQL stores",
            Some(format!("say which holds the metadata: [storage] data = one of {}", names.join(", "))),
        );
    }
    databases().next().map(|(_, postgres)| postgres.clone())
}

fn roles(table: &Table<'_, '_>) -> RolesConfig {
    let (purge, acme, metrics) = (table.table("purge"), table.table("acme"), table.table("metrics"));
    let nodes = |table: &Table<'_, '_>, key| {
        let ids = table.integers(key, NODE_IDS);
        ids.into_iter().filter_map(node_id).collect()
    };
    let roles = RolesConfig {
        purge_stores: nodes(&purge, "stores"),
        purge_accounts: nodes(&purge, "accounts"),
        acme_renew: nodes(&acme, "renew"),
        metrics_calculate: nodes(&metrics, "calculate"),
        metrics_push: nodes(&metrics, "push"),
    };
    for table in [&purge, &acme, &metrics, table] {
        table.finish();
    }
    roles
}

fn blocklist(table: &Table<'_, '_>) -> BlocklistConfig {
    let default = BlocklistConfig::default();
    let config = BlocklistConfig {
        allowed_ips: table.items(
            "allowed-ips",
            "addresses or networks such as \"192.0.2.1\" or \"2001:db8::/32\"",
            network,
        ),
        anti_entropy_interval: table.positive("anti-entropy-interval", default.anti_entropy_interval),
        tombstone_retention: table.positive("tombstone-retention", default.tombstone_retention),
        broadcast_grace: table.duration("broadcast-grace", default.broadcast_grace),
        resync_jitter: table.duration("resync-jitter", default.resync_jitter),
    };
    table.finish();
    config
}

fn network(value: &DeValue<'_>) -> Option<IpNet> {
    let text = value.as_str()?;
    let net = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    net.ok().map(|net| net.trunc())
}
