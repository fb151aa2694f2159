//! A session: what one client asks, message by message.

use std::io;
use std::sync::Arc;

use pgwire::messages::PgWireFrontendMessage;
use pgwire::messages::data::ParameterDescription;
use pgwire::messages::extendedquery::{
    Bind, BindComplete, CloseComplete, Describe, Execute, Parse, ParseComplete, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::EmptyQueryResponse;
use rustc_hash::FxHashMap;
use tokio::io::{AsyncRead, AsyncWrite};

use super::PostgresServer;
use super::catalogue::Statement;
use super::connection::{Connection, unknown_parameter};
use super::dialect::{Severity, SqlError, statements};
use super::engine::Portal;
use super::transaction::Transaction;
use super::turn::Ticket;
use super::types::{ColumnType, WireFormats};

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Message,
    Hangup,
}

/// A statement a client has parsed, with the types it announced.
#[derive(Debug)]
struct Prepared {
    statement: Option<Arc<Statement>>,
    parameter_types: Arc<[ColumnType]>,
}

/// One client, greeted.
#[derive(Debug)]
pub(super) struct Session<S> {
    connection: Connection<S>,
    server: PostgresServer,
    transaction: Transaction,
    prepared: FxHashMap<String, Prepared>,
    /// `None` is the portal of an empty statement.
    portals: FxHashMap<String, Option<Arc<Portal>>>,
    /// After an error, messages are passed over until the client says Sync.
    skips_to_sync: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    pub(super) fn new(connection: Connection<S>, server: PostgresServer, ticket: Ticket) -> Session<S> {
        Session {
            connection,
            transaction: Transaction::new(server.clone(), ticket),
            server,
            prepared: FxHashMap::default(),
            portals: FxHashMap::default(),
            skips_to_sync: false,
        }
    }

    /// Serves the client until it leaves or is sent away.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        loop {
            let received = if self.transaction.is_idle() {
                Ok(self.connection.receive().await)
            } else {
                let limit = self.server.config().idle_in_transaction_timeout;
                tokio::time::timeout(limit, self.connection.receive()).await
            };
            self.server.be_silent_if_dead().await;
            let Ok(received) = received else {
                self.transaction.abort();
                let message = "terminating connection due to idle-in-transaction timeout";
                self.connection.put_error(&SqlError::fatal("25P03", message))?;
                return self.connection.flush().await;
            };
            let Some(message) = received? else {
                return Ok(());
            };
            if self.handle(message).await? == Next::Hangup {
                return Ok(());
            }
        }
    }

    async fn handle(&mut self, message: PgWireFrontendMessage) -> io::Result<Next> {
        let answered = match message {
            PgWireFrontendMessage::Sync(_) => return self.sync().await,
            PgWireFrontendMessage::Terminate(_) => return Ok(Next::Hangup),
            PgWireFrontendMessage::Flush(_) => {
                self.answer().await?;
                return Ok(Next::Message);
            }
            PgWireFrontendMessage::Query(query) => return self.query(&query.query).await,
            _ if self.skips_to_sync => return Ok(Next::Message),
            PgWireFrontendMessage::Parse(parse) => match self.parse(parse) {
                Ok(()) => self.connection.put(&ParseComplete::new()).map(Ok)?,
                Err(error) => Err(error),
            },
            PgWireFrontendMessage::Bind(bind) => match self.bind(bind) {
                Ok(()) => self.connection.put(&BindComplete::new()).map(Ok)?,
                Err(error) => Err(error),
            },
            PgWireFrontendMessage::Describe(describe) => self.describe(&describe)?,
            PgWireFrontendMessage::Execute(execute) => self.execute(execute).await?,
            PgWireFrontendMessage::Close(close) => {
                let name = close.name.unwrap_or_default();
                if close.target_type == TARGET_TYPE_BYTE_STATEMENT {
                    self.prepared.remove(&name);
                } else {
                    self.portals.remove(&name);
                }
                self.connection.put(&CloseComplete::new()).map(Ok)?
            }
            _ => Err(SqlError::fatal("08P01", "message not offered here, there is no COPY")),
        };
        let Err(error) = answered else {
            return Ok(Next::Message);
        };
        self.skips_to_sync = true;
        self.fail(&error).await
    }

    async fn sync(&mut self) -> io::Result<Next> {
        self.skips_to_sync = false;
        if self.transaction.is_idle() {
            self.portals.clear();
        }
        self.connection.put_ready(self.transaction.status())?;
        self.answer().await?;
        Ok(Next::Message)
    }

    /// Sends what was put so far; a server that has died in the meantime sends nothing.
    async fn answer(&mut self) -> io::Result<()> {
        self.server.be_silent_if_dead().await;
        self.connection.flush().await
    }

    /// Tells the client of an error and ends what the error ends.
    async fn fail(&mut self, error: &SqlError) -> io::Result<Next> {
        self.transaction.fail();
        self.connection.put_error(error)?;
        if error.severity == Severity::Fatal {
            self.answer().await?;
            return Ok(Next::Hangup);
        }
        Ok(Next::Message)
    }

    /// A simple query: statements in one text, one transaction unless they say otherwise.
    async fn query(&mut self, text: &str) -> io::Result<Next> {
        let statements = statements(text);
        if statements.is_empty() {
            self.connection.put(&EmptyQueryResponse::new())?;
        }
        let together = statements.len() > 1;
        let mut answered = Ok(());
        for sql in statements {
            if together {
                self.transaction.join_statements();
            }
            answered = self.query_one(sql).await?;
            if answered.is_err() {
                break;
            }
        }
        if answered.is_ok() {
            answered = self.transaction.commit_joined().await;
        }
        if let Err(error) = answered
            && self.fail(&error).await? == Next::Hangup
        {
            return Ok(Next::Hangup);
        }
        self.connection.put_ready(self.transaction.status())?;
        self.answer().await?;
        Ok(Next::Message)
    }

    async fn query_one(&mut self, sql: &str) -> io::Result<Result<(), SqlError>> {
        let statement = match self.transaction.look_up(sql) {
            Ok(Some(statement)) => statement,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        };
        let before = self.connection.out.len();
        let portal = Arc::new(Portal::plain(Arc::clone(&statement)));
        if !statement.columns.is_empty() {
            self.connection.out.extend_from_slice(&statement.description);
        }
        match self.transaction.run(&portal, &mut self.connection.out).await {
            Ok(tag) => self.connection.put_complete(tag).map(Ok),
            Err(error) => {
                self.connection.out.truncate(before);
                Ok(Err(error))
            }
        }
    }

    fn parse(&mut self, parse: Parse) -> Result<(), SqlError> {
        let statement = self.transaction.look_up(&parse.query)?;
        let parameter_types = (parse.type_oids.iter().enumerate())
            .map(|(index, &oid)| ColumnType::from_oid(oid).ok_or_else(|| unknown_parameter(index + 1, oid)))
            .collect::<Result<Arc<[_]>, _>>()?;
        if statement.as_ref().is_some_and(|known| known.parameter_count > parameter_types.len()) {
            return Err(unknown_parameter(parameter_types.len() + 1, 0));
        }
        let prepared = Prepared { statement, parameter_types };
        self.prepared.insert(parse.name.unwrap_or_default(), prepared);
        Ok(())
    }

    fn bind(&mut self, bind: Bind) -> Result<(), SqlError> {
        let prepared = self.prepared(bind.statement_name.as_deref())?;
        let (given, wanted) = (bind.parameters.len(), prepared.parameter_types.len());
        if given != wanted {
            let message = format!("bind message supplies {given} parameters, {wanted} are required");
            return Err(SqlError::new("08P01", message));
        }
        let portal = prepared.statement.clone().map(|statement| {
            Arc::new(Portal {
                statement,
                parameter_types: Arc::clone(&prepared.parameter_types),
                parameter_formats: WireFormats(bind.parameter_format_codes),
                parameters: bind.parameters,
                result_formats: WireFormats(bind.result_column_format_codes),
            })
        });
        self.portals.insert(bind.portal_name.unwrap_or_default(), portal);
        Ok(())
    }

    fn describe(&mut self, describe: &Describe) -> io::Result<Result<(), SqlError>> {
        let name = describe.name.as_deref();
        let description = if describe.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.prepared(name).map(|prepared| {
                let types = prepared.parameter_types.iter().map(|kind| kind.oid_and_size().0);
                (Some(ParameterDescription::new(types.collect())), prepared.statement.clone(), None)
            })
        } else {
            self.portal(name).map(|portal| {
                let formats = portal.as_ref().map(|portal| portal.result_formats.clone());
                (None, portal.map(|portal| Arc::clone(&portal.statement)), formats)
            })
        };
        let (parameters, statement, formats) = match description {
            Ok(description) => description,
            Err(error) => return Ok(Err(error)),
        };
        if let Some(parameters) = parameters {
            self.connection.put(&parameters)?;
        }
        let rows = match (statement, formats) {
            (None, _) => {
                return self.connection.put(&pgwire::messages::data::NoData::new()).map(Ok);
            }
            (Some(statement), None) => statement.description.clone(),
            (Some(statement), Some(formats)) => match statement.row_description(&formats) {
                Ok(rows) => rows,
                Err(error) => return Ok(Err(error)),
            },
        };
        self.connection.out.extend_from_slice(&rows);
        Ok(Ok(()))
    }

    fn prepared(&self, name: Option<&str>) -> Result<&Prepared, SqlError> {
        let name = name.unwrap_or_default();
        self.prepared
            .get(name)
            .ok_or_else(|| SqlError::new("26000", format!("prepared statement {name:?} does not exist")))
    }

    fn portal(&self, name: Option<&str>) -> Result<Option<Arc<Portal>>, SqlError> {
        let name = name.unwrap_or_default();
        let portal = self.portals.get(name).cloned();
        portal.ok_or_else(|| SqlError::new("34000", format!("portal {name:?} does not exist")))
    }

    async fn execute(&mut self, execute: Execute) -> io::Result<Result<(), SqlError>> {
        if execute.max_rows != 0 {
            let message = "fetching part of a result is not offered here, use LIMIT";
            return Ok(Err(SqlError::new("0A000", message)));
        }
        let portal = match self.portal(execute.name.as_deref()) {
            Ok(Some(portal)) => portal,
            Ok(None) => return self.connection.put(&EmptyQueryResponse::new()).map(Ok),
            Err(error) => return Ok(Err(error)),
        };
        match self.transaction.run(&portal, &mut self.connection.out).await {
            Ok(tag) => self.connection.put_complete(tag).map(Ok),
            Err(error) => Ok(Err(error)),
        }
    }
}
