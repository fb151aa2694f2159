//! `store-die = { point = "after", restart-after = "2s" }`: the store dies at its next commit, so that the outcome is unknown.

use super::draw::Draw;
use super::effect::Effect;
use super::spec::Nemesis;
use super::step::{Step, Victims};
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use squall_sim::fault::CommitPoint;
use std::ops::Range;

/// The store dies at its next commit, so that the outcome is unknown.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StoreDie {
    /// On which side of the commit.
    point: CommitPoint,
    /// Until it is back, counted from when the fault strikes; at the end of the run when absent.
    restart_after: Option<Located<Time>>,
}

impl Nemesis for StoreDie {
    fn validate(&self, rules: &Rules, _span: Range<usize>) -> Result<(), Complaint> {
        if let Some(time) = &self.restart_after {
            rules.positive("restart-after", time)?;
        }
        Ok(())
    }

    fn steps(&self, topology: &Topology, _draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::StoreDie { point: self.point },
            victims: Victims::Each(vec![topology.store()]),
            lasting: self.restart_after.as_ref().map(|time| time.0),
        }]
    }
}
