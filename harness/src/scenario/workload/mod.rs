//! What clients ask of the cluster: one file per kind, one registry.

mod block_ips;

use super::Rules;
use super::error::Complaint;
use super::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;

pub use block_ips::BlockIps;
pub(crate) use block_ips::BlockIpsEntry;

/// A workload of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub enum WorkloadSpec {
    /// Block and unblock addresses and networks.
    BlockIps(BlockIps),
}

/// Every workload's name.
pub const WORKLOADS: &[&str] = &["block-ips"];

/// One `[[workload]]`: exactly one kind.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Workload", extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct WorkloadEntry {
    /// Block and unblock addresses and networks.
    block_ips: Option<Located<BlockIpsEntry>>,
}

impl WorkloadEntry {
    pub(crate) fn validate(entry: &Located<Self>, rules: &Rules) -> Result<WorkloadSpec, Complaint> {
        match &entry.block_ips {
            Some(block_ips) => block_ips.validate(rules).map(WorkloadSpec::BlockIps),
            None => Err(super::kinds::exactly_one("workload", entry.span(), &[], WORKLOADS)
                .expect_err("an entry without a kind is refused")),
        }
    }
}
