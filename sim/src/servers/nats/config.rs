//! Settings of one server, with the defaults of `nats-server` 2.10.

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
    /// Other addresses a client may connect to, as `host:port`; a lone server names none.
    pub connect_urls: Vec<String>,
    /// Who may connect.
    pub authorization: Authorization,
    /// Sizes and counts.
    pub limits: Limits,
    /// Intervals and deadlines.
    pub timing: Timing,
    /// What the server's single core needs for each piece of work.
    pub service: ServiceTimes,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            server_name: None,
            version: "2.10.29".to_owned(),
            host: "0.0.0.0".to_owned(),
            connect_urls: Vec::new(),
            authorization: Authorization::default(),
            limits: Limits::default(),
            timing: Timing::default(),
            service: ServiceTimes::default(),
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
            write_deadline: Duration::from_secs(10),
            lame_duck_duration: Duration::from_secs(120),
            lame_duck_grace: Duration::from_secs(10),
        }
    }
}

/// What the server's single core needs for each piece of work; zero is free.
///
/// Deliveries leave when the core gets to them, and everything else to a client waits behind its
/// deliveries. The timers of tokio round up to a millisecond, so what is due within one leaves together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ServiceTimes {
    /// Work for one published message.
    pub per_message: Duration,
    /// Work for one delivery of a message to one subscription.
    pub per_delivery: Duration,
}

impl ServiceTimes {
    /// Whether work takes no time at all.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.per_message.is_zero() && self.per_delivery.is_zero()
    }
}
