//! Entries as rows.

use super::StoreError;
use crate::blocklist::{Entry, Hlc, State};
use crate::ids::Incarnation;
use ipnet::IpNet;
use thiserror::Error;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

/// Reads the rows that did not end before `$1` (milliseconds since the Unix epoch); the columns are [`StoredRow`]'s, in its order.
pub const READ_ALL: &str = "SELECT net, wall_ms, counter, incarnation, blocked, reason, expires_ms \
     FROM squall_blocked_ip WHERE end_ms >= $1 ORDER BY net";

/// Newer versions win whatever order they are written in, so a write whose outcome is unknown is simply written again.
const UPSERT: &str = "INSERT INTO squall_blocked_ip \
     (net, wall_ms, counter, incarnation, blocked, reason, expires_ms, end_ms) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
     ON CONFLICT (net) DO UPDATE SET wall_ms = excluded.wall_ms, counter = excluded.counter, \
     incarnation = excluded.incarnation, blocked = excluded.blocked, reason = excluded.reason, \
     expires_ms = excluded.expires_ms, end_ms = excluded.end_ms \
     WHERE (excluded.wall_ms, excluded.counter, excluded.incarnation) > \
     (squall_blocked_ip.wall_ms, squall_blocked_ip.counter, squall_blocked_ip.incarnation)";

const PURGE: &str = "DELETE FROM squall_blocked_ip WHERE end_ms < $1";

/// One row of the block list as the store has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRow {
    /// The network in CIDR notation.
    pub net: String,
    /// The version's wall time, milliseconds since the Unix epoch.
    pub wall_ms: i64,
    /// The version's counter.
    pub counter: i64,
    /// The version's incarnation, shifted to the signed range so that it sorts as unsigned.
    pub incarnation: i64,
    /// 1 for a block, 0 for a tombstone.
    pub blocked: i64,
    /// Why; empty for a tombstone.
    pub reason: String,
    /// End of the block, milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
}

/// A row that no node writes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("row {net:?} of squall_blocked_ip is no entry: {column} is out of range; delete the row")]
pub struct InvalidRow {
    /// Which row.
    pub net: String,
    /// The column at fault.
    pub column: &'static str,
}

impl TryFrom<StoredRow> for Entry {
    type Error = InvalidRow;

    fn try_from(row: StoredRow) -> Result<Self, InvalidRow> {
        let invalid = |column| InvalidRow { net: row.net.clone(), column };
        let net: IpNet = row.net.parse().map_err(|_| invalid("net"))?;
        let version = Hlc {
            wall_ms: u64::try_from(row.wall_ms).map_err(|_| invalid("wall_ms"))?,
            counter: u32::try_from(row.counter).map_err(|_| invalid("counter"))?,
            incarnation: Incarnation(row.incarnation.cast_unsigned() ^ SIGN),
        };
        let expires_ms = row.expires_ms.map(u64::try_from).transpose().map_err(|_| invalid("expires_ms"))?;
        let state = match row.blocked {
            0 => State::Unblocked,
            1 => State::Blocked { reason: row.reason, expires_ms },
            _ => return Err(invalid("blocked")),
        };
        Ok(Self { net: net.trunc(), version, state })
    }
}

const SIGN: u64 = 1 << 63;

impl From<&Entry> for StoredRow {
    fn from(entry: &Entry) -> Self {
        let (blocked, reason, expires_ms) = match &entry.state {
            State::Unblocked => (0, String::new(), None),
            State::Blocked { reason, expires_ms } => (1, reason.clone(), expires_ms.map(signed)),
        };
        Self {
            net: entry.net.to_string(),
            wall_ms: signed(entry.version.wall_ms),
            counter: i64::from(entry.version.counter),
            incarnation: (entry.version.incarnation.0 ^ SIGN).cast_signed(),
            blocked,
            reason,
            expires_ms,
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

pub(super) async fn upsert(client: &Client, row: StoredRow, end_ms: Option<u64>) -> Result<(), StoreError> {
    // A block for good ends at the end of time, so that one comparison serves all rows.
    let end_ms = end_ms.map_or(i64::MAX, signed);
    client
        .execute_typed(
            UPSERT,
            &[
                (&row.net, Type::TEXT),
                (&row.wall_ms, Type::INT8),
                (&row.counter, Type::INT8),
                (&row.incarnation, Type::INT8),
                (&row.blocked, Type::INT8),
                (&row.reason, Type::TEXT),
                (&row.expires_ms, Type::INT8),
                (&end_ms, Type::INT8),
            ],
        )
        .await?;
    Ok(())
}

pub(super) async fn read_all(client: &Client, horizon_ms: u64) -> Result<Vec<Entry>, StoreError> {
    let horizon = signed(horizon_ms);
    let rows = client.query_typed(READ_ALL, &[(&horizon, Type::INT8)]).await?;
    Ok(rows.iter().filter_map(entry).collect())
}

pub(super) async fn purge(client: &Client, horizon_ms: u64) -> Result<u64, StoreError> {
    let horizon = signed(horizon_ms);
    Ok(client.execute_typed(PURGE, &[(&horizon, Type::INT8)]).await?)
}

/// The entry in a row of [`READ_ALL`]. A row that somebody edited beyond recognition is skipped: it must not keep the others
/// from being read.
fn entry(row: &Row) -> Option<Entry> {
    let read = || {
        Ok::<_, tokio_postgres::Error>(StoredRow {
            net: row.try_get(0)?,
            wall_ms: row.try_get(1)?,
            counter: row.try_get(2)?,
            incarnation: row.try_get(3)?,
            blocked: row.try_get(4)?,
            reason: row.try_get(5)?,
            expires_ms: row.try_get(6)?,
        })
    };
    match read() {
        Ok(row) => Entry::try_from(row).inspect_err(|error| tracing::warn!(%error, "skipped")).ok(),
        Err(error) => {
            tracing::warn!(%error, "skipped a row of squall_blocked_ip");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blocklist::testing::entries;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn entries_survive_being_rows(entries in entries(10)) {
            for entry in entries {
                prop_assert_eq!(Entry::try_from(StoredRow::from(&entry)), Ok(entry));
            }
        }

        #[test]
        fn rows_sort_incarnations_as_entries_do(a in any::<u64>(), b in any::<u64>()) {
            let column = |incarnation| {
                let mut entry = crate::blocklist::testing::entry("192.0.2.1/32", 1, None);
                entry.version.incarnation = Incarnation(incarnation);
                StoredRow::from(&entry).incarnation
            };
            prop_assert_eq!(column(a).cmp(&column(b)), a.cmp(&b));
        }
    }

    #[test]
    fn a_mangled_row_is_named() {
        let mut row = StoredRow::from(&crate::blocklist::testing::entry("192.0.2.1/32", 1, None));
        row.blocked = 7;
        let error = Entry::try_from(row).unwrap_err();
        assert_eq!((error.net.as_str(), error.column), ("192.0.2.1/32", "blocked"));
    }
}
