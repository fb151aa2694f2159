//! A session's transaction: where it stands, when it has the turn, how it ends.

use std::future::poll_fn;
use std::sync::{Arc, MutexGuard};

use bytes::BytesMut;
use pgwire::messages::response::TransactionStatus;

use super::PostgresServer;
use super::catalogue::Statement;
use super::dialect::{SqlError, Verb};
use super::disk::{Ending, Storage};
use super::engine::Portal;
use super::turn::{Revoked, Ticket};

/// Where a session stands between BEGIN and COMMIT. The turn and SQLite's transaction come with the
/// first statement, as a snapshot does in PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// Each statement for itself.
    Idle,
    /// The statements of one simple query, which stand or fall together.
    Implicit,
    /// After BEGIN.
    Open,
    /// After BEGIN and an error: nothing but its end is accepted, and nothing is held.
    Failed,
}

/// The transactions of one session, one after the other. Dropping it undoes the open one.
#[derive(Debug)]
pub(super) struct Transaction {
    server: PostgresServer,
    ticket: Ticket,
    block: Block,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.abort();
    }
}

impl Transaction {
    pub(super) fn new(server: PostgresServer, ticket: Ticket) -> Transaction {
        Transaction { server, ticket, block: Block::Idle }
    }

    /// Whether no transaction is open, not even a failed one.
    pub(super) fn is_idle(&self) -> bool {
        self.block == Block::Idle
    }

    /// What a client is told of it.
    pub(super) fn status(&self) -> TransactionStatus {
        match self.block {
            Block::Idle | Block::Implicit => TransactionStatus::Idle,
            Block::Open => TransactionStatus::Transaction,
            Block::Failed => TransactionStatus::Error,
        }
    }

    /// Makes the statements that follow stand or fall together, unless BEGIN has already.
    pub(super) fn join_statements(&mut self) {
        if self.block == Block::Idle {
            self.block = Block::Implicit;
        }
    }

    /// Commits what [`Transaction::join_statements`] joined.
    pub(super) async fn commit_joined(&mut self) -> Result<(), SqlError> {
        if self.block == Block::Implicit {
            self.commit().await?;
        }
        Ok(())
    }

    /// Looks a statement up, as far as the transaction still accepts it.
    pub(super) fn look_up(&self, sql: &str) -> Result<Option<Arc<Statement>>, SqlError> {
        let mut storage = self.server.disk().storage();
        storage.turn.admit(self.ticket.epoch).map_err(shut_out)?;
        let statement = storage.engine.describe(sql);
        if self.block == Block::Failed && !matches!(&statement, Ok(Some(s)) if s.verb.is_control()) {
            return Err(in_failed_transaction());
        }
        statement
    }

    /// After an error: what was done is undone, and what was begun with BEGIN has failed.
    pub(super) fn fail(&mut self) {
        self.abort();
        self.block = match self.block {
            Block::Idle | Block::Implicit => Block::Idle,
            Block::Open | Block::Failed => Block::Failed,
        };
    }

    /// Undoes the open transaction and lets the next session have its turn.
    pub(super) fn abort(&self) {
        let next = {
            let mut storage = self.server.disk().storage();
            if storage.turn.holds(self.ticket) {
                storage.engine.rollback();
            }
            storage.turn.leave(self.ticket)
        };
        if let Some(next) = next {
            next.wake();
        }
    }

    /// Runs one statement, appends its rows and returns its tag.
    pub(super) async fn run(&mut self, portal: &Arc<Portal>, out: &mut BytesMut) -> Result<String, SqlError> {
        let verb = portal.statement.verb;
        match (verb, self.block) {
            (Verb::Commit, _) => return self.commit().await,
            (Verb::Rollback, _) => {
                self.abort();
                self.block = Block::Idle;
            }
            (_, Block::Failed) => return Err(in_failed_transaction()),
            (Verb::Begin, _) => self.block = Block::Open,
            (Verb::Setting(_), _) => {}
            (_, Block::Idle) => return self.run_alone(portal, out).await.map(|rows| verb.tag(rows)),
            (_, Block::Implicit | Block::Open) => {
                self.serve_time().await;
                self.take_turn().await?;
                let ended = {
                    let mut storage = self.in_turn()?;
                    storage.run_in_transaction(portal, out)
                };
                return self.survive(ended?).await.map(|rows| verb.tag(rows));
            }
        }
        Ok(verb.tag(0))
    }

    /// A statement by itself: writing ones wait for the turn, reading ones for nobody.
    async fn run_alone(&mut self, portal: &Arc<Portal>, out: &mut BytesMut) -> Result<u64, SqlError> {
        self.serve_time().await;
        let at_once = {
            let mut storage = self.server.disk().storage();
            storage.turn.admit(self.ticket.epoch).map_err(shut_out)?;
            let may_run = !portal.statement.writes || storage.turn.is_free();
            may_run.then(|| storage.run_alone(portal, out))
        };
        let ended = match at_once {
            Some(ended) => ended,
            None => {
                self.take_turn().await?;
                let ended = {
                    let mut storage = self.in_turn()?;
                    storage.run_alone(portal, out)
                };
                self.abort();
                ended
            }
        };
        self.survive(ended?).await
    }

    /// Ends the transaction. A failed one is rolled back, which the tag tells.
    async fn commit(&mut self) -> Result<String, SqlError> {
        let failed = self.block == Block::Failed;
        let has_turn = self.server.disk().storage().turn.holds(self.ticket);
        let ended = if has_turn {
            self.serve_time().await;
            self.in_turn()?.commit()
        } else {
            Ok(Ending::Done(0))
        };
        // Also after a commit that failed: there is nothing left to roll back.
        self.abort();
        self.block = Block::Idle;
        self.survive(ended?).await?;
        Ok(if failed { Verb::Rollback } else { Verb::Commit }.tag(0))
    }

    /// The storage, if the turn has not been taken away since it was given.
    fn in_turn(&self) -> Result<MutexGuard<'_, Storage>, SqlError> {
        let storage = self.server.disk().storage();
        if storage.turn.holds(self.ticket) { Ok(storage) } else { Err(shut_out(Revoked)) }
    }

    async fn take_turn(&self) -> Result<(), SqlError> {
        poll_fn(|context| self.server.disk().storage().turn.poll(self.ticket, context.waker())).await.map_err(shut_out)
    }

    async fn serve_time(&self) {
        let time = self.server.disk().storage().faults.service_time;
        if !time.is_zero() {
            tokio::time::sleep(time).await;
        }
    }

    /// The rows of what ended well. What killed the server does not return.
    async fn survive(&self, ended: Ending) -> Result<u64, SqlError> {
        match ended {
            Ending::Done(rows) => Ok(rows),
            Ending::Died => match self.server.die().await {},
        }
    }
}

fn in_failed_transaction() -> SqlError {
    SqlError::new("25P02", "current transaction is aborted, commands ignored until end of transaction block")
}

fn shut_out(_: Revoked) -> SqlError {
    SqlError::fatal("57P01", "terminating connection: another server has taken the disk over")
}
