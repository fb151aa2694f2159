//! The simulated NATS server on a real port.

use super::{Address, Life, Service, unforeseeable_seed};
use squall_sim::servers::nats::{NatsServer, ServerConfig};
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A NATS server. Nothing of it survives a life.
pub(crate) struct Nats {
    /// Its settings.
    pub(crate) config: ServerConfig,
    /// Where it listens for the other servers of its cluster.
    pub(crate) routes: Option<Address>,
}

impl Service for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn url(&self, address: SocketAddr) -> String {
        let scheme = if self.config.tls.is_some() { "tls" } else { "nats" };
        format!("{scheme}://{address}")
    }

    fn start(&mut self, listener: TcpListener) -> io::Result<Life> {
        let mut config = self.config.clone();
        config.host = listener.local_addr()?.ip().to_string();
        let server = NatsServer::new(config, unforeseeable_seed());
        let (serving, routing, ducking) = (server.clone(), server.clone(), server.clone());
        let routes = self.routes;
        Ok(Life {
            serve: Box::pin(async move {
                let routing = async {
                    match routes {
                        Some(address) => routing.serve_routes(TcpListener::bind(address.0).await?).await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    served = serving.serve(listener) => served,
                    Err(error) = routing => Err(error),
                }
            }),
            shutdown: Box::new(move || server.shutdown()),
            lame_duck: Some(Box::new(move || ducking.lame_duck())),
        })
    }
}
