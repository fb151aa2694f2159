//! The metadata store: PostgreSQL, through `tokio-postgres`.
//!
//! Typed statements without prepare, each one round trip; every call has a time limit, because a cut link reports nothing. A
//! time-out or a broken connection leaves the outcome unknown, and the next call makes a new connection. Writing again is always
//! safe: a row is replaced only by a newer version, so a repeated write changes nothing and a late one loses.

mod error;
mod rows;
mod schema;

pub use error::StoreError;
pub use rows::{READ_ALL, StoredRow};

use crate::blocklist::Entry;
use crate::config::PostgresConfig;
use crate::entropy::NodeRng;
use futures_util::FutureExt as _;
use futures_util::future::{join, join_all};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::config::{SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, NoTls};

/// How often a statement is repeated at once after a serialization failure.
const CONFLICT_RETRIES: u32 = 6;
const FIRST_CONFLICT_DELAY: Duration = Duration::from_millis(2);

/// One node's way to the store: a single connection, made when needed.
pub struct Store {
    config: PostgresConfig,
    rng: NodeRng,
    session: Option<Session>,
    schema_checked: bool,
}

struct Session {
    client: Client,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        // A driver on a dead link would otherwise wait for the kernel to notice.
        self.driver.abort();
    }
}

impl Store {
    /// Does not connect yet.
    #[must_use]
    pub fn new(config: PostgresConfig, rng: NodeRng) -> Self {
        Self { config, rng, session: None, schema_checked: false }
    }

    /// Reads all entries that did not end before `horizon_ms` (milliseconds since the Unix epoch), creating the tables if need be.
    ///
    /// # Errors
    /// When the store cannot be reached, refuses, or belongs to a later build.
    pub async fn load(&mut self, horizon_ms: u64) -> Result<Vec<Entry>, StoreError> {
        match self.try_load(horizon_ms).await {
            Err(error) if error.is_missing_table() => {
                self.migrate().await?;
                self.try_load(horizon_ms).await
            }
            loaded => loaded,
        }
    }

    async fn try_load(&mut self, horizon_ms: u64) -> Result<Vec<Entry>, StoreError> {
        let check_schema = !self.schema_checked;
        let limit = self.config.statement_timeout;
        let client = self.client().await?;
        // Both statements travel together: one round trip.
        let read = rows::read_all(client, horizon_ms);
        let outcome = if check_schema {
            let both = join(schema::version(client).boxed(), read.boxed());
            timeout(limit, both).await.map(|(version, entries)| Ok((version?, entries?)))
        } else {
            timeout(limit, read).await.map(|entries| Ok((schema::VERSION, entries?)))
        };
        let (version, entries) = self.settle(outcome)?;
        if version > schema::VERSION {
            return Err(StoreError::SchemaTooNew { found: version, known: schema::VERSION });
        }
        if version < schema::VERSION {
            self.migrate().await?;
        }
        self.schema_checked = true;
        Ok(entries)
    }

    /// Writes versions, each unless the store has a newer one of its network. All of them in one round trip.
    ///
    /// # Errors
    /// When not all certainly took effect. Writing them again is safe.
    pub async fn save(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut delay = FIRST_CONFLICT_DELAY;
        for _ in 0..CONFLICT_RETRIES {
            match self.try_save(entries).await {
                Err(error) if error.is_missing_table() => self.migrate().await?,
                Err(error) if error.is_conflict() => {
                    sleep(self.rng.duration(delay / 2, delay)).await;
                    delay *= 2;
                }
                saved => return saved,
            }
        }
        self.try_save(entries).await
    }

    async fn try_save(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let limit = self.config.statement_timeout;
        let client = self.client().await?;
        // Pipelined: all are sent before the first answer is awaited.
        let mut writes = Vec::with_capacity(entries.len());
        for entry in entries {
            writes.push(rows::upsert(client, StoredRow::from(entry), entry.end_ms()).boxed());
        }
        let written = timeout(limit, join_all(writes)).await;
        self.settle(written.map(|all| all.into_iter().collect()))
    }

    /// Deletes entries that ended before `horizon_ms` (milliseconds since the Unix epoch); how many.
    ///
    /// # Errors
    /// When that did not certainly happen. Repeating it is safe.
    pub async fn purge(&mut self, horizon_ms: u64) -> Result<u64, StoreError> {
        let limit = self.config.statement_timeout;
        let client = self.client().await?;
        let outcome = timeout(limit, rows::purge(client, horizon_ms)).await;
        self.settle(outcome)
    }

    async fn migrate(&mut self) -> Result<(), StoreError> {
        let mut delay = FIRST_CONFLICT_DELAY;
        for statement in schema::MIGRATIONS {
            for attempt in 0.. {
                let limit = self.config.statement_timeout;
                let client = self.client().await?;
                let outcome = timeout(limit, schema::apply(client, statement)).await;
                match self.settle(outcome) {
                    Err(error) if error.is_creation_race() && attempt < CONFLICT_RETRIES => {
                        sleep(self.rng.duration(delay / 2, delay)).await;
                        delay *= 2;
                    }
                    outcome => {
                        outcome?;
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives up the connection when it has not answered or is broken.
    fn settle<T>(
        &mut self,
        outcome: Result<Result<T, StoreError>, tokio::time::error::Elapsed>,
    ) -> Result<T, StoreError> {
        let outcome = outcome.unwrap_or_else(|_| Err(StoreError::TimedOut(self.config.statement_timeout)));
        if outcome.as_ref().is_err_and(StoreError::is_unknown) {
            self.session = None;
        }
        outcome
    }

    async fn client(&mut self) -> Result<&Client, StoreError> {
        let session = match self.session.take() {
            Some(session) if !session.client.is_closed() => session,
            _ => self.connect().await?,
        };
        Ok(&self.session.insert(session).client)
    }

    async fn connect(&self) -> Result<Session, StoreError> {
        let config = &self.config;
        let mut options = tokio_postgres::Config::new();
        for host in &config.hosts {
            options.host(host).port(config.port);
        }
        options
            .user(&config.user)
            .dbname(&config.database)
            .application_name("squall-node")
            .connect_timeout(config.connect_timeout)
            .ssl_mode(SslMode::Disable)
            // Every call has its own limit; the kernel's probes would only be slower.
            .keepalives(false);
        if let Some(password) = &config.password {
            options.password(password);
        }
        if config.hosts.len() > 1 {
            options.target_session_attrs(TargetSessionAttrs::ReadWrite);
        }
        // The client's limit covers each host's TCP connection only, not what follows it.
        let hosts = u32::try_from(config.hosts.len()).unwrap_or(u32::MAX);
        let limit = config.connect_timeout.saturating_mul(hosts);
        let (client, connection) = match timeout(limit, options.connect(NoTls)).await {
            Ok(connected) => connected.map_err(|error| StoreError::Connect(chain(&error)))?,
            Err(_) => return Err(StoreError::Connect(format!("no answer within {limit:?}"))),
        };
        let driver = tokio::spawn(async move {
            // How it ended is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Session { client, driver })
    }
}

/// The error and what caused it: the client's own words are as short as "db error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
