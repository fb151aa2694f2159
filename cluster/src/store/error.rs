//! What can go wrong between a node and the store.

use std::time::Duration;
use thiserror::Error;

/// Why a store operation failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StoreError {
    /// No connection could be made.
    #[error("store cannot be reached ({0}); check host, port, user and database")]
    Connect(String),
    /// No answer in time; the connection was given up.
    #[error("store did not answer within {0:?}; the outcome is unknown")]
    TimedOut(Duration),
    /// The connection broke before the answer.
    #[error("store connection was lost ({0}); the outcome is unknown")]
    Lost(String),
    /// The server refused the statement.
    #[error("store refused: {message} (SQLSTATE {sqlstate})")]
    Database {
        /// The five-character SQLSTATE.
        sqlstate: String,
        /// The server's words.
        message: String,
    },
    /// A later build has been here.
    #[error("store has schema version {found}, this build knows {known}; upgrade this node")]
    SchemaTooNew {
        /// What the store has.
        found: i64,
        /// What this build knows.
        known: i64,
    },
}

impl StoreError {
    /// Whether a write may have taken effect all the same.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Lost(_))
    }

    /// Whether the same statement may well succeed at once: a serialization failure or deadlock.
    pub(super) fn is_conflict(&self) -> bool {
        self.has_state(&["40001", "40P01"])
    }

    /// Whether two nodes have created the same thing at the same time.
    pub(super) fn is_creation_race(&self) -> bool {
        self.is_conflict() || self.has_state(&["23505", "42P07", "42710"])
    }

    /// Whether the tables are not there yet.
    pub(super) fn is_missing_table(&self) -> bool {
        self.has_state(&["42P01"])
    }

    fn has_state(&self, states: &[&str]) -> bool {
        matches!(self, Self::Database { sqlstate, .. } if states.contains(&sqlstate.as_str()))
    }
}

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(refusal) => {
                Self::Database { sqlstate: refusal.code().code().to_owned(), message: refusal.message().to_owned() }
            }
            None => Self::Lost(error.to_string()),
        }
    }
}
