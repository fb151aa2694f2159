//! The simulated metadata store on a real port.

use super::{Life, Service, clock_ms};
use squall_sim::servers::postgres::{Auth, Disk, PostgresServer, ServerConfig};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A PostgreSQL server, with its disk.
pub(crate) struct Postgres {
    disk: Disk,
    auth: Auth,
}

impl Postgres {
    /// With an empty database.
    ///
    /// # Errors
    /// SQLite gets no memory.
    pub(crate) fn new(auth: Auth) -> io::Result<Self> {
        Ok(Self { disk: Disk::new(clock_ms)?, auth })
    }
}

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn url(&self, address: SocketAddr) -> String {
        match &self.auth {
            Auth::Trust => format!("postgres://squall@{address}/squall"),
            Auth::Password { user, .. } => format!("postgres://{user}@{address}/{user}"),
        }
    }

    fn start(&mut self, listener: TcpListener) -> io::Result<Life> {
        let config = ServerConfig { auth: self.auth.clone(), ..ServerConfig::default() };
        let server = PostgresServer::new(self.disk.clone(), config);
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        Ok(Life {
            serve: Box::pin(async move {
                tokio::select! {
                    served = server.serve(listener) => served,
                    () = stopped.notified() => Ok(()),
                }
            }),
            shutdown: Box::new(move || stop.notify_one()),
            lame_duck: None,
        })
    }
}
