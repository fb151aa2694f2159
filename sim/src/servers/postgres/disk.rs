//! The server's disk: the data, which outlives every server that runs on it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::BytesMut;
use rusqlite::{Connection, OptionalExtension};

use super::dialect::SqlError;
use super::engine::{Engine, Portal};
use super::faults::{CommitFate, DeathPoint, FaultPlan, Faults};
use super::turn::{Epoch, Revoked, Ticket, TurnQueue};

/// A handle on the disk; clones are the same disk. Created once per world, kept outside the host.
#[derive(Clone, Debug)]
pub struct Disk {
    storage: Arc<Mutex<Storage>>,
}

impl Disk {
    /// An empty disk. `now_ms` is the server's wall clock in milliseconds since 1970; SQL reads it
    /// as `clock_timestamp_ms()`, and it stands still within a statement.
    ///
    /// # Errors
    /// SQLite could not be opened, for want of memory.
    pub fn new(now_ms: fn() -> i64) -> io::Result<Disk> {
        let engine = Engine::new(now_ms).map_err(io::Error::other)?;
        let storage = Storage { engine, turn: TurnQueue::default(), faults: FaultPlan::default(), sessions: 0 };
        Ok(Disk { storage: Arc::new(Mutex::new(storage)) })
    }

    /// Reads past the server, committed data only; also while a transaction is open and while no
    /// server runs. `read` cannot write: SQLite refuses.
    ///
    /// # Errors
    /// SQLite could not switch to reading only; errors within `read` are `read`'s to return.
    pub fn read<T>(&self, read: impl FnOnce(&Connection) -> T) -> rusqlite::Result<T> {
        self.storage().engine.on_committed(|engine| engine.read(read))
    }

    /// The integer in the first row of a query over committed data, `None` without a row.
    ///
    /// # Errors
    /// What SQLite says of the query, and a first column that is no integer.
    pub fn query_i64(&self, sql: &str) -> rusqlite::Result<Option<i64>> {
        self.read(|connection| connection.query_row(sql, (), |row| row.get(0)).optional())?
    }

    /// The faults of every server on this disk.
    #[must_use]
    pub fn faults(&self) -> Faults {
        Faults::new(self.clone())
    }

    /// Takes the disk over: what an earlier server left open is rolled back and its sessions are
    /// shut out, whether or not anything of it still exists.
    pub(super) fn open_epoch(&self) -> Epoch {
        let mut storage = self.storage();
        storage.engine.rollback();
        storage.turn.open_epoch()
    }

    /// The lock is held for single steps only and never across an await.
    pub(super) fn storage(&self) -> MutexGuard<'_, Storage> {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a statement or a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With this many rows.
    Done(u64),
    /// With the death of the server; nobody may be answered any more.
    Died,
}

/// Everything behind the lock.
#[derive(Debug)]
pub(super) struct Storage {
    pub(super) engine: Engine,
    pub(super) turn: TurnQueue,
    pub(super) faults: FaultPlan,
    sessions: u32,
}

impl Storage {
    /// Admits a new session, numbered in order of arrival over the life of the disk.
    pub(super) fn new_session(&mut self, epoch: Epoch) -> Result<Ticket, Revoked> {
        self.turn.admit(epoch)?;
        self.sessions += 1;
        Ok(Ticket { epoch, session: self.sessions })
    }

    /// Runs a statement that is a transaction of its own. One that writes needs the turn, or that
    /// nobody has it.
    pub(super) fn run_alone(&mut self, portal: &Arc<Portal>, out: &mut BytesMut) -> Result<Ending, SqlError> {
        self.faults.counters.statements += 1;
        let statement = &portal.statement;
        if !statement.writes {
            return self.engine.on_committed(|engine| engine.run(portal, out)).map(Ending::Done);
        }
        self.refuse_on_request()?;
        // SQLite's own transaction around a statement is the cheapest. It cannot be refused or
        // interrupted at its commit, nor undone when a row it returned does not fit its type.
        if !self.faults.threatens_commit() && statement.columns.is_empty() {
            let rows = self.engine.run(portal, out)?;
            self.faults.counters.commits += 1;
            return Ok(Ending::Done(rows));
        }
        self.engine.begin()?;
        let before = out.len();
        let ended = self.engine.run(portal, out).and_then(|rows| {
            Ok(match self.commit()? {
                Ending::Done(_) => Ending::Done(rows),
                Ending::Died => Ending::Died,
            })
        });
        if !matches!(ended, Ok(Ending::Done(_))) {
            out.truncate(before);
            self.engine.rollback();
        }
        ended
    }

    /// Runs a statement in the transaction of the session that has the turn, which begins with its
    /// first statement.
    pub(super) fn run_in_transaction(&mut self, portal: &Arc<Portal>, out: &mut BytesMut) -> Result<Ending, SqlError> {
        self.faults.counters.statements += 1;
        if !self.engine.in_transaction() {
            self.engine.begin()?;
        }
        if portal.statement.writes {
            self.refuse_on_request()?;
        }
        self.engine.run(portal, out).map(Ending::Done)
    }

    /// Commits the open transaction. Whatever the outcome, none is open afterwards.
    pub(super) fn commit(&mut self) -> Result<Ending, SqlError> {
        let wrote = self.engine.has_written();
        let fate = if wrote { self.faults.decide_commit() } else { CommitFate::Proceed };
        match fate {
            CommitFate::Refuse => {
                self.engine.rollback();
                return Err(SqlError::serialization_failure("commit"));
            }
            CommitFate::Die(DeathPoint::BeforeCommit) => {
                self.engine.rollback();
                self.turn.open_epoch();
                return Ok(Ending::Died);
            }
            CommitFate::Proceed | CommitFate::Die(DeathPoint::AfterCommit) => self.engine.commit()?,
        }
        self.faults.counters.commits += u64::from(wrote);
        if fate == CommitFate::Proceed {
            return Ok(Ending::Done(0));
        }
        self.turn.open_epoch();
        Ok(Ending::Died)
    }

    fn refuse_on_request(&mut self) -> Result<(), SqlError> {
        if self.faults.fails_statement() {
            return Err(SqlError::serialization_failure("statement"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::dialect::Verb;
    use super::*;
    use std::task::{Poll, Waker};

    fn run(disk: &Disk, sql: &str) -> Result<Ending, SqlError> {
        let mut storage = disk.storage();
        let statement = storage.engine.describe(sql)?.unwrap();
        storage.run_alone(&Arc::new(Portal::plain(statement)), &mut BytesMut::new())
    }

    fn run_inside(disk: &Disk, sql: &str) -> Result<Ending, SqlError> {
        let mut storage = disk.storage();
        let statement = storage.engine.describe(sql)?.unwrap();
        storage.run_in_transaction(&Arc::new(Portal::plain(statement)), &mut BytesMut::new())
    }

    fn disk() -> Disk {
        let disk = Disk::new(|| 1_000).unwrap();
        run(&disk, "CREATE TABLE t (n BIGINT PRIMARY KEY, at BIGINT)").unwrap();
        disk
    }

    const COUNT: &str = "SELECT count(*) FROM t";

    #[test]
    fn an_open_transaction_is_invisible_and_survives_being_looked_past() {
        let disk = disk();
        run_inside(&disk, "INSERT INTO t VALUES (1, clock_timestamp_ms())").unwrap();
        run_inside(&disk, "CREATE TABLE u (n BIGINT)").unwrap();
        run_inside(&disk, "INSERT INTO u VALUES (7)").unwrap();
        assert_eq!(disk.query_i64(COUNT), Ok(Some(0)));
        assert!(disk.query_i64("SELECT n FROM u").is_err());
        assert_eq!(disk.storage().commit(), Ok(Ending::Done(0)));
        assert_eq!(disk.query_i64("SELECT at FROM t"), Ok(Some(1_000)));
        assert_eq!(disk.query_i64("SELECT n FROM u"), Ok(Some(7)));
    }

    #[test]
    fn a_transaction_set_aside_keeps_the_times_it_saw() {
        use std::sync::atomic::{AtomicI64, Ordering};
        static NOW: AtomicI64 = AtomicI64::new(5);
        let disk = Disk::new(|| NOW.load(Ordering::Relaxed)).unwrap();
        run(&disk, "CREATE TABLE t (at BIGINT)").unwrap();
        run_inside(&disk, "INSERT INTO t VALUES (clock_timestamp_ms())").unwrap();
        NOW.store(99, Ordering::Relaxed);
        assert_eq!(disk.query_i64("SELECT count(*) FROM t"), Ok(Some(0)));
        assert_eq!(disk.storage().commit(), Ok(Ending::Done(0)));
        assert_eq!(disk.query_i64("SELECT at FROM t"), Ok(Some(5)));
        assert_eq!(disk.query_i64("SELECT clock_timestamp_ms()"), Ok(Some(99)));
    }

    #[test]
    fn a_new_epoch_rolls_back_what_the_old_server_left_open() {
        let disk = disk();
        let old = disk.open_epoch();
        let ticket = disk.storage().new_session(old).unwrap();
        assert!(disk.storage().turn.poll(ticket, Waker::noop()).is_ready());
        run_inside(&disk, "INSERT INTO t VALUES (1, 0)").unwrap();
        let new = disk.open_epoch();
        assert_eq!(disk.query_i64(COUNT), Ok(Some(0)));
        assert_eq!(disk.storage().new_session(old), Err(Revoked));
        let ticket = disk.storage().new_session(new).unwrap();
        assert_eq!(disk.storage().turn.poll(ticket, Waker::noop()), Poll::Ready(Ok(())));
    }

    #[test]
    fn a_reader_past_the_server_cannot_write() {
        let disk = disk();
        let result = disk.read(|connection| connection.execute("INSERT INTO t VALUES (1, 0)", ()));
        assert!(result.unwrap().is_err());
        run(&disk, "INSERT INTO t VALUES (1, 0)").unwrap();
        assert_eq!(disk.query_i64(COUNT), Ok(Some(1)));
    }

    #[test]
    fn a_returned_row_that_does_not_fit_undoes_the_statement() {
        let disk = disk();
        let sql = "INSERT INTO t VALUES (1, 0) RETURNING 'text' AS n /*cols int8*/";
        assert_eq!(run(&disk, sql).unwrap_err().code, "42804");
        assert_eq!(disk.query_i64(COUNT), Ok(Some(0)));
    }

    #[test]
    fn commit_faults_leave_exactly_what_they_promise() {
        let disk = disk();
        let faults = disk.faults();
        let insert = |n: i64| run(&disk, &format!("INSERT INTO t VALUES ({n}, 0)"));
        faults.fail_commits(1);
        assert_eq!(insert(1).unwrap_err().code, "40001");
        faults.die_at_commit(DeathPoint::BeforeCommit);
        assert_eq!(insert(2), Ok(Ending::Died));
        assert_eq!(disk.query_i64(COUNT), Ok(Some(0)));
        faults.die_at_commit(DeathPoint::AfterCommit);
        assert_eq!(insert(3), Ok(Ending::Died));
        assert_eq!(disk.query_i64("SELECT n FROM t"), Ok(Some(3)));
        let counters = faults.counters();
        // The other commit is the CREATE TABLE.
        assert_eq!((counters.commits, counters.failed_commits, counters.deaths), (2, 1, 2));
    }

    #[test]
    fn a_statement_that_fails_by_itself_uses_up_no_commit_fault() {
        let disk = disk();
        run(&disk, "INSERT INTO t VALUES (1, 0)").unwrap();
        disk.faults().die_at_commit(DeathPoint::AfterCommit);
        assert_eq!(run(&disk, "INSERT INTO t VALUES (1, 0)").unwrap_err().code, "23505");
        assert_eq!(run(&disk, COUNT), Ok(Ending::Done(1)));
        assert_eq!(disk.faults().counters().deaths, 0);
        assert_eq!(run(&disk, "INSERT INTO t VALUES (2, 0)"), Ok(Ending::Died));
    }

    #[test]
    fn time_and_randomness_of_sqlite_are_refused() {
        let disk = disk();
        for expression in [
            "random()",
            "randomblob(4)",
            "datetime('now')",
            "date()",
            "julianday('now')",
            "unixepoch()",
            "strftime('%s', 'now')",
            "CURRENT_TIMESTAMP",
            "CURRENT_DATE",
            "CURRENT_TIME",
        ] {
            let error = run(&disk, &format!("SELECT {expression}")).unwrap_err();
            assert_eq!(error.code, "0A000", "{expression}: {error}");
        }
    }

    #[test]
    fn error_codes_are_those_of_postgresql() {
        let disk = disk();
        for (sql, code) in [
            ("SELECT * FROM nowhere", "42P01"),
            ("SELECT missing FROM t", "42703"),
            ("SELECT \"missing\" FROM t", "42703"),
            ("INSERT INTO t (missing) VALUES (1)", "42703"),
            ("SELEC 1", "42601"),
            ("SELECT FROM WHERE", "42601"),
            ("SELECT nosuchfunction(1)", "42883"),
            ("CREATE TABLE t (n BIGINT)", "42P07"),
            ("SELECT 1; SELECT 2", "42601"),
            ("SELECT $1::bigint", "42601"),
            ("SELECT :name", "42601"),
            ("SELECT 9223372036854775807 + 1", "22003"),
        ] {
            let error = run(&disk, sql).unwrap_err();
            assert_eq!(error.code, code, "{sql}: {error}");
        }
        run(&disk, "CREATE TABLE c (n BIGINT NOT NULL CHECK (n > 0), o BIGINT REFERENCES t(n))").unwrap();
        assert_eq!(run(&disk, "INSERT INTO c VALUES (NULL, NULL)").unwrap_err().code, "23502");
        assert_eq!(run(&disk, "INSERT INTO c VALUES (0, NULL)").unwrap_err().code, "23514");
        assert_eq!(run(&disk, "INSERT INTO c VALUES (1, 5)").unwrap_err().code, "23503");
    }

    #[test]
    fn a_statement_parsed_before_a_change_of_schema_is_parsed_again() {
        let disk = disk();
        run(&disk, "SELECT * FROM t").unwrap();
        run(&disk, "ALTER TABLE t ADD COLUMN name TEXT").unwrap();
        assert_eq!(run(&disk, "SELECT * FROM t"), Ok(Ending::Done(0)));
        let mut storage = disk.storage();
        assert_eq!(storage.engine.describe("SELECT * FROM t").unwrap().unwrap().columns.len(), 3);
        assert_eq!(storage.engine.describe("DROP TABLE t").unwrap().unwrap().verb, Verb::Schema("DROP TABLE"));
    }
}
