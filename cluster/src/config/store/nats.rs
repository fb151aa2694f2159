//! `type = "nats"`.

use super::super::reader::Table;
use super::tls::Authorities;
use super::{Login, is_empty_list, login};
use std::num::NonZeroUsize;
use std::time::Duration;

const MAX_CAPACITY: u64 = 1 << 24;

/// How often the NATS client reconnects before the node builds a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxReconnects {
    /// The key is absent: without limit.
    Unlimited,
    /// `0`: never. (The client library takes 0 for unlimited; the documentation wins.)
    Disabled,
    /// This many attempts in a row.
    AtMost(NonZeroUsize),
}

/// A NATS server, `type = "nats"`.
///
/// | key | default |
/// |---|---|
/// | `address` | required: a list of `host:port`; the client also goes to the servers that those tell it of |
/// | `user`, `password` | none; both or neither |
/// | `credentials` | none; a credentials text with JWT and seed, instead of `user` |
/// | `no-echo` | `true` |
/// | `tls.enable` | `false`: TLS only if the server demands it |
/// | `tls.ca` | none; PEM text of the authorities to trust instead of the system's |
/// | `timeout.connection`, `timeout.request` | `5s`, `10s` |
/// | `ping-interval` | `60s` |
/// | `max-reconnects` | unlimited; 0 disables them |
/// | `capacity.{client, subscription, read-buffer}` | 2048, 65536, 65535 |
#[derive(Clone, PartialEq, Eq)]
pub struct NatsConfig {
    /// Servers, `host:port` each.
    pub address: Vec<String>,
    /// Basic authentication.
    pub login: Option<Login>,
    /// JWT and seed.
    pub credentials: Option<String>,
    /// Whether the server keeps the node's own messages from it.
    pub no_echo: bool,
    /// Whether TLS is required.
    pub tls: bool,
    /// Whom to trust instead of the system's authorities.
    pub authorities: Option<Authorities>,
    /// Longest time to connect.
    pub connection_timeout: Duration,
    /// Longest time to hand a message to the client.
    pub request_timeout: Duration,
    /// Between pings; a dead link is noticed after about three.
    pub ping_interval: Duration,
    /// The client's reconnects.
    pub max_reconnects: MaxReconnects,
    /// Commands that may wait for the connection.
    pub client_capacity: usize,
    /// Messages that may wait to be read.
    pub subscription_capacity: usize,
    /// Bytes read from the socket at once.
    pub read_buffer_capacity: u16,
}

impl std::fmt::Debug for NatsConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Logs must not carry credentials.
        f.debug_struct("NatsConfig")
            .field("address", &self.address)
            .field("login", &self.login)
            .field("no_echo", &self.no_echo)
            .field("tls", &self.tls)
            .field("authorities", &self.authorities)
            .field("ping_interval", &self.ping_interval)
            .field("max_reconnects", &self.max_reconnects)
            .finish_non_exhaustive()
    }
}

impl NatsConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        table.missing("address");
        let address = table.items("address", "text such as \"nats1:4222\"", |value| {
            value.as_str().filter(|text| is_address(text)).map(str::to_owned)
        });
        if address.is_empty() && table.get("address").is_some_and(is_empty_list) {
            table.refuse("address", "is empty", "name at least one server");
        }
        let (timeout, capacity, tls) = (table.table("timeout"), table.table("capacity"), table.table("tls"));
        let size = |key, default| {
            let size = capacity.integer(key, 1..=MAX_CAPACITY);
            size.map_or(default, |size| usize::try_from(size).unwrap_or(default))
        };
        let config = Self {
            address,
            login: login(table),
            credentials: table.string("credentials"),
            no_echo: table.boolean("no-echo", true),
            tls: tls.boolean("enable", false),
            authorities: Authorities::read(&tls),
            connection_timeout: timeout.positive("connection", Duration::from_secs(5)),
            request_timeout: timeout.positive("request", Duration::from_secs(10)),
            ping_interval: table.positive("ping-interval", Duration::from_secs(60)),
            max_reconnects: match table.integer("max-reconnects", 0..=u64::from(u32::MAX)) {
                None => MaxReconnects::Unlimited,
                Some(attempts) => usize::try_from(attempts)
                    .ok()
                    .and_then(NonZeroUsize::new)
                    .map_or(MaxReconnects::Disabled, MaxReconnects::AtMost),
            },
            client_capacity: size("client", 2048),
            subscription_capacity: size("subscription", 65_536),
            read_buffer_capacity: capacity
                .integer("read-buffer", 1..=u64::from(u16::MAX))
                .and_then(|size| u16::try_from(size).ok())
                .unwrap_or(u16::MAX),
        };
        if config.credentials.is_some() && config.login.is_some() {
            table.refuse("credentials", "and `user` exclude each other", "keep one of them");
        }
        for table in [&timeout, &capacity, &tls] {
            table.finish();
        }
        config
    }
}

#[cfg(feature = "nats")]
fn is_address(text: &str) -> bool {
    !text.is_empty() && text.parse::<async_nats::ServerAddr>().is_ok()
}

#[cfg(not(feature = "nats"))]
fn is_address(text: &str) -> bool {
    !text.is_empty()
}
