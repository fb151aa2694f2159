//! `type = "zenoh"`.

use super::super::reader::Table;

/// Zenoh, peer to peer, `type = "zenoh"`.
///
/// | key | default |
/// |---|---|
/// | `config` | required: the Zenoh configuration, JSON5 |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ZenohConfig {
    /// The Zenoh configuration, JSON5.
    pub config: String,
}

impl ZenohConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        Self { config: table.required("config") }
    }
}
