//! `type = "redis"`.

use super::super::reader::Table;
use std::time::Duration;

/// A Redis server, `type = "redis"`.
///
/// | key | default |
/// |---|---|
/// | `urls` | required: a list of `redis://host:port` |
/// | `timeout` | `10s` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisConfig {
    /// Servers.
    pub urls: Vec<String>,
    /// Longest time for one command.
    pub timeout: Duration,
}

impl RedisConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        table.missing("urls");
        Self { urls: table.strings("urls"), timeout: table.positive("timeout", Duration::from_secs(10)) }
    }
}
