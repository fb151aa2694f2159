//! The simulated metadata store: PostgreSQL's wire protocol over an in-memory SQLite.
//!
//! A [`Disk`] holds the data and outlives the [`PostgresServer`]s that run on it, one at a time. The
//! real `tokio-postgres` is the client. Offered is what a small set of typed statements needs:
//! transactions, upserts, RETURNING, PostgreSQL's error codes; time by `clock_timestamp_ms()`. Column
//! types come from declarations, from a `/*cols int8,text*/` hint, or from the one type that columns of
//! that name have; otherwise they are `int8`.
//!
//! Writing transactions take turns, first come, first served; reading statements outside a
//! transaction see committed data without waiting, as in PostgreSQL. PostgreSQL would let both
//! transactions run and fail one with 40001, which [`Faults`] does on request.
//!
//! | module | what |
//! |---|---|
//! | `disk` | the data, one lock, what a commit is |
//! | `engine` | SQLite and its one open transaction |
//! | `catalogue` | statements, parsed once |
//! | `turn` | whose turn it is |
//! | `session` | one client's messages |
//! | `transaction` | where a session stands between BEGIN and COMMIT |
//! | `connection` | messages and greeting |
//! | `types`, `dialect` | values and words of both databases |
//! | `faults` | what goes wrong on request |

mod catalogue;
mod connection;
mod dialect;
mod disk;
mod engine;
mod faults;
mod session;
mod transaction;
mod turn;
mod types;

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;

pub use disk::Disk;
pub use faults::{Counters, DeathPoint, Faults};

use connection::Connection;
use session::Session;
use turn::Epoch;

/// Called at the very point at which the server dies; whoever owns the host kills it then.
pub type OnDeath = Arc<dyn Fn() + Send + Sync>;

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Everybody, with any name and any password.
    #[default]
    Trust,
    /// One user; the password travels in clear text.
    Password {
        /// The name of the user.
        user: String,
        /// The password, compared as it is.
        password: String,
    },
}

/// How a server behaves.
#[derive(Clone)]
pub struct ServerConfig {
    /// A session that leaves its transaction open for so long without a message is ended with 25P03.
    pub idle_in_transaction_timeout: Duration,
    /// Who may connect.
    pub auth: Auth,
    /// Called when a [`DeathPoint`] is reached. The server answers nobody from then on.
    pub on_death: OnDeath,
}

impl Default for ServerConfig {
    /// Five seconds, everybody, nobody to tell.
    fn default() -> ServerConfig {
        ServerConfig {
            idle_in_transaction_timeout: Duration::from_secs(5),
            auth: Auth::default(),
            on_death: Arc::new(|| {}),
        }
    }
}

impl fmt::Debug for ServerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerConfig")
            .field("idle_in_transaction_timeout", &self.idle_in_transaction_timeout)
            .field("auth", &self.auth)
            .finish_non_exhaustive()
    }
}

/// One life of the server; clones are the same server.
#[derive(Clone, Debug)]
pub struct PostgresServer {
    life: Arc<Life>,
}

#[derive(Debug)]
struct Life {
    disk: Disk,
    config: ServerConfig,
    epoch: Epoch,
    dead: AtomicBool,
}

impl PostgresServer {
    /// Starts a server on a disk. An earlier one on it loses its transactions and its sessions at
    /// this moment, whether it is still there, dropped or leaked.
    #[must_use]
    pub fn new(disk: Disk, config: ServerConfig) -> PostgresServer {
        let epoch = disk.open_epoch();
        let dead = AtomicBool::new(false);
        PostgresServer { life: Arc::new(Life { disk, config, epoch, dead }) }
    }

    /// The faults of this server and of those that follow it on the same disk.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.life.disk.faults()
    }

    /// Accepts clients for ever, each in a task of its own.
    ///
    /// # Errors
    /// The listener fails, or another server has taken the disk over.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        loop {
            let (stream, _) = listener.accept().await?;
            self.be_silent_if_dead().await;
            self.admit()?;
            let server = self.clone();
            tokio::spawn(async move {
                let served = match stream.set_nodelay(true) {
                    Ok(()) => server.serve_connection(stream).await,
                    Err(error) => Err(error),
                };
                if let Err(error) = served {
                    tracing::debug!(%error, "a connection of the metadata store broke");
                }
            });
        }
    }

    /// Serves one client over any byte stream until it leaves or is sent away.
    ///
    /// # Errors
    /// The stream fails, the client speaks something else, or another server has the disk.
    pub async fn serve_connection<S>(&self, stream: S) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.admit()?;
        let ticket = self.disk().storage().new_session(self.life.epoch).map_err(taken_over)?;
        let mut connection = Connection::new(stream);
        let process_id = i32::try_from(ticket.session).unwrap_or(i32::MAX);
        match connection.greet(&self.config().auth, process_id).await? {
            Some(()) => Session::new(connection, self.clone(), ticket).serve().await,
            None => Ok(()),
        }
    }

    fn admit(&self) -> io::Result<()> {
        self.disk().storage().turn.admit(self.life.epoch).map_err(taken_over)
    }

    fn disk(&self) -> &Disk {
        &self.life.disk
    }

    fn config(&self) -> &ServerConfig {
        &self.life.config
    }

    /// Dies: tells the owner of the host, and does nothing more, ever.
    async fn die(&self) -> Infallible {
        self.life.dead.store(true, Ordering::Relaxed);
        (self.life.config.on_death)();
        pending().await
    }

    /// A dead process does not even say goodbye.
    async fn be_silent_if_dead(&self) {
        if self.life.dead.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
    }
}

fn taken_over(_: turn::Revoked) -> io::Error {
    io::Error::other("another server has taken the disk over, stop this one")
}
