//! What the server knows about one route, and what servers tell each other about themselves.

use serde::{Deserialize, Serialize};

use super::info::is_false;

/// The account that clients belong to when there is none; the only one this server has.
pub(super) const ACCOUNT: &[u8] = b"$G";

/// How the server knows of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Knowledge {
    /// From its configuration: it never stops trying.
    Explicit,
    /// From gossip: it tries once.
    Implicit,
}

/// A route listener to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port`.
    pub(super) address: String,
    pub(super) knowledge: Knowledge,
}

/// An order to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dial {
    pub(super) target: Target,
    /// How long to wait before.
    pub(super) delay: std::time::Duration,
}

/// One connection to another server.
#[derive(Debug, Default)]
pub(super) struct Route {
    /// What to connect to again when the connection is lost; nothing for one that came in.
    pub(super) solicited: Option<Target>,
    /// Who is there, once it said so.
    pub(super) remote: Option<Remote>,
    /// Where to connect to if the other side dropped this connection as the duplicate of one that was
    /// dropped here.
    pub(super) rival: Option<Target>,
    /// Whether bytes left since the write deadline began.
    pub(super) progressed: bool,
}

/// The server at the other end of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remote {
    pub(super) server_id: String,
    /// Its route listener, as `host:port`.
    pub(super) address: String,
    /// Where its clients reach it.
    pub(super) connect_urls: Vec<String>,
}

/// The `INFO` of a route: a server about itself, or about a third one it has met.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RouteInfo {
    pub(super) server_id: String,
    pub(super) server_name: String,
    pub(super) version: String,
    pub(super) proto: u8,
    pub(super) go: String,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) headers: bool,
    pub(super) max_payload: usize,
    /// `nats-route://host:port/` of the listener.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) ip: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) cluster: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) connect_urls: Vec<String>,
    #[serde(skip_serializing_if = "is_false")]
    pub(super) ldm: bool,
}

impl RouteInfo {
    /// Where others reach the listener, as `host:port`.
    pub(super) fn address(&self) -> String {
        let address = self.ip.strip_prefix("nats-route://").unwrap_or(&self.ip);
        address.trim_end_matches('/').to_owned()
    }
}

/// The `CONNECT` of the side of a route that opened it.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct RouteConnect {
    pub(super) echo: bool,
    pub(super) verbose: bool,
    pub(super) pedantic: bool,
    pub(super) tls_required: bool,
    pub(super) headers: bool,
    /// The server's id.
    pub(super) name: String,
    pub(super) cluster: String,
    /// Only clients name a language.
    #[serde(skip_serializing)]
    pub(super) lang: String,
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn join_host_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}
