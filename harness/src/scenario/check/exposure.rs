//! `exposure = { max = "10s" }`

use super::CheckSpec;
use crate::scenario::error::Complaint;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// How long blocked addresses were still let in.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exposure {
    /// Node-seconds for each blocked entry.
    max: Time,
}

impl Exposure {
    pub(super) fn spec(&self, _: &'static str, _: Range<usize>) -> Result<CheckSpec, Complaint> {
        Ok(CheckSpec::Exposure { max: self.max.0 })
    }
}
