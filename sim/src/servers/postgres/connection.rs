//! One client's connection: bytes to messages and back, and the greeting.

use std::io;

use bytes::BytesMut;
use pgwire::api::Type;
use pgwire::error::{ErrorInfo, PgWireError};
use pgwire::messages::response::{
    CommandComplete, ErrorResponse, GssEncResponse, ReadyForQuery, SslResponse, TransactionStatus,
};
use pgwire::messages::startup::{Authentication, BackendKeyData, ParameterStatus, SecretKey, Startup};
use pgwire::messages::{DecodeContext, Message, PgWireFrontendMessage, ProtocolVersion, SslNegotiationMetaMessage};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::Auth;
use super::dialect::{Severity, SqlError};

/// Room for the messages of one typed query, so that most requests are one read.
const READ_BYTES: usize = 4096;

/// Kept for the next answer; what a large result needed beyond this is given back.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// What clients ask of a server before they use it.
const PARAMETERS: [(&str, &str); 7] = [
    ("server_version", "15.0 (simulated)"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"),
    ("TimeZone", "UTC"),
    ("integer_datetimes", "on"),
    ("standard_conforming_strings", "on"),
];

/// A byte stream with a PostgreSQL client at its other end.
#[derive(Debug)]
pub(super) struct Connection<S> {
    stream: S,
    input: BytesMut,
    /// Answers wait here for [`Connection::flush`]: one write for a whole round trip.
    pub(super) out: BytesMut,
    context: DecodeContext,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    pub(super) fn new(stream: S) -> Connection<S> {
        Connection {
            stream,
            input: BytesMut::with_capacity(READ_BYTES),
            out: BytesMut::with_capacity(READ_BYTES),
            context: DecodeContext::new(ProtocolVersion::PROTOCOL3_0),
        }
    }

    /// The next message, `None` when the client has gone. May be dropped and called again.
    pub(super) async fn receive(&mut self) -> io::Result<Option<PgWireFrontendMessage>> {
        loop {
            let message = PgWireFrontendMessage::decode(&mut self.input, &self.context);
            if let Some(message) = message.map_err(invalid)? {
                return Ok(Some(message));
            }
            self.input.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Appends one message to the answer.
    pub(super) fn put(&mut self, message: &impl Message) -> io::Result<()> {
        message.encode(&mut self.out).map_err(invalid)
    }

    pub(super) fn put_error(&mut self, error: &SqlError) -> io::Result<()> {
        let severity = match error.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        let mut info = ErrorInfo::new(severity.into(), error.code.into(), error.message.clone());
        info.severity_nonlocalized = Some(severity.into());
        self.put(&ErrorResponse::from(info))
    }

    pub(super) fn put_complete(&mut self, tag: String) -> io::Result<()> {
        self.put(&CommandComplete::new(tag))
    }

    pub(super) fn put_ready(&mut self, status: TransactionStatus) -> io::Result<()> {
        self.put(&ReadyForQuery::new(status))
    }

    /// Sends everything put since the last time.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.out).await?;
        self.stream.flush().await?;
        if self.out.capacity() > KEPT_BYTES_MAX {
            self.out = BytesMut::with_capacity(READ_BYTES);
        }
        self.out.clear();
        Ok(())
    }

    /// Takes the client from its first byte to ready-for-query; `None` if it went away or was
    /// turned away.
    pub(super) async fn greet(&mut self, auth: &Auth, process_id: i32) -> io::Result<Option<()>> {
        let Some(startup) = self.startup().await? else {
            return Ok(None);
        };
        self.context.awaiting_frontend_startup = false;
        if let Auth::Password { user, password } = auth {
            let Some(given) = self.ask_password().await? else {
                return Ok(None);
            };
            let claimed = startup.parameters.get("user").map(String::as_str);
            if claimed != Some(user) || given != *password {
                let name = claimed.unwrap_or_default();
                let message = format!("password authentication failed for user {name:?}");
                self.put_error(&SqlError::fatal("28P01", message))?;
                self.flush().await?;
                return Ok(None);
            }
        }
        self.put(&Authentication::Ok)?;
        for (name, value) in PARAMETERS {
            self.put(&ParameterStatus::new(name.into(), value.into()))?;
        }
        self.put(&BackendKeyData::new(process_id, SecretKey::I32(process_id)))?;
        self.put_ready(TransactionStatus::Idle)?;
        self.flush().await?;
        Ok(Some(()))
    }

    async fn startup(&mut self) -> io::Result<Option<Startup>> {
        loop {
            let Some(message) = self.receive().await? else {
                return Ok(None);
            };
            match message {
                PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresSsl(_)) => {
                    self.put(&SslResponse::Refuse)?;
                    self.flush().await?;
                }
                PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::PostgresGss(_)) => {
                    self.put(&GssEncResponse::Refuse)?;
                    self.flush().await?;
                }
                PgWireFrontendMessage::SslNegotiation(SslNegotiationMetaMessage::None) => {
                    self.context.awaiting_frontend_ssl = false;
                }
                PgWireFrontendMessage::Startup(startup) => return Ok(Some(startup)),
                // A cancel request comes on a connection of its own; statements here are over at once.
                _ => return Ok(None),
            }
        }
    }

    async fn ask_password(&mut self) -> io::Result<Option<String>> {
        self.put(&Authentication::CleartextPassword)?;
        self.flush().await?;
        match self.receive().await? {
            Some(PgWireFrontendMessage::PasswordMessageFamily(message)) => {
                Ok(Some(message.into_password().map_err(invalid)?.password))
            }
            _ => Ok(None),
        }
    }
}

/// The types of parameters by object id, or what to do about it.
pub(super) fn unknown_parameter(number: usize, oid: u32) -> SqlError {
    match Type::from_oid(oid) {
        Some(kind) if kind != Type::UNKNOWN => SqlError::new(
            "0A000",
            format!(
                "parameter ${number} is of type {kind}, which is not offered here; use int8, int4, int2, text, bytea, bool or float8"
            ),
        ),
        _ => SqlError::new("42P18", format!("could not determine data type of parameter ${number}, use query_typed")),
    }
}

fn invalid(error: PgWireError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
