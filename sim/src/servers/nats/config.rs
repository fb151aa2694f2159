//! Settings of one server, with the defaults of `nats-server` 2.10.

use std::sync::Arc;
use std::time::Duration;

/// Everything one [`NatsServer`](super::NatsServer) can be told; the default is `nats-server` without a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerConfig {
    /// Name shown to clients; the server's id when absent.
    pub server_name: Option<String>,
    /// Version shown to clients.
    pub version: String,
    /// Address shown to clients as the one the server listens on.
    pub host: String,
    /// Addresses at which clients reach this server, as `host:port`. A lone server tells its clients these
    /// and nothing else; in a cluster every client learns those of all servers, and a server without any
    /// takes the address it listens on.
    pub connect_urls: Vec<String>,
    /// Encryption of client connections; none when absent.
    pub tls: Option<TlsMode>,
    /// The other servers; a server without is alone.
    pub cluster: Option<ClusterConfig>,
    /// Who may connect.
    pub authorization: Authorization,
    /// Sizes and counts.
    pub limits: Limits,
    /// Intervals and deadlines.
    pub timing: Timing,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            server_name: None,
            version: "2.10.29".to_owned(),
            host: "0.0.0.0".to_owned(),
            connect_urls: Vec::new(),
            tls: None,
            cluster: None,
            authorization: Authorization::default(),
            limits: Limits::default(),
            timing: Timing::default(),
        }
    }
}

/// Whether and how client connections are encrypted.
#[derive(Clone, Debug)]
pub enum TlsMode {
    /// Every client must, with the handshake behind the server's greeting.
    Required(Arc<rustls::ServerConfig>),
}

impl PartialEq for TlsMode {
    /// Whether both are the very same configuration.
    fn eq(&self, other: &Self) -> bool {
        let (Self::Required(one), Self::Required(other)) = (self, other);
        Arc::ptr_eq(one, other)
    }
}

impl Eq for TlsMode {}

/// How the server finds the others and talks to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Name of the cluster, the same at all its servers.
    pub name: String,
    /// Where other servers listen for routes, as `host:port`; one that knows the rest is enough, and the
    /// server's own address does no harm.
    pub routes: Vec<String>,
    /// Where others reach this server's route listener, as `host:port`; the address they see when absent.
    pub advertise: Option<String>,
    /// Time between two pings over a route.
    pub ping_interval: Duration,
}

impl ClusterConfig {
    /// A cluster with the defaults of `nats-server`.
    #[must_use]
    pub fn new(name: impl Into<String>, routes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            name: name.into(),
            routes: routes.into_iter().map(Into::into).collect(),
            advertise: None,
            ping_interval: Duration::from_secs(30),
        }
    }
}

/// Who may connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Authorization {
    /// Everybody; credentials that a client sends all the same are not looked at.
    #[default]
    Open,
    /// Whoever knows this token.
    Token(String),
    /// These users with their passwords.
    Users(Vec<User>),
}

/// A user of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Name.
    pub name: String,
    /// Password in plain text.
    pub password: String,
}

/// Sizes and counts the server enforces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at one time.
    pub max_connections: usize,
    /// Subscriptions of one client; `None` is no limit.
    pub max_subscriptions: Option<usize>,
    /// Bytes of headers and payload in one message.
    pub max_payload: usize,
    /// Bytes of one protocol line without its verb.
    pub max_control_line: usize,
    /// Bytes that may wait for one client before it is cut as a slow consumer.
    pub max_pending: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 64 * 1024,
            max_subscriptions: None,
            max_payload: 1024 * 1024,
            max_control_line: 4096,
            max_pending: 64 * 1024 * 1024,
        }
    }
}

/// Intervals and deadlines of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Time between two pings to a client that sends nothing.
    pub ping_interval: Duration,
    /// Unanswered pings after which the next one is "Stale Connection".
    pub max_pings_out: u32,
    /// Time a client has to authenticate, where authentication is required.
    pub auth_timeout: Duration,
    /// Time a client has for the TLS handshake, where TLS is required.
    pub tls_timeout: Duration,
    /// Time one write to a client may take before the client is cut as a slow consumer.
    pub write_deadline: Duration,
    /// Time over which lame duck mode closes the clients, its grace period included.
    pub lame_duck_duration: Duration,
    /// Time between the start of lame duck mode and the first closed client.
    pub lame_duck_grace: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(120),
            max_pings_out: 2,
            auth_timeout: Duration::from_secs(2),
            tls_timeout: Duration::from_secs(2),
            write_deadline: Duration::from_secs(10),
            lame_duck_duration: Duration::from_secs(120),
            lame_duck_grace: Duration::from_secs(10),
        }
    }
}
