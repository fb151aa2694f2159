//! The object that `compare.json` holds.

use super::{Exposure, Late, Messages, Percentiles, Point};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of [`Comparison`]'s format.
pub const FORMAT: u32 = 1;

/// Backends side by side under the same scenarios, seeds and faults. Times are simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// What the comparison is of.
    #[serde(flatten)]
    pub header: Header,
    /// `false` when it was interrupted, or a run ended without measurements.
    pub complete: bool,
    /// Each backend over the scenarios that are comparable, in the order of `header.backends`.
    pub totals: Vec<Total>,
    /// Which backend is better at what, by the rules that each finding names.
    pub findings: Vec<Finding>,
    /// Every scenario, comparable or not.
    pub scenarios: Vec<ScenarioResult>,
}

/// What a comparison is of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Header {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of Squall.
    pub squall: String,
    /// The command that does it again.
    pub command: String,
    /// The backends, in the order in which they are shown.
    pub backends: Vec<String>,
    /// The first seed.
    pub first_seed: u64,
    /// The seed after the last one.
    pub end_seed: u64,
}

/// One backend over all comparable scenarios, of which only runs count that every backend finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Total {
    /// Which.
    pub backend: String,
    /// Its runs.
    pub runs: Runs,
    /// What was measured.
    pub figures: Figures,
    /// The distributions behind the percentiles.
    pub curves: Curves,
}

/// The distributions of a backend; empty where nothing was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Curves {
    /// Behind [`Figures::delivery`].
    pub delivery: Vec<Point>,
    /// Behind [`Figures::last_node`].
    pub last_node: Vec<Point>,
    /// Behind [`Figures::in_force`].
    pub in_force: Vec<Point>,
    /// Behind [`Figures::last_in_force`].
    pub last_in_force: Vec<Point>,
    /// Behind [`Figures::reconnect`].
    pub reconnect: Vec<Point>,
}

/// How runs ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Runs {
    /// Every check passed.
    pub passed: u64,
    /// A check failed.
    pub failed: u64,
    /// A check could not decide.
    pub undecided: u64,
}

impl Runs {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.passed + self.failed + self.undecided
    }
}

/// What was measured; `null` where nothing was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Block in force on its origin until in force on another node, by broadcast.
    pub delivery: Option<Percentiles>,
    /// The same until the last node.
    pub last_node: Option<Percentiles>,
    /// Block in force on its origin until in force on another node that ran then, by broadcast or by repair.
    pub in_force: Option<Percentiles>,
    /// The same until the last node.
    pub last_in_force: Option<Percentiles>,
    /// From the last heal until every running node knew everything that was made before it, one value for each run.
    pub convergence: Option<Percentiles>,
    /// Runs in which that never came.
    pub unconverged: u64,
    /// Coordinator link lost until back.
    pub reconnect: Option<Percentiles>,
    /// Links that never came back.
    pub unreconnected: u64,
    /// Coordinator messages.
    pub messages: Messages,
    /// Versions that came late.
    pub late: Late,
    /// How long blocked addresses were let in.
    pub exposure: Exposure,
}

/// One scenario on all backends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ScenarioResult {
    /// The scenario's name, such as `fast/partition-minority`.
    pub scenario: String,
    /// Its claim.
    pub title: String,
    /// Why it is left out of the totals and findings; `null` when it is not.
    pub left_out: Option<String>,
    /// The backends that it ran on.
    pub results: Vec<BackendResult>,
}

/// One scenario on one backend, over all seeds that were finished.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendResult {
    /// Which.
    pub backend: String,
    /// Its runs.
    pub runs: Runs,
    /// Faults of the scenario that have nobody to strike on this backend, such as "fault 1 (kill)": brokers where there are none.
    pub not_applicable: Vec<String>,
    /// Hash of what the plans of all seeds do to nodes and the store, 16 hexadecimal digits: equal on all backends when the
    /// same seeds were finished.
    pub node_plan: String,
    /// What was measured.
    pub figures: Figures,
}

/// What one figure says about the backends. Lower is better in each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which figure, such as "fan-out p99".
    pub figure: String,
    /// What its values are in, such as "us".
    pub unit: String,
    /// Backends with a value, the lowest first.
    pub ranking: Vec<Ranked>,
    /// The finding in one sentence.
    pub text: String,
}

/// One backend's place in a [`Finding`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ranked {
    /// Which.
    pub backend: String,
    /// Its figure, over all comparable runs.
    pub value: f64,
    /// Whether it is the lowest, or not told apart from it.
    pub place: Place,
    /// Pairs of runs, same scenario and seed, in which the leader's own figure was lower than this backend's.
    pub leader_lower: u64,
    /// Pairs in which it was higher.
    pub leader_higher: u64,
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The lowest figure.
    First,
    /// Within noise of the lowest.
    Tied,
    /// Higher, but the single runs are too few or do not bear it out.
    Unclear,
    /// Higher, and so in nearly every run.
    Behind,
}
