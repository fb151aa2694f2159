//! `type = "postgresql"`.

use super::super::reader::Table;
use super::is_empty_list;
use std::time::Duration;

/// A PostgreSQL server, `type = "postgresql"`: where the metadata lives.
///
/// | key | default |
/// |---|---|
/// | `host` | required: a name, or a list to try in order; of several, the first that accepts writes is used |
/// | `port` | 5432 |
/// | `user`, `database` | required |
/// | `password` | none |
/// | `timeout.connect` | `5s`, for each host |
/// | `timeout.statement` | `2s`; after that the outcome counts as unknown and a new connection is made |
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresConfig {
    /// Hosts, tried in order.
    pub hosts: Vec<String>,
    /// Port of all of them.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: Option<String>,
    /// The database.
    pub database: String,
    /// Longest time to connect to one host.
    pub connect_timeout: Duration,
    /// Longest time for one statement.
    pub statement_timeout: Duration,
}

impl std::fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Logs must not carry the password.
        f.debug_struct("PostgresConfig")
            .field("hosts", &self.hosts)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("connect_timeout", &self.connect_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

impl PostgresConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        table.missing("host");
        let hosts = table.strings("host");
        if hosts.is_empty() && table.get("host").is_some_and(is_empty_list) {
            table.refuse("host", "is empty", "name at least one host");
        }
        let timeout = table.table("timeout");
        let config = Self {
            hosts,
            port: table
                .integer("port", 1..=u64::from(u16::MAX))
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(5432),
            user: table.required("user"),
            password: table.string("password"),
            database: table.required("database"),
            connect_timeout: timeout.positive("connect", Duration::from_secs(5)),
            statement_timeout: timeout.positive("statement", Duration::from_secs(2)),
        };
        timeout.finish();
        config
    }
}
