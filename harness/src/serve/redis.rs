//! The simulated Redis server on a real port.

use super::{Life, Service, unforeseeable_seed};
use squall_sim::servers::redis::{RedisDisk, RedisServer, ServerConfig};
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A Redis server, with its keys.
pub(crate) struct Redis {
    /// Its settings.
    pub(crate) config: ServerConfig,
    /// What survives a life.
    pub(crate) disk: RedisDisk,
}

impl Service for Redis {
    fn name(&self) -> &'static str {
        "redis"
    }

    fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.config.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{address}")
    }

    fn start(&mut self, listener: TcpListener) -> io::Result<Life> {
        let server = RedisServer::with_disk(self.config.clone(), unforeseeable_seed(), self.disk.clone());
        let serving = server.clone();
        Ok(Life {
            serve: Box::pin(async move { serving.serve(listener).await }),
            shutdown: Box::new(move || server.shutdown()),
            lame_duck: None,
        })
    }
}
