//! The configuration file: the documents' TOML, typed, with every documented default, and strict.
//!
//! | key | default |
//! |---|---|
//! | `cluster.node-id` | 1; 1..=65535, unique in the cluster |
//! | `cluster.coordinator` | none: the node works alone |
//! | `cluster.roles.{purge.stores, purge.accounts, acme.renew, metrics.calculate, metrics.push}` | no nodes; lists of node ids |
//! | `server.hostname` | none |
//! | `storage.data` | the only `postgresql` store, if there is one: where the metadata lives |
//! | `store."NAME".type` | required: `zenoh`, `nats`, `kafka`, `redis` or `postgresql` |
//! | `store."NAME".*` | see [`ZenohConfig`], [`NatsConfig`], [`KafkaConfig`], [`RedisConfig`] and [`PostgresConfig`] |
//! | `blocklist.*` | see [`BlocklistConfig`] |
//!
//! Durations are a number and a unit: `500ms`, `60s`, `10m`, `1h`, `1d`.

mod duration;
mod error;
mod node;
mod reader;
mod store;

pub use error::{ConfigError, Problem};
pub use node::{BlocklistConfig, ClusterConfig, CoordinatorConfig, NodeConfig, RolesConfig, ServerConfig};
pub use store::{
    Authorities, KafkaConfig, Login, MaxReconnects, NatsConfig, PostgresConfig, RedisCluster, RedisConfig, RedisKind,
    RedisPool, RedisProtocol, RedisReads, ZenohConfig,
};
