//! The `INFO` with which a server introduces itself.

use serde::Serialize;

use super::config::{Authorization, ServerConfig};

/// The Go that the real server of this age was built with.
pub(super) const GO_VERSION: &str = "go1.24.3";

#[derive(Serialize)]
struct Info<'a> {
    server_id: &'a str,
    server_name: &'a str,
    version: &'a str,
    proto: u8,
    go: &'static str,
    host: &'a str,
    port: u16,
    headers: bool,
    #[serde(skip_serializing_if = "is_false")]
    auth_required: bool,
    #[serde(skip_serializing_if = "is_false")]
    tls_required: bool,
    max_payload: usize,
    client_id: u64,
    client_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    connect_urls: &'a [String],
    #[serde(skip_serializing_if = "is_false")]
    ldm: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !*value
}

/// Whether the server is about to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    Serving,
    LameDuck,
}

/// What an `INFO` says beside the configuration.
pub(super) struct Introduction<'a> {
    pub(super) server_id: &'a str,
    pub(super) port: u16,
    pub(super) client_id: u64,
    pub(super) client_ip: std::net::IpAddr,
    pub(super) connect_urls: &'a [String],
    pub(super) duty: Duty,
}

/// One `INFO` line. Fields that are false or empty are left out, as in the real one.
pub(super) fn encode(config: &ServerConfig, introduction: &Introduction<'_>) -> Vec<u8> {
    let info = Info {
        server_id: introduction.server_id,
        server_name: config.server_name.as_deref().unwrap_or(introduction.server_id),
        version: &config.version,
        proto: 1,
        go: GO_VERSION,
        host: &config.host,
        port: introduction.port,
        headers: true,
        auth_required: config.authorization != Authorization::Open,
        tls_required: config.tls.is_some(),
        max_payload: config.limits.max_payload,
        client_id: introduction.client_id,
        client_ip: introduction.client_ip.to_string(),
        cluster: config.cluster.as_ref().map(|cluster| cluster.name.as_str()),
        connect_urls: introduction.connect_urls,
        ldm: introduction.duty == Duty::LameDuck,
    };
    line("INFO", &info)
}

/// An operation whose argument is a JSON object.
pub(super) fn line(verb: &str, object: &impl Serialize) -> Vec<u8> {
    let mut line = format!("{verb} ").into_bytes();
    if let Err(error) = serde_json::to_writer(&mut line, object) {
        unreachable!("an introduction holds nothing but text, numbers and flags: {error}");
    }
    line.extend_from_slice(b" \r\n");
    line
}

/// A server id of the usual form: `N` and 55 characters of base 32.
pub(super) fn server_id(rng: &mut impl rand_core::Rng) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut random = [0; 55];
    rng.fill_bytes(&mut random);
    let rest = random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)]));
    std::iter::once('N').chain(rest).collect()
}
