//! `type = "zenoh"`.

#[cfg(feature = "zenoh")]
mod check;
#[cfg(feature = "zenoh")]
mod outline;
#[cfg(feature = "zenoh")]
mod repair;

use super::super::reader::Table;

/// Zenoh, peer to peer, `type = "zenoh"`.
///
/// | key | default |
/// |---|---|
/// | `config` | required: the [Zenoh configuration](https://github.com/eclipse-zenoh/zenoh/blob/main/DEFAULT_CONFIG.json5), JSON5 |
///
/// Everything in `config` goes to the client, with these exceptions:
///
/// - A bare `peer`, `client` or `router` where JSON5 wants a text in quotes is read as that text, with a warning.
/// - `open.return_conditions.connect_scouted`, `connect.timeout_ms`, `connect.exit_on_failure`, `listen.timeout_ms` and
///   `listen.exit_on_failure` are set by the node, which starts without its peers and finds them in the background.
/// - `transport.link.tx.queue.size` is 16 for `control` and `data` where it is not given (the client's 2 drops messages early).
/// - What the client is built without is refused: endpoints other than `tcp/…`, TLS, compression, authentication, plugins,
///   statistics, more than one link per peer. Shared memory is never used, whatever `transport.shared_memory` says.
///
/// `namespace` keeps clusters apart that share a network; without it, all nodes that find each other are one cluster. `id`
/// must differ on all nodes; without it each start draws a new one. The time until a silent peer is given up is
/// `transport.link.tx.lease` (10 s): what is published to it meanwhile is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZenohConfig {
    /// The Zenoh configuration, JSON5, repaired.
    pub config: String,
}

impl ZenohConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        let written = table.required("config");
        #[cfg(feature = "zenoh")]
        if table.get("config").is_some_and(|value| value.get_ref().as_str().is_some()) {
            return Self { config: judged(table, &written) };
        }
        Self { config: written }
    }
}

#[cfg(feature = "zenoh")]
fn judged(table: &Table<'_, '_>, written: &str) -> String {
    let checked = check::check(written);
    for finding in checked.warnings {
        table.warn_within("config", finding.range, &finding.message, &finding.help);
    }
    for finding in checked.errors {
        table.refuse_within("config", finding.range, &finding.message, &finding.help);
    }
    checked.text
}
