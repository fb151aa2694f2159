//! A Redis server: publish and subscribe and a small keyspace, as `redis-server` 7.0 serves them.
//!
//! It is plain tokio code, so it serves a simulated port and a real one alike. Everything it knows lives in
//! its [`RedisServer`], so a restarted server is a new one; what must survive is on a [`RedisDisk`].
//!
//! ```no_run
//! use squall_sim::servers::redis::{RedisServer, ServerConfig};
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:6379").await?;
//! let server = RedisServer::new(ServerConfig::default(), 42);
//! server.serve(listener).await
//! # }
//! ```
//!
//! - [`config`]: settings and defaults
//! - `protocol`, `reply`: requests from bytes, answers to bytes in RESP2 and RESP3
//! - `commands`: the table of commands, and what they do to the keyspace
//! - `keyspace`: keys and values
//! - `pubsub`, `glob`: who hears what
//! - `client`: one client
//! - `engine`: all of that as one pure state machine; the sockets around it are those of all servers
//!
//! Left out: scripts, streams, sorted sets, blocking commands, replication, key tracking, access control
//! lists beyond users with passwords, clusters of more than one node.

mod client;
mod commands;
pub mod config;
mod engine;
mod glob;
mod keyspace;
mod protocol;
mod pubsub;
mod reply;

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use tokio::net::TcpListener;

pub use client::CloseReason;
pub use config::{ClusterMode, Limits, OutputLimit, ServerConfig, User};
use engine::Engine;
pub use keyspace::RedisDisk;

use crate::servers::common::Shell;
use crate::servers::common::machine::Machine as _;

/// What a server has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections now.
    pub connections: usize,
    /// Connections ever.
    pub total_connections: u64,
    /// Subscriptions to channels, patterns and shard channels now.
    pub subscriptions: usize,
    /// Commands of clients.
    pub commands: u64,
    /// Messages that clients published.
    pub in_msgs: u64,
    /// Bytes of payload that clients published.
    pub in_bytes: u64,
    /// Deliveries to clients.
    pub out_msgs: u64,
    /// Bytes of payload delivered to clients.
    pub out_bytes: u64,
    /// Attempts to authenticate that failed.
    pub refused_logins: u64,
    /// Clients cut because they did not read fast enough.
    pub slow_consumers: u64,
    /// Connections that ended, by reason.
    pub closed: BTreeMap<CloseReason, u64>,
}

/// A handle to one server; clones are the same server.
#[derive(Clone)]
pub struct RedisServer {
    shell: Shell<Engine>,
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedisServer").field("stats", &self.stats()).finish()
    }
}

impl RedisServer {
    /// A server without data that does not serve yet. All its randomness comes from the seed.
    #[must_use]
    pub fn new(config: ServerConfig, rng_seed: u64) -> Self {
        Self::with_disk(config, rng_seed, RedisDisk::default())
    }

    /// The same, with the data of an earlier life.
    #[must_use]
    pub fn with_disk(config: ServerConfig, rng_seed: u64, disk: RedisDisk) -> Self {
        let tls = config.tls.clone();
        Self { shell: Shell::new(Engine::new(config, rng_seed, disk), tls) }
    }

    /// Serves clients until the server is shut down, and returns when the last one is gone.
    ///
    /// A server serves one listener, once. Dropping the future shuts the server down.
    ///
    /// # Errors
    /// The listener is no longer usable.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        self.shell.serve(listener).await
    }

    /// Shuts down as `SHUTDOWN` does: the listener and all connections close, and what still waits for a
    /// client is lost.
    pub fn shutdown(&self) {
        self.shell.change(|engine, _| engine.stop());
    }

    /// What the server has done so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shell.look(Engine::stats)
    }
}
