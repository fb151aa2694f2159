//! The tables, and how they come to be.

use super::StoreError;
use tokio_postgres::Client;

/// The schema version that this build knows.
pub(super) const VERSION: i64 = 1;

/// What leads from nothing to [`VERSION`], in order. Each statement may run any number of times, on any number of nodes at once.
pub(super) const MIGRATIONS: &[&str] = &[
    "CREATE TABLE IF NOT EXISTS squall_schema (version BIGINT NOT NULL PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS squall_blocked_ip (
        net TEXT NOT NULL PRIMARY KEY,
        wall_ms BIGINT NOT NULL,
        counter BIGINT NOT NULL,
        incarnation BIGINT NOT NULL,
        blocked BIGINT NOT NULL,
        reason TEXT NOT NULL,
        expires_ms BIGINT,
        end_ms BIGINT NOT NULL
    )",
    "INSERT INTO squall_schema (version) VALUES (1) ON CONFLICT (version) DO NOTHING",
];

/// The version of the tables that are there, 0 if nothing says.
pub(super) async fn version(client: &Client) -> Result<i64, StoreError> {
    const VERSION: &str = "SELECT version FROM squall_schema ORDER BY version DESC LIMIT 1";
    let rows = client.query_typed(VERSION, &[]).await?;
    match rows.first() {
        Some(row) => Ok(row.try_get(0)?),
        None => Ok(0),
    }
}

pub(super) async fn apply(client: &Client, statement: &str) -> Result<(), StoreError> {
    Ok(client.batch_execute(statement).await?)
}
