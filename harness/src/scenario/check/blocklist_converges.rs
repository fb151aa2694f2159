//! `blocklist-converges = { within = "5s" }`

use super::CheckSpec;
use crate::scenario::error::Complaint;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// All nodes and the store end up with the same list of blocked IPs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlocklistConverges {
    /// Counted from the heal.
    within: Time,
}

impl BlocklistConverges {
    pub(super) fn spec(&self, _: &'static str, _: Range<usize>) -> Result<CheckSpec, Complaint> {
        Ok(CheckSpec::BlocklistConverges { within: self.within.0 })
    }
}
