//! Verdicts: pass, fail or unknown; the worst one wins.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a checker concludes. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise held.
    Pass,
    /// The evidence does not decide.
    Unknown,
    /// The promise was broken.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pass => "pass",
            Self::Unknown => "unknown",
            Self::Fail => "fail",
        })
    }
}

/// One checker's verdict on one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// The checker's name, as in a scenario.
    pub name: String,
    /// Its verdict.
    pub verdict: Verdict,
    /// One sentence: why, or what was examined.
    pub reason: String,
    /// The events that prove a failure, oldest first, each a line with its time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}
