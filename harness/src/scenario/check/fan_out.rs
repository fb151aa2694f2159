//! `fan-out = { p50 = "1ms", p99 = "50ms", last-p99 = "80ms" }`, each optional

use super::CheckSpec;
use crate::scenario::error::Complaint;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// How long events take to reach the other nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "FanOut", extend("minProperties" = 1))]
pub(crate) struct FanOutLimits {
    /// Limit of the median of single deliveries.
    p50: Option<Time>,
    /// Limit of the 99th percentile of single deliveries.
    p99: Option<Time>,
    /// Limit of the 99th percentile of the time to the last node.
    last_p99: Option<Time>,
}

impl FanOutLimits {
    pub(super) fn spec(&self, _: &'static str, span: Range<usize>) -> Result<CheckSpec, Complaint> {
        let [p50, p99, last_p99] = [self.p50, self.p99, self.last_p99].map(|limit| limit.map(|time| time.0));
        if p50.or(p99).or(last_p99).is_none() {
            return Err(Complaint::at(span, "`fan-out` has no limit: expected p50, p99 or last-p99")
                .help("write for example { p99 = \"50ms\" }"));
        }
        Ok(CheckSpec::FanOut { p50, p99, last_p99 })
    }
}
