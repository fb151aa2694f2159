//! Where SQLite and PostgreSQL differ in words: verbs, command tags, refusals, error codes.

use rusqlite::ffi;

/// How much of the session an error ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    /// The statement, and the transaction it is in.
    Error,
    /// The connection.
    Fatal,
}

/// An error as the client sees it: severity, SQLSTATE, message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub(super) struct SqlError {
    pub(super) severity: Severity,
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl SqlError {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> SqlError {
        SqlError { severity: Severity::Error, code, message: message.into() }
    }

    pub(super) fn fatal(code: &'static str, message: impl Into<String>) -> SqlError {
        SqlError { severity: Severity::Fatal, code, message: message.into() }
    }

    pub(super) fn serialization_failure(place: &str) -> SqlError {
        SqlError::new("40001", format!("could not serialize access at {place}, retry the transaction"))
    }
}

impl From<rusqlite::Error> for SqlError {
    fn from(error: rusqlite::Error) -> SqlError {
        SqlError::new(sqlstate(&error), error.to_string())
    }
}

fn sqlstate(error: &rusqlite::Error) -> &'static str {
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => match failure.extended_code {
            ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE | ffi::SQLITE_CONSTRAINT_ROWID => "23505",
            ffi::SQLITE_CONSTRAINT_NOTNULL => "23502",
            ffi::SQLITE_CONSTRAINT_CHECK => "23514",
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY => "23503",
            // What a refused function answers; a plain syntax error carries its offset instead.
            ffi::SQLITE_ERROR => sqlstate_of_message(&error.to_string()),
            _ => "XX000",
        },
        rusqlite::Error::SqlInputError { msg, .. } => sqlstate_of_message(msg),
        _ => "XX000",
    }
}

fn sqlstate_of_message(message: &str) -> &'static str {
    const BY_TEXT: [(&str, &str); 7] = [
        (REFUSED_FUNCTION, "0A000"),
        ("no such table", "42P01"),
        ("no such column", "42703"),
        ("no such function", "42883"),
        ("has no column named", "42703"),
        ("already exists", "42P07"),
        ("integer overflow", "22003"),
    ];
    BY_TEXT.iter().find(|(text, _)| message.contains(text)).map_or("42601", |(_, code)| code)
}

/// The message of a function that would break determinism.
pub(super) const REFUSED_FUNCTION: &str =
    "not offered here: time comes from clock_timestamp_ms(), randomness from a parameter";

/// SQLite's own sources of time and randomness, with their numbers of arguments (−1: any).
pub(super) const REFUSED_FUNCTIONS: [(&str, i32); 12] = [
    ("random", 0),
    ("randomblob", 1),
    ("date", -1),
    ("time", -1),
    ("datetime", -1),
    ("julianday", -1),
    ("strftime", -1),
    ("unixepoch", -1),
    ("timediff", 2),
    ("current_date", 0),
    ("current_time", 0),
    ("current_timestamp", 0),
];

/// What a statement does, by its first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Begin,
    Commit,
    Rollback,
    /// SET, RESET, DISCARD: accepted and without effect.
    Setting(&'static str),
    /// CREATE, DROP, ALTER.
    Schema(&'static str),
    Insert,
    Update,
    Delete,
    /// SELECT, VALUES, WITH.
    Query,
}

impl Verb {
    /// The verb of one statement, `None` if it holds nothing but space and comments.
    ///
    /// # Errors
    /// A statement that PostgreSQL does not know, or that this server does not offer.
    pub(super) fn of(sql: &str) -> Result<Option<Verb>, SqlError> {
        let start = code_start(sql);
        let word: String = sql[start..].chars().take_while(char::is_ascii_alphabetic).collect::<String>();
        Ok(Some(match word.to_ascii_uppercase().as_str() {
            "BEGIN" | "START" => Verb::Begin,
            "COMMIT" | "END" => Verb::Commit,
            "ROLLBACK" | "ABORT" if mentions_savepoint(&sql[start..]) => {
                return Err(no_savepoints());
            }
            "ROLLBACK" | "ABORT" => Verb::Rollback,
            "SET" => Verb::Setting("SET"),
            "RESET" => Verb::Setting("RESET"),
            "DISCARD" => Verb::Setting("DISCARD ALL"),
            "CREATE" => Verb::Schema("CREATE TABLE"),
            "DROP" => Verb::Schema("DROP TABLE"),
            "ALTER" => Verb::Schema("ALTER TABLE"),
            "INSERT" => Verb::Insert,
            "UPDATE" => Verb::Update,
            "DELETE" => Verb::Delete,
            "SELECT" | "VALUES" | "WITH" => Verb::Query,
            "SAVEPOINT" | "RELEASE" => return Err(no_savepoints()),
            "" if start == sql.len() => return Ok(None),
            _ => {
                let near = if word.is_empty() { &sql[start..] } else { word.as_str() };
                return Err(SqlError::new("42601", format!("syntax error at or near {near:?}")));
            }
        }))
    }

    /// The tag of a finished command.
    pub(super) fn tag(self, rows: u64) -> String {
        match self {
            Verb::Begin => "BEGIN".into(),
            Verb::Commit => "COMMIT".into(),
            Verb::Rollback => "ROLLBACK".into(),
            Verb::Setting(tag) | Verb::Schema(tag) => tag.into(),
            Verb::Insert => format!("INSERT 0 {rows}"),
            Verb::Update => format!("UPDATE {rows}"),
            Verb::Delete => format!("DELETE {rows}"),
            Verb::Query => format!("SELECT {rows}"),
        }
    }

    /// Whether the statement is about the session and not about data.
    pub(super) fn is_control(self) -> bool {
        matches!(self, Verb::Begin | Verb::Commit | Verb::Rollback | Verb::Setting(_))
    }
}

fn mentions_savepoint(sql: &str) -> bool {
    sql.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("to"))
}

fn no_savepoints() -> SqlError {
    SqlError::new("0A000", "savepoints are not offered here, use one transaction for each attempt")
}

/// The statements of a text, without their semicolons and without empty ones.
pub(super) fn statements(sql: &str) -> Vec<&str> {
    let bytes = sql.as_bytes();
    let (mut found, mut start, mut at) = (Vec::new(), 0, 0);
    while at < bytes.len() {
        let next = skip_opaque(bytes, at);
        if next > at {
            at = next;
            continue;
        }
        if bytes[at] == b';' {
            found.push(&sql[start..at]);
            start = at + 1;
        }
        at += 1;
    }
    found.push(&sql[start..]);
    found.retain(|statement| code_start(statement) < statement.len());
    found.into_iter().map(str::trim).collect()
}

/// Refuses what SQLite would take for something else.
///
/// # Errors
/// `::`, which SQLite reads as part of a parameter's name: the value would silently be NULL.
pub(super) fn refuse_misread(sql: &str) -> Result<(), SqlError> {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let next = skip_opaque(bytes, at);
        if next > at {
            at = next;
        } else if bytes[at..].starts_with(b"::") {
            let message = "the :: operator is not offered here, write CAST(… AS …)";
            return Err(SqlError::new("42601", message));
        } else {
            at += 1;
        }
    }
    Ok(())
}

/// Where the first character that is neither space nor comment stands; the length if there is none.
fn code_start(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at].is_ascii_whitespace() {
            at += 1;
        } else if matches!(bytes[at], b'-' | b'/') && skip_opaque(bytes, at) > at {
            at = skip_opaque(bytes, at);
        } else {
            break;
        }
    }
    at
}

/// The end of the quoted text or comment that starts at `at`; `at` itself if none starts there.
fn skip_opaque(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let past = |opening: usize, closing: &[u8]| {
        let found = memchr::memmem::find(&rest[opening..], closing);
        found.map_or(bytes.len(), |place| at + opening + place + closing.len())
    };
    match rest {
        [quote @ (b'\'' | b'"'), ..] => past(1, std::slice::from_ref(quote)),
        [b'-', b'-', ..] => past(2, b"\n"),
        [b'/', b'*', ..] => past(2, b"*/"),
        _ => at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn semicolons_in_quotes_and_comments_separate_nothing() {
        let sql = "INSERT INTO t VALUES ('a;b''c;', \"d;\"); -- x;\n SELECT 1 /* ; */;; ";
        assert_eq!(statements(sql), ["INSERT INTO t VALUES ('a;b''c;', \"d;\")", "-- x;\n SELECT 1 /* ; */"]);
        assert!(statements(" ; -- only this\n ;").is_empty());
    }

    #[test]
    fn the_verb_stands_behind_space_and_comments() {
        assert_eq!(Verb::of(" /* x */ -- y\n insert into t"), Ok(Some(Verb::Insert)));
        assert_eq!(Verb::of("start transaction isolation level serializable"), Ok(Some(Verb::Begin)));
        assert_eq!(Verb::of("  -- nothing"), Ok(None));
        assert_eq!(Verb::of("PRAGMA foreign_keys = 0").unwrap_err().code, "42601");
        assert_eq!(Verb::of("SAVEPOINT a").unwrap_err().code, "0A000");
        assert_eq!(Verb::of("ROLLBACK TO a").unwrap_err().code, "0A000");
    }

    #[test]
    fn a_cast_operator_is_refused_unless_it_is_only_quoted() {
        assert_eq!(refuse_misread("SELECT $1::bigint").unwrap_err().code, "42601");
        assert_eq!(refuse_misread("SELECT 'a::b' /* :: */ -- ::"), Ok(()));
    }

    #[test]
    fn tags_are_the_ones_clients_count_rows_by() {
        assert_eq!(Verb::Insert.tag(3), "INSERT 0 3");
        assert_eq!(Verb::Query.tag(0), "SELECT 0");
    }

    proptest! {
        #[test]
        fn any_text_is_taken_apart_without_losing_statements(sql in "[a-z;'\"/*\\- \n:é]{0,60}") {
            for statement in statements(&sql) {
                prop_assert!(sql.contains(statement));
                prop_assert!(Verb::of(statement).is_err() || Verb::of(statement).unwrap().is_some());
            }
            let _ = refuse_misread(&sql);
        }
    }
}
