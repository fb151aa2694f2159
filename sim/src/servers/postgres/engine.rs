//! SQLite with at most one open transaction, beside which committed data stays readable.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::{BufMut, Bytes, BytesMut};
use pgwire::messages::data::MESSAGE_TYPE_BYTE_DATA_ROW;
use rusqlite::config::DbConfig;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Statement as SqliteStatement};

use super::catalogue::{Catalogue, Statement};
use super::dialect::{REFUSED_FUNCTION, REFUSED_FUNCTIONS, SqlError, Verb};
use super::types::{ColumnType, WireFormats};

/// More than the statements of any client; SQLite's own copies of them are small.
const PREPARED_STATEMENTS_MAX: usize = 256;

/// A statement with the values of its parameters, ready to be run.
#[derive(Debug)]
pub(super) struct Portal {
    pub(super) statement: Arc<Statement>,
    pub(super) parameter_types: Arc<[ColumnType]>,
    pub(super) parameter_formats: WireFormats,
    pub(super) parameters: Vec<Option<Bytes>>,
    pub(super) result_formats: WireFormats,
}

impl Portal {
    /// A statement without parameters whose rows are wanted as text.
    pub(super) fn plain(statement: Arc<Statement>) -> Portal {
        Portal {
            statement,
            parameter_types: Arc::new([]),
            parameter_formats: WireFormats::default(),
            parameters: Vec::new(),
            result_formats: WireFormats::default(),
        }
    }
}

/// A statement that wrote, and the time it saw: with this it can be done again and come out the same.
#[derive(Debug)]
struct Redo {
    portal: Arc<Portal>,
    at_ms: i64,
}

#[derive(Debug, Default)]
struct OpenTransaction {
    redo: Vec<Redo>,
    changed_schema: bool,
}

/// The database of one disk.
pub(super) struct Engine {
    connection: Connection,
    now_ms: fn() -> i64,
    /// The time of the statement that runs: it does not pass while it runs.
    statement_time: Arc<AtomicI64>,
    catalogue: Catalogue,
    /// SQLite's count of schema changes, as of what the catalogue knows.
    schema_version: i64,
    open: Option<OpenTransaction>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").field("open", &self.open).finish_non_exhaustive()
    }
}

impl Engine {
    pub(super) fn new(now_ms: fn() -> i64) -> rusqlite::Result<Engine> {
        let connection = Connection::open_in_memory()?;
        connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS_MAX);
        // A name in double quotes is a column, as in PostgreSQL, and never a text.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        let statement_time = Arc::new(AtomicI64::new(0));
        let time = Arc::clone(&statement_time);
        connection.create_scalar_function("clock_timestamp_ms", 0, FunctionFlags::SQLITE_UTF8, move |_| {
            Ok(time.load(Ordering::Relaxed))
        })?;
        for (name, arguments) in REFUSED_FUNCTIONS {
            connection.create_scalar_function(
                name,
                arguments,
                FunctionFlags::SQLITE_UTF8,
                move |_| -> rusqlite::Result<Value> {
                    Err(rusqlite::Error::UserFunctionError(format!("{name} is {REFUSED_FUNCTION}").into()))
                },
            )?;
        }
        let catalogue = Catalogue::default();
        Ok(Engine { connection, now_ms, statement_time, catalogue, schema_version: 0, open: None })
    }

    /// Looks a statement up, or parses it and finds out what it takes and returns.
    pub(super) fn describe(&mut self, sql: &str) -> Result<Option<Arc<Statement>>, SqlError> {
        self.catalogue.describe(&self.connection, sql)
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        self.open.is_some()
    }

    /// Whether the open transaction has changed anything that a commit would make durable.
    pub(super) fn has_written(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.redo.is_empty())
    }

    pub(super) fn begin(&mut self) -> Result<(), SqlError> {
        assert!(self.open.is_none(), "one transaction at a time: the turn was given away twice");
        self.control("BEGIN IMMEDIATE")?;
        self.open = Some(OpenTransaction::default());
        Ok(())
    }

    pub(super) fn commit(&mut self) -> Result<(), SqlError> {
        if let Err(error) = self.control("COMMIT") {
            self.rollback();
            return Err(error);
        }
        self.open = None;
        Ok(())
    }

    /// Undoes the open transaction, if there is one.
    pub(super) fn rollback(&mut self) {
        let Some(open) = self.open.take() else { return };
        // SQLite has already rolled back by itself after some errors (out of memory).
        if !self.connection.is_autocommit() {
            self.control("ROLLBACK").expect("SQLite cannot refuse to roll back");
        }
        if open.changed_schema {
            self.schema_changed();
        }
    }

    /// Runs one statement, in the open transaction if there is one, and appends its rows.
    ///
    /// # Errors
    /// The statement had no effect and left no row behind.
    pub(super) fn run(&mut self, portal: &Arc<Portal>, out: &mut BytesMut) -> Result<u64, SqlError> {
        let at_ms = (self.now_ms)();
        let rows = self.run_at(portal, at_ms, out)?;
        let statement = &portal.statement;
        let changes_schema = matches!(statement.verb, Verb::Schema(_)) && self.schema_changed();
        if let Some(open) = self.open.as_mut().filter(|_| statement.writes) {
            open.redo.push(Redo { portal: Arc::clone(portal), at_ms });
            open.changed_schema |= changes_schema;
        }
        Ok(rows)
    }

    /// Lets `read` see committed data only: an open transaction is set aside, which is to roll it
    /// back and to do it again afterwards. Nobody else can have written in between.
    ///
    /// # Panics
    /// Doing it again comes out differently, which would be a defect here.
    pub(super) fn on_committed<T>(&mut self, read: impl FnOnce(&mut Engine) -> T) -> T {
        if !self.has_written() {
            return read(self);
        }
        let open = self.open.take().expect("a transaction that has written is open");
        self.control("ROLLBACK").expect("SQLite cannot refuse to roll back");
        let answer = read(self);
        self.control("BEGIN IMMEDIATE").expect("nobody else can have begun");
        let mut rows = BytesMut::new();
        for Redo { portal, at_ms } in &open.redo {
            self.run_at(portal, *at_ms, &mut rows).expect("it succeeded on the same data before");
            rows.clear();
        }
        self.open = Some(open);
        answer
    }

    /// The connection, which sees what the open transaction has done so far, for reading.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&Connection) -> T) -> rusqlite::Result<T> {
        self.statement_time.store((self.now_ms)(), Ordering::Relaxed);
        self.connection.pragma_update(None, "query_only", true)?;
        let answer = read(&self.connection);
        self.connection.pragma_update(None, "query_only", false)?;
        Ok(answer)
    }

    /// Forgets what the catalogue knows if the schema is another one than it was: a `CREATE TABLE IF NOT EXISTS` of a
    /// table that exists, which every booting node sends, changes nothing.
    fn schema_changed(&mut self) -> bool {
        let version = self.connection.query_row("PRAGMA schema_version", (), |row| row.get(0));
        let version: i64 = version.expect("SQLite knows the version of its schema");
        let changed = version != self.schema_version;
        if changed {
            self.schema_version = version;
            self.forget_schema();
        }
        changed
    }

    /// SQLite parses again only when a statement is run, and would tell of old columns until then.
    fn forget_schema(&mut self) {
        self.catalogue.forget();
        self.connection.flush_prepared_statement_cache();
    }

    fn control(&self, sql: &str) -> Result<(), SqlError> {
        self.connection.prepare_cached(sql)?.raw_execute()?;
        Ok(())
    }

    fn run_at(&self, portal: &Portal, at_ms: i64, out: &mut BytesMut) -> Result<u64, SqlError> {
        self.statement_time.store(at_ms, Ordering::Relaxed);
        let statement = &*portal.statement;
        let mut prepared = self.connection.prepare_cached(&statement.sql)?;
        if prepared.column_count() != statement.columns.len() {
            let message = "cached plan must not change result type, prepare the statement again";
            return Err(SqlError::new("0A000", message));
        }
        bind(&mut prepared, portal)?;
        let before = out.len();
        let mut rows = prepared.raw_query();
        let mut returned = 0;
        loop {
            match rows.next() {
                Ok(None) => break,
                Ok(Some(row)) => {
                    returned += 1;
                    let values = |index| row.get_ref(index).map_err(SqlError::from);
                    if let Err(error) = put_row(portal, values, out) {
                        out.truncate(before);
                        // Dropping the rows resets the statement, which would keep its changes.
                        drop(rows);
                        drop(prepared);
                        return Err(error);
                    }
                }
                Err(error) => {
                    out.truncate(before);
                    return Err(error.into());
                }
            }
        }
        drop(rows);
        let counts_changes = statement.writes && !matches!(statement.verb, Verb::Schema(_));
        Ok(if counts_changes { self.connection.changes() } else { returned })
    }
}

fn bind(prepared: &mut SqliteStatement<'_>, portal: &Portal) -> Result<(), SqlError> {
    for (index, &parameter) in portal.statement.parameters.iter().enumerate() {
        let value = match (portal.parameters.get(parameter), portal.parameter_types.get(parameter)) {
            (Some(None), Some(_)) => ValueRef::Null,
            (Some(Some(bytes)), Some(kind)) => kind.decode(portal.parameter_formats.of(parameter), bytes)?,
            _ => {
                return Err(SqlError::new("08P01", format!("no value for ${}", parameter + 1)));
            }
        };
        prepared.raw_bind_parameter(index + 1, ToSqlOutput::Borrowed(value))?;
    }
    Ok(())
}

fn put_row<'r>(
    portal: &Portal,
    value: impl Fn(usize) -> Result<ValueRef<'r>, SqlError>,
    out: &mut BytesMut,
) -> Result<(), SqlError> {
    let columns = &portal.statement.columns;
    out.put_u8(MESSAGE_TYPE_BYTE_DATA_ROW);
    let start = out.len();
    out.put_u32(0);
    out.put_u16(u16::try_from(columns.len()).expect("SQLite has at most 2,000 columns"));
    for (index, column) in columns.iter().enumerate() {
        column.kind.encode(portal.result_formats.of(index), value(index)?, out)?;
    }
    let length = u32::try_from(out.len() - start)
        .map_err(|_| SqlError::new("54000", "a row is larger than 4 GiB, select less"))?;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
