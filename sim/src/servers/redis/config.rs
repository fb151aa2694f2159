//! Settings of one server, with the defaults of `redis-server` 7.0.

use std::sync::Arc;
use std::time::Duration;

/// Everything one [`RedisServer`](super::RedisServer) can be told; the default is `redis-server` without a
/// file and without protected mode.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Version shown to clients.
    pub version: String,
    /// Password of the user `default`; without one everybody is let in.
    pub password: Option<String>,
    /// Further users, who may do everything.
    pub users: Vec<User>,
    /// Databases to `SELECT` from.
    pub databases: usize,
    /// Sizes and counts.
    pub limits: Limits,
    /// Whether the server is the only node of a cluster and owns all slots.
    pub cluster: ClusterMode,
    /// Certificate and key; with them every connection speaks TLS from its first byte.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            version: "7.0.15".to_owned(),
            password: None,
            users: Vec::new(),
            databases: 16,
            limits: Limits::default(),
            cluster: ClusterMode::default(),
            tls: None,
        }
    }
}

/// A user of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password in plain text.
    pub password: String,
}

/// What `cluster-enabled` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterMode {
    /// A server by itself.
    #[default]
    Disabled,
    /// A cluster of this one server.
    SingleNode,
}

/// Sizes and counts the server enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `maxclients`: connections at one time.
    pub max_clients: usize,
    /// `client-query-buffer-limit`: bytes of a request that is not complete.
    pub query_buffer: usize,
    /// `proto-max-bulk-len`: bytes of one argument.
    pub max_bulk: usize,
    /// `client-output-buffer-limit normal`.
    pub normal_output: OutputLimit,
    /// `client-output-buffer-limit pubsub`: for clients with subscriptions.
    pub pubsub_output: OutputLimit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_clients: 10_000,
            query_buffer: 1 << 30,
            max_bulk: 512 << 20,
            normal_output: OutputLimit::NONE,
            pubsub_output: OutputLimit { hard: 32 << 20, soft: 8 << 20, soft_for: Duration::from_secs(60) },
        }
    }
}

/// Bytes that may wait for one client before it is cut; 0 is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputLimit {
    /// Cut at once.
    pub hard: usize,
    /// Cut after a while.
    pub soft: usize,
    /// How long the soft limit may be exceeded without a break.
    pub soft_for: Duration,
}

impl OutputLimit {
    /// No limit.
    pub const NONE: Self = Self { hard: 0, soft: 0, soft_for: Duration::ZERO };
}
