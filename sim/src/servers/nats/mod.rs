//! A NATS server: core NATS as `nats-server` 2.10 speaks it to its clients.
//!
//! It is plain tokio code, so it serves a simulated port and a real one alike, and everything it knows
//! lives in its [`NatsServer`]: a restarted server is a new one.
//!
//! ```no_run
//! use squall_sim::servers::nats::{NatsServer, ServerConfig};
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:4222").await?;
//! let server = NatsServer::new(ServerConfig::default(), 42);
//! server.serve(listener).await
//! # }
//! ```
//!
//! - [`config`]: settings and defaults
//! - [`protocol`]: bytes to operations, messages to bytes
//! - [`subject`]: validity and matching of subjects
//! - [`router`]: who gets a message
//! - `client`, `info`, `outbox`: one client, its greeting, what waits for it
//! - `engine`: all of that as one pure state machine, timers included
//! - `connection`: sockets around it
//!
//! Left out: TLS, JetStream, accounts and permissions, clusters.

mod client;
pub mod config;
mod connection;
mod engine;
mod info;
mod outbox;
pub mod protocol;
pub mod router;
mod serve;
pub mod subject;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::time::Instant;

pub use client::CloseReason;
pub use config::{Authorization, Limits, ServerConfig, ServiceTimes, Timing, User};
use connection::Shared;
use engine::Engine;

/// What a server has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections now.
    pub connections: usize,
    /// Connections ever.
    pub total_connections: u64,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Messages that clients published.
    pub in_msgs: u64,
    /// Bytes of headers and payload that clients published.
    pub in_bytes: u64,
    /// Deliveries to clients.
    pub out_msgs: u64,
    /// Bytes of headers and payload delivered to clients.
    pub out_bytes: u64,
    /// Clients cut because they did not read fast enough.
    pub slow_consumers: u64,
    /// Connections that ended, by reason.
    pub closed: BTreeMap<CloseReason, u64>,
}

/// A handle to one server; clones are the same server.
#[derive(Clone, Debug)]
pub struct NatsServer {
    shared: Arc<Shared>,
}

impl NatsServer {
    /// A server that does not serve yet. All its randomness comes from the seed.
    #[must_use]
    pub fn new(config: ServerConfig, rng_seed: u64) -> Self {
        Self { shared: Arc::new(Shared::new(Engine::new(config, rng_seed))) }
    }

    /// Serves clients until the server is shut down, and returns when the last one is gone.
    ///
    /// A server serves one listener, once. Dropping the future shuts the server down.
    ///
    /// # Errors
    /// The listener is no longer usable.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        serve::serve(&self.shared, listener).await
    }

    /// Enters lame duck mode: the listener closes, clients are told, and after a grace period they are
    /// closed one by one; then the server shuts down.
    pub fn lame_duck(&self) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.engine.lame_duck(now);
        state.settle(now);
        state.wake_driver();
    }

    /// Shuts down: the listener closes, and clients are closed once what waits for them is written.
    pub fn shutdown(&self) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.engine.shutdown();
        state.settle(now);
        state.wake_driver();
    }

    /// What the server has done so far.
    #[must_use]
    pub fn stats(&self) -> ServerStats {
        self.shared.lock().engine.stats()
    }
}
