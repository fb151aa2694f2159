//! A scenario file exactly as it is written; the JSON Schema comes from these types.

use super::backend::Backend;
use super::check::CheckEntry;
use super::config::ConfigSpec;
use super::located::Located;
use super::network::NetworkSpec;
use super::units::{Offset, Time};
use super::workload::WorkloadEntry;
use crate::nemesis::FaultEntry;
use schemars::JsonSchema;
use serde::Deserialize;

/// A scenario: what runs, what goes wrong, and what must hold.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Scenario")]
pub(crate) struct Document {
    /// The claim, in one sentence.
    pub(crate) title: Located<String>,
    /// What happened in the field, or why the claim matters.
    #[serde(default)]
    pub(crate) why: String,
    /// Words to select it by.
    #[serde(default)]
    pub(crate) tags: Vec<Located<String>>,
    /// How many nodes.
    pub(crate) nodes: Located<u16>,
    /// The coordination backends, one run each.
    pub(crate) backends: Option<Located<Vec<Located<Backend>>>>,
    /// A profile's name, or the profile itself; `lan` when absent.
    pub(crate) network: Option<Located<NetworkSpec>>,
    /// Coordination servers: a NATS or Kafka cluster of so many; Redis has one, Zenoh none. One when absent.
    pub(crate) brokers: Option<Located<u16>>,
    /// Configuration of every node: a path relative to the scenarios' root or to this file, or one for each backend.
    pub(crate) config: Option<Located<ConfigSpec>>,
    /// The chaos phase, simulated.
    pub(crate) run: Located<Time>,
    /// All healed; then liveness is judged.
    pub(crate) settle: Option<Located<Time>>,
    /// What single nodes have of their own.
    #[serde(default)]
    pub(crate) node: Vec<Located<NodeEntry>>,
    /// What clients ask of the cluster.
    #[serde(default)]
    pub(crate) workload: Vec<Located<WorkloadEntry>>,
    /// What goes wrong.
    #[serde(default)]
    pub(crate) fault: Vec<Located<FaultEntry>>,
    /// What must hold, beside the checks that are always on.
    #[serde(default)]
    pub(crate) check: Vec<Located<CheckEntry>>,
    /// A planted defect that this scenario switches on.
    pub(crate) defect: Option<Located<String>>,
    /// What must come out instead of a pass.
    pub(crate) expect: Option<ExpectEntry>,
}

/// One `[[node]]`: what a single node has of its own.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Node")]
pub(crate) struct NodeEntry {
    /// Which node, 1-based.
    pub(crate) index: Located<u16>,
    /// Its configured id; its index when absent. Two nodes may share one: twins.
    pub(crate) id: Option<Located<u16>>,
    /// What its wall clock is off by from boot on.
    pub(crate) skew: Option<Offset>,
}

/// `expect = { fail = "checker" }`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Expect")]
pub(crate) struct ExpectEntry {
    /// The checker that must fail.
    pub(crate) fail: Located<String>,
}
