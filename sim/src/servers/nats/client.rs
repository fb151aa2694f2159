//! What the server knows about one connected client.

use std::net::SocketAddr;

use serde::Deserialize;
use tokio::time::Instant;

use super::config::Authorization;
use super::protocol::HeaderSupport;
use super::route::Route;
use super::router::Echo;
use crate::servers::common::outbox::Outbox;

/// The newest protocol a client may ask for; from this one on it takes `INFO` at any time.
pub(super) const ASYNC_INFO_PROTOCOL: i64 = 1;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CloseReason {
    /// The client closed it.
    ClientClosed,
    /// Reading from it failed.
    ReadError,
    /// Writing to it failed.
    WriteError,
    /// The client did not authenticate in time.
    AuthenticationTimeout,
    /// The client's credentials are wrong, or it sent something else first.
    AuthenticationViolation,
    /// There were too many connections.
    MaxConnections,
    /// A message was too large.
    MaxPayload,
    /// A protocol line was too long.
    MaxControlLine,
    /// What the client sent is not the protocol.
    ProtocolViolation,
    /// The client asked for a protocol version that does not exist.
    BadProtocolVersion,
    /// The client asked for "no responders" without headers.
    NoRespondersWithoutHeaders,
    /// The client reported an error of its own.
    ClientError,
    /// The client did not answer pings.
    StaleConnection,
    /// Too many bytes waited for the client.
    SlowConsumerPendingBytes,
    /// A write to the client took too long.
    SlowConsumerWriteDeadline,
    /// The server stopped, or was a lame duck.
    ServerShutdown,
    /// The TLS handshake failed or took too long.
    TlsHandshake,
    /// A client connected to the port of routes.
    WrongPort,
    /// The server at the other end of a route has a route already, or is this one.
    DuplicateRoute,
    /// The server at the other end of a route bears this server's name.
    DuplicateServerName,
    /// The server at the other end of a route belongs to another cluster.
    ClusterNameConflict,
}

impl CloseReason {
    /// Whether what still waits for the client is worth sending.
    pub(super) fn flushes(self) -> bool {
        !matches!(
            self,
            Self::ReadError | Self::WriteError | Self::SlowConsumerPendingBytes | Self::SlowConsumerWriteDeadline
        )
    }
}

/// Whether a connection still takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    Closing,
}

/// The timers a client may have running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The end of the time to authenticate.
    Auth,
    /// The next look at whether the client lives.
    Ping,
    /// The end of the time for the write under way.
    Write,
    /// The end of the pause of a publisher whose receivers are behind.
    Stall,
    /// The end of the time for the TLS handshake.
    Handshake,
}

pub(super) const TIMERS: [Timer; 5] = [Timer::Auth, Timer::Ping, Timer::Write, Timer::Stall, Timer::Handshake];

/// How the client wants to be treated; until it says so, as `nats-server` treats a bare connection.
#[derive(Clone, Debug)]
pub(super) struct Options {
    pub(super) acknowledge: Acknowledge,
    pub(super) strictness: Strictness,
    pub(super) echo: Echo,
    pub(super) headers: HeaderSupport,
    pub(super) no_responders: NoResponders,
    pub(super) protocol: i64,
}

/// Whether each operation is answered by `+OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledge {
    Each,
    Nothing,
}

/// Whether the subjects of messages are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    Pedantic,
    Lenient,
}

/// Whether the client is told that nobody listens to its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoResponders {
    Tell,
    Silent,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            acknowledge: Acknowledge::Each,
            strictness: Strictness::Pedantic,
            echo: Echo::On,
            headers: HeaderSupport::None,
            no_responders: NoResponders::Silent,
            protocol: 0,
        }
    }
}

/// The object of `CONNECT`; what is missing in it stays as it was.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ConnectRequest {
    verbose: Option<bool>,
    pedantic: Option<bool>,
    echo: Option<bool>,
    headers: Option<bool>,
    no_responders: Option<bool>,
    protocol: Option<i64>,
    user: Option<String>,
    pass: Option<String>,
    auth_token: Option<String>,
    account: Option<String>,
    new_account: Option<bool>,
}

impl ConnectRequest {
    pub(super) fn apply_to(&self, options: &mut Options) {
        fn set<T>(option: &mut T, wish: Option<bool>, yes: T, no: T) {
            if let Some(wish) = wish {
                *option = if wish { yes } else { no };
            }
        }
        set(&mut options.acknowledge, self.verbose, Acknowledge::Each, Acknowledge::Nothing);
        set(&mut options.strictness, self.pedantic, Strictness::Pedantic, Strictness::Lenient);
        set(&mut options.echo, self.echo, Echo::On, Echo::Off);
        set(&mut options.headers, self.headers, HeaderSupport::Full, HeaderSupport::None);
        set(&mut options.no_responders, self.no_responders, NoResponders::Tell, NoResponders::Silent);
        options.protocol = self.protocol.unwrap_or(options.protocol);
    }

    /// Whether the credentials are good, and no account is asked for: that is an error since version 2.
    pub(super) fn is_authorized(&self, authorization: &Authorization) -> bool {
        let known = match authorization {
            Authorization::Open => true,
            Authorization::Token(token) => self.auth_token.as_ref() == Some(token),
            Authorization::Users(users) => users
                .iter()
                .any(|user| self.user.as_ref() == Some(&user.name) && self.pass.as_ref() == Some(&user.password)),
        };
        let names_account = self.account.as_ref().is_some_and(|account| !account.is_empty());
        known && !names_account && self.new_account != Some(true)
    }
}

/// Who is at the other end of a connection.
#[derive(Debug)]
pub(super) enum Kind {
    Client,
    /// Another server of the cluster.
    Route(Box<Route>),
}

/// One connection and the bytes that wait for it.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) kind: Kind,
    /// Number that no other connection to this server has or had.
    pub(super) id: u64,
    pub(super) peer: SocketAddr,
    pub(super) phase: Phase,
    pub(super) options: Options,
    /// Whether a `CONNECT` came.
    pub(super) introduced: bool,
    /// Whether the client's first ping was answered, after which it may be sent an `INFO`.
    pub(super) settled: bool,
    /// Which of the server's introductions the client has seen.
    pub(super) informed: u64,
    pub(super) pings_out: u32,
    pub(super) last_ping: Option<Instant>,
    pub(super) last_active: Instant,
    pub(super) outbox: Outbox,
    /// Bytes of the write under way that have not left; its deadline covers no later ones.
    pub(super) batch: usize,
    /// Whether the socket took no more at the last attempt.
    pub(super) blocked: bool,
    /// Whether the client is in the list of those to look after.
    pub(super) dirty: bool,
    /// Whether the client's own task has something to do beside reading.
    pub(super) attention: bool,
    /// When each of [`TIMERS`] ends, if it runs.
    pub(super) timers: [Option<Instant>; TIMERS.len()],
}

impl Client {
    pub(super) fn new(kind: Kind, id: u64, peer: SocketAddr, now: Instant) -> Self {
        Self {
            kind,
            id,
            peer,
            phase: Phase::Open,
            options: Options::default(),
            introduced: false,
            settled: false,
            informed: 0,
            pings_out: 0,
            last_ping: None,
            last_active: now,
            outbox: Outbox::default(),
            batch: 0,
            blocked: false,
            dirty: false,
            attention: false,
            timers: [None; TIMERS.len()],
        }
    }

    pub(super) fn route(&self) -> Option<&Route> {
        match &self.kind {
            Kind::Route(route) => Some(route),
            Kind::Client => None,
        }
    }

    pub(super) fn route_mut(&mut self) -> Option<&mut Route> {
        match &mut self.kind {
            Kind::Route(route) => Some(route),
            Kind::Client => None,
        }
    }

    pub(super) fn is_client(&self) -> bool {
        matches!(self.kind, Kind::Client)
    }

    pub(super) fn timer(&self, timer: Timer) -> Option<Instant> {
        self.timers[timer as usize]
    }

    /// Whether nothing but a `CONNECT` is welcome.
    pub(super) fn awaits_authentication(&self) -> bool {
        !self.introduced && self.timer(Timer::Auth).is_some()
    }
}
