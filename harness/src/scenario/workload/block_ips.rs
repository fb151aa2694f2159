//! `block-ips = { rate = "2/s", expiry = "10m", networks = 0.2, unblock = 0.1 }`

use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::{Fraction, Rate, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// Block and unblock addresses and networks, at random times and on random nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockIps {
    /// Operations per simulated second, over all nodes.
    pub rate_per_s: f64,
    /// How long a block lasts; `None`: for ever.
    pub expiry: Option<Duration>,
    /// Share of the blocks that name a network instead of an address, 0 to 1.
    pub networks: f64,
    /// Share of the operations that unblock something blocked earlier, 0 to 1.
    pub unblock: f64,
    /// The nodes that are asked, 1-based; `None`: all.
    pub nodes: Option<Vec<u16>>,
    /// When it begins, since the start of the chaos phase.
    pub from: Duration,
    /// When it ends, since the start of the chaos phase.
    pub until: Duration,
}

/// The same as it stands in the file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "BlockIps")]
pub(crate) struct BlockIpsEntry {
    /// Operations over all nodes.
    rate: Rate,
    /// How long a block lasts; for ever when absent.
    expiry: Option<Located<Time>>,
    /// Share of the blocks that name a network instead of an address.
    #[serde(default)]
    networks: Fraction,
    /// Share of the operations that unblock something blocked earlier.
    #[serde(default)]
    unblock: Fraction,
    /// The nodes that are asked, 1-based; all when absent.
    nodes: Option<Located<Vec<Located<u16>>>>,
    /// When it begins, since the start of the run.
    from: Option<Located<Time>>,
    /// When it ends, since the start of the run.
    until: Option<Located<Time>>,
}

impl BlockIpsEntry {
    pub(super) fn validate(&self, rules: &Rules) -> Result<BlockIps, Complaint> {
        if let Some(expiry) = &self.expiry {
            rules.positive("expiry", expiry)?;
        }
        if let Some(nodes) = &self.nodes {
            rules.nodes("nodes", nodes)?;
        }
        let (from, until) = rules.window(self.from.as_ref(), self.until.as_ref())?;
        Ok(BlockIps {
            rate_per_s: self.rate.0,
            expiry: self.expiry.as_ref().map(|expiry| expiry.0),
            networks: self.networks.0,
            unblock: self.unblock.0,
            nodes: self.nodes.as_ref().map(|nodes| nodes.iter().map(|node| **node).collect()),
            from,
            until,
        })
    }
}
