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
//! - `client`, `info`: one client, its greeting
//! - `route`, `membership`: one route to another server, and all the servers of the cluster
//! - `engine`: all of that as one pure state machine, timers included
//! - `connection`, `secure`, `session`: sockets around it, and TLS on them
//! - `serve`, `routes`: listeners, and the connections to other servers
//!
//! Left out: JetStream, accounts and permissions; between servers TLS, passwords, compression, and the
//! pooling of routes that 2.10 uses among its own kind.

mod client;
pub mod config;
mod connection;
mod engine;
mod info;
mod membership;
pub mod protocol;
mod route;
pub mod router;
mod routes;
mod secure;
mod serve;
mod session;
pub mod subject;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::time::Instant;

pub use client::CloseReason;
pub use config::{Authorization, ClusterConfig, Limits, ServerConfig, Timing, TlsMode, User};
use connection::Shared;
use engine::Engine;

/// What a server has done so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Client connections now.
    pub connections: usize,
    /// Client connections ever.
    pub total_connections: u64,
    /// Subscriptions of the server's own clients now.
    pub subscriptions: usize,
    /// Other servers of the cluster that this one has a route to.
    pub routes: usize,
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
    /// Connections that ended, routes included, by reason.
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

    /// Accepts routes from the other servers of the cluster and opens those of [`ClusterConfig::routes`], until
    /// the server is shut down.
    ///
    /// It waits until the server also [serves](Self::serve) clients. Dropping the future shuts the server down.
    ///
    /// # Errors
    /// The listener is no longer usable.
    pub async fn serve_routes(&self, listener: TcpListener) -> io::Result<()> {
        routes::serve(&self.shared, listener).await
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
