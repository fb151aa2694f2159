//! What is known of each statement, found out once and kept by its text.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use pgwire::messages::Message;
use pgwire::messages::data::{FieldDescription, NoData, RowDescription};
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::dialect::{SqlError, Verb, refuse_misread, statements};
use super::types::{ColumnType, WireFormats};

/// A client that writes values into its statements would fill the memory; it is slow instead.
const STATEMENTS_MAX: usize = 1024;

/// A column of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: ColumnType,
}

/// A statement, parsed.
#[derive(Debug)]
pub(super) struct Statement {
    pub(super) sql: Arc<str>,
    pub(super) verb: Verb,
    /// Whether it can change data.
    pub(super) writes: bool,
    pub(super) columns: Vec<Column>,
    /// For each of SQLite's parameters, the PostgreSQL parameter it stands for, from zero.
    pub(super) parameters: Vec<usize>,
    /// How many parameters a client must give.
    pub(super) parameter_count: usize,
    /// The answer to Describe, encoded.
    pub(super) description: Bytes,
}

impl Statement {
    /// The description of the rows in the formats a portal asks for.
    pub(super) fn row_description(&self, formats: &WireFormats) -> Result<Bytes, SqlError> {
        describe_columns(&self.columns, formats)
    }
}

/// The statements seen since the schema last changed.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    statements: FxHashMap<Arc<str>, Arc<Statement>>,
    /// Types by column name over all tables, `None` where tables disagree; gathered when needed.
    column_types: Option<FxHashMap<String, Option<ColumnType>>>,
}

impl Catalogue {
    /// Forgets everything, because the schema has changed.
    pub(super) fn forget(&mut self) {
        self.statements.clear();
        self.column_types = None;
    }

    /// What is known of this statement; `None` if the text holds none.
    pub(super) fn describe(&mut self, connection: &Connection, sql: &str) -> Result<Option<Arc<Statement>>, SqlError> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(Some(Arc::clone(statement)));
        }
        let Some(verb) = single_verb(sql)? else {
            return Ok(None);
        };
        let statement = Arc::new(self.parse(connection, sql, verb)?);
        if self.statements.len() >= STATEMENTS_MAX {
            self.statements.clear();
        }
        self.statements.insert(Arc::clone(&statement.sql), Arc::clone(&statement));
        Ok(Some(statement))
    }

    fn parse(&mut self, connection: &Connection, sql: &str, verb: Verb) -> Result<Statement, SqlError> {
        if verb.is_control() {
            return Statement::new(sql, verb, false, Vec::new(), Vec::new());
        }
        refuse_misread(sql)?;
        let prepared = connection.prepare_cached(sql)?;
        let hints = column_hints(sql);
        let mut columns = Vec::with_capacity(prepared.column_count());
        for (index, column) in prepared.columns().enumerate() {
            let declared = column.decl_type().and_then(ColumnType::from_declaration);
            let kind = match declared.or_else(|| hints.get(index).copied().flatten()) {
                Some(kind) => kind,
                None => self.type_by_name(connection, column.name())?.unwrap_or(ColumnType::Int8),
            };
            columns.push(Column { name: column.name().to_owned(), kind });
        }
        let parameters = (1..=prepared.parameter_count())
            .map(|index| parameter_number(prepared.parameter_name(index)))
            .collect::<Result<_, _>>()?;
        Statement::new(sql, verb, !prepared.readonly(), columns, parameters)
    }

    fn type_by_name(&mut self, connection: &Connection, name: &str) -> Result<Option<ColumnType>, SqlError> {
        let types = match &mut self.column_types {
            Some(types) => types,
            none => none.insert(declared_types(connection)?),
        };
        Ok(types.get(name).copied().flatten())
    }
}

impl Statement {
    fn new(
        sql: &str,
        verb: Verb,
        writes: bool,
        columns: Vec<Column>,
        parameters: Vec<usize>,
    ) -> Result<Statement, SqlError> {
        Ok(Statement {
            sql: sql.into(),
            verb,
            writes,
            description: describe_columns(&columns, &WireFormats::default())?,
            columns,
            parameter_count: parameters.iter().map(|number| number + 1).max().unwrap_or(0),
            parameters,
        })
    }
}

fn single_verb(sql: &str) -> Result<Option<Verb>, SqlError> {
    match statements(sql).as_slice() {
        [] => Ok(None),
        [statement] => Verb::of(statement),
        _ => {
            let message = "cannot insert multiple commands into a prepared statement";
            Err(SqlError::new("42601", message))
        }
    }
}

fn parameter_number(name: Option<&str>) -> Result<usize, SqlError> {
    let number = name.and_then(|name| name.strip_prefix('$')).and_then(|name| name.parse().ok());
    match number {
        Some(number @ 1..=65_535) => Ok(number - 1),
        _ => {
            let name = name.unwrap_or("?");
            Err(SqlError::new("42601", format!("parameter {name}: parameters are $1, $2 and so on")))
        }
    }
}

/// The types of a `/*cols int8,text*/` hint, which names what SQLite cannot know of an expression.
fn column_hints(sql: &str) -> Vec<Option<ColumnType>> {
    let hint = sql.split_once("/*cols ").and_then(|(_, rest)| rest.split_once("*/"));
    hint.map_or_else(Vec::new, |(types, _)| types.split(',').map(ColumnType::from_declaration).collect())
}

fn declared_types(connection: &Connection) -> Result<FxHashMap<String, Option<ColumnType>>, SqlError> {
    let mut query = connection
        .prepare("SELECT c.name, c.type FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table'")?;
    let mut rows = query.query(())?;
    let mut types = FxHashMap::default();
    while let Some(row) = rows.next()? {
        let kind = ColumnType::from_declaration(&row.get::<_, String>(1)?);
        let known = types.entry(row.get::<_, String>(0)?).or_insert(kind);
        if *known != kind {
            *known = None;
        }
    }
    Ok(types)
}

fn describe_columns(columns: &[Column], formats: &WireFormats) -> Result<Bytes, SqlError> {
    let mut out = BytesMut::new();
    let encoded = if columns.is_empty() {
        NoData::new().encode(&mut out)
    } else {
        let fields = columns.iter().enumerate().map(|(index, column)| {
            let (oid, size) = column.kind.oid_and_size();
            FieldDescription::new(column.name.clone(), 0, 0, oid, size, -1, formats.of(index) as i16)
        });
        RowDescription::new(fields.collect()).encode(&mut out)
    };
    encoded.map_err(|error| SqlError::new("54011", format!("too many columns: {error}")))?;
    Ok(out.freeze())
}
