//! `store-slow = { per-statement = "200ms", for = "10s" }`: the store takes longer for each statement.

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
use std::ops::Range;

/// The store takes longer for each statement.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StoreSlow {
    /// Added to the service time of each statement.
    per_statement: Located<Time>,
    /// For how long; until the end of the run when absent.
    r#for: Option<Located<Time>>,
}

impl Nemesis for StoreSlow {
    fn validate(&self, rules: &Rules, _span: Range<usize>) -> Result<(), Complaint> {
        rules.positive("per-statement", &self.per_statement)?;
        if let Some(time) = &self.r#for {
            rules.positive("for", time)?;
        }
        Ok(())
    }

    fn steps(&self, topology: &Topology, _draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::StoreSlow { per_statement_ns: self.per_statement.as_nanos() as u64 },
            victims: Victims::Each(vec![topology.store()]),
            lasting: self.r#for.as_ref().map(|time| time.0),
        }]
    }
}
