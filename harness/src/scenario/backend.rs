//! The coordination backends, and which of them this build can run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A coordination backend of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Zenoh, peer to peer: no broker.
    Zenoh,
    /// NATS.
    Nats,
    /// Kafka.
    Kafka,
    /// Redis.
    Redis,
}

impl Backend {
    /// The name as in a scenario.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zenoh => "zenoh",
            Self::Nats => "nats",
            Self::Kafka => "kafka",
            Self::Redis => "redis",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The backends that this build can run.
#[must_use]
pub fn supported() -> &'static [Backend] {
    &[
        #[cfg(feature = "zenoh")]
        Backend::Zenoh,
        #[cfg(feature = "nats")]
        Backend::Nats,
        #[cfg(feature = "kafka")]
        Backend::Kafka,
        #[cfg(feature = "redis")]
        Backend::Redis,
    ]
}
