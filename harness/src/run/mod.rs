//! One run: a scenario, a seed and a backend in, a verdict with its evidence out.
//!
//! | file | what |
//! |---|---|
//! | `cluster.rs` | the hosts of a world: store, nodes, and the brokers of `brokers/` |
//! | `observe.rs` | what nodes report, into the record and the trace |
//! | `phases.rs` | boot, chaos, quiet, final reads |
//! | `batch.rs` | many runs, each in a forked child |
//! | `timeline.rs` | a run told to a person |

mod batch;
mod brokers;
mod cluster;
mod observe;
mod phases;
mod timeline;

pub use batch::{Batch, BatchError, Ended, Isolation, Limits};
pub(crate) use cluster::NodeSlot;
pub use cluster::PrepareError;
pub use phases::execute;
pub use timeline::timeline;

use crate::nemesis::Topology;
use crate::scenario::{Backend, Scenario};
use serde::{Deserialize, Serialize};
use squall_cluster::config::NodeConfig;
use squall_cluster::defects::Defect;
use squall_reports::compare::Measures;
use squall_reports::{Check, RunReport, Verdict};
use squall_sim::Keep;
use squall_sim::fault::PlannedFault;
use std::sync::Arc;

/// Everything that decides a run.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// What is run, with its node configurations ready.
    pub prepared: Arc<Prepared>,
    /// Decides everything random.
    pub seed: u64,
    /// The plan of a failure file; `None`: resolved from the seed.
    pub plan: Option<Vec<PlannedFault>>,
    /// How much of it to keep.
    pub keep: Keep,
}

/// A scenario made ready once for all its seeds on one backend.
#[derive(Debug)]
pub struct Prepared {
    /// The scenario.
    pub scenario: Scenario,
    /// The backend.
    pub backend: Backend,
    /// Planted defects that are on.
    pub defects: Vec<Defect>,
    /// One configuration for each node.
    pub(crate) configs: Vec<NodeConfig>,
    /// The hosts there are.
    pub(crate) topology: Topology,
    /// Whether runs are measured, beside being judged.
    pub measuring: Measuring,
}

impl Prepared {
    /// The hosts there are.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The same, measured or not.
    #[must_use]
    pub fn measuring(mut self, measuring: Measuring) -> Self {
        self.measuring = measuring;
        self
    }
}

/// Whether a run leaves the measurements that backends are compared by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Measuring {
    /// It is only judged.
    #[default]
    Off,
    /// Its latencies, losses and recoveries are in [`RunOutput::measures`].
    On,
}

/// What a run leaves for whoever started it; crosses the pipe from the child.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunOutput {
    /// The report; its checks without evidence once it has crossed the pipe.
    pub report: RunReport,
    /// The checks with their evidence.
    pub checks: Vec<Check>,
    /// The plan that was followed.
    pub plan: Vec<PlannedFault>,
    /// With [`Measuring::On`], and if the run came to its end: what backends are compared by.
    pub measures: Option<Measures>,
    /// With [`Keep::Everything`]: the story in lines.
    pub timeline: Vec<String>,
    /// With [`Keep::Everything`]: every event in lines.
    pub trace: Vec<String>,
}

impl RunOutput {
    /// A run that ended without an answer: its process died or took too long.
    pub(crate) fn broken(spec: &RunSpec, check: &'static str, reason: String) -> Self {
        let verdict = Verdict::Fail;
        Self::ended_early(spec, Check { name: check.to_owned(), verdict, reason, evidence: Vec::new() })
    }

    /// A run that was ended before its checkers could judge; `check` says why.
    pub(crate) fn ended_early(spec: &RunSpec, check: Check) -> Self {
        let checks = vec![check];
        let report = RunReport::new(
            spec.prepared.scenario.name.clone(),
            spec.seed,
            spec.prepared.backend.name(),
            checks.clone(),
        );
        Self { report, checks, plan: Vec::new(), measures: None, timeline: Vec::new(), trace: Vec::new() }
    }
}
