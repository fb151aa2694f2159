//! Scenario files: what runs, what goes wrong, and what must hold.
//!
//! [`load`] and [`load_all`] read and validate files, [`parse`] a text, [`schema`] describes every key. An error names
//! file, line, column, what was expected and the nearest valid name ([`ScenarioError`]).
//!
//! | module | holds |
//! |---|---|
//! | `document` | the file as it is written |
//! | `validate`, `rules`, `kinds` | from the file to a scenario that makes sense |
//! | `load` | files and directories |
//! | `workload`, `check` | one file per kind; faults are in [`crate::nemesis`] |
//! | `network`, `costs`, `simulated`, `backend`, `config`, `units`, `located` | what keys hold |
//! | `error`, `explain` | what is wrong, in the author's words |

mod backend;
mod check;
mod config;
mod costs;
mod document;
pub(crate) mod error;
mod explain;
pub(crate) mod kinds;
mod load;
pub(crate) mod located;
mod network;
mod rules;
mod simulated;
pub(crate) mod units;
mod validate;
mod workload;

pub use backend::{Backend, supported};
pub use check::{ALWAYS_ON, CHECKERS, CheckSpec};
pub use config::{NodeConfigText, NodeConfigs};
pub use costs::{BackendCosts, HostCosts};
pub use error::ScenarioError;
pub use load::{Found, Resource, Resources, load, load_all};
pub use network::{Latency, NetworkProfile};
pub(crate) use rules::Rules;
pub use workload::{BlockIps, WORKLOADS, WorkloadSpec};

use crate::nemesis::FaultSpec;
use squall_cluster::defects::Defect;
use std::time::Duration;

/// A valid scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its path below the scenarios' root without the extension, such as `fast/kill`.
    pub name: String,
    /// The file as the caller named it.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// The claim, in one sentence.
    pub title: String,
    /// Why it matters; may be empty.
    pub why: String,
    /// Words to select it by.
    pub tags: Vec<String>,
    /// How many nodes.
    pub nodes: u16,
    /// What single nodes have of their own, by index.
    pub overrides: Vec<NodeSpec>,
    /// One run each, unless others are asked for.
    pub backends: Vec<Backend>,
    /// Those that it can run on.
    pub runs_on: Vec<Backend>,
    /// Coordination servers of a backend that has a cluster of them.
    pub brokers: u16,
    /// The network without faults.
    pub network: ScenarioNetwork,
    /// Configuration of every node.
    pub configs: NodeConfigs,
    /// The chaos phase, simulated.
    pub run: Duration,
    /// The quiet phase after it, simulated.
    pub settle: Duration,
    /// What clients ask of the cluster.
    pub workloads: Vec<WorkloadSpec>,
    /// What goes wrong; [`crate::nemesis::resolve`] makes a plan of it.
    pub faults: Vec<FaultSpec>,
    /// What must hold, beside [`ALWAYS_ON`].
    pub checks: Vec<CheckSpec>,
    /// A planted defect to switch on.
    pub defect: Option<Defect>,
    /// The checker that must fail for the scenario to count as passed (or `verify`, for nondeterminism).
    pub expected_failure: Option<String>,
}

/// What a single node has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Which node, 1-based.
    pub index: u16,
    /// Its configured id; `None`: its index.
    pub id: Option<u16>,
    /// What its wall clock is off by from boot on, nanoseconds.
    pub skew_ns: i64,
}

/// A scenario's network and where it came from.
#[derive(Clone, Debug, PartialEq)]
pub struct ScenarioNetwork {
    /// The profile's name; `None` when it stands in the scenario itself.
    pub name: Option<String>,
    /// The profile file's text; `None` when it stands in the scenario itself.
    pub text: Option<String>,
    /// Its content.
    pub profile: NetworkProfile,
}

impl Scenario {
    /// The configured id of a node (1-based index): its index unless a `[[node]]` says otherwise.
    #[must_use]
    pub fn node_id(&self, index: u16) -> u16 {
        self.overrides.iter().find(|node| node.index == index).and_then(|node| node.id).unwrap_or(index)
    }

    /// What the wall clock of a node (1-based index) is off by from boot on, nanoseconds.
    #[must_use]
    pub fn skew_ns(&self, index: u16) -> i64 {
        self.overrides.iter().find(|node| node.index == index).map_or(0, |node| node.skew_ns)
    }
}

/// Parses and validates a scenario's text. Errors call it `file`; what it names comes from `resources`.
///
/// # Errors
/// What is wrong with the text or a file that it names, and where.
pub fn parse(file: &str, name: &str, text: &str, resources: &dyn Resources) -> Result<Scenario, ScenarioError> {
    validate::scenario(file, name, text, resources)
}

/// The JSON Schema of a scenario file.
///
/// # Panics
/// Never: a schema is JSON.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(document::Document).to_value()
}
