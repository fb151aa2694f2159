//! `lame-duck = { restart-after = "5s" }`: a random broker announces its shutdown, closes its clients and goes.

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

/// A random broker announces its shutdown, closes its clients and goes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct LameDuck {
    /// Until it is back; at the end of the run when absent.
    restart_after: Option<Located<Time>>,
}

impl Nemesis for LameDuck {
    fn validate(&self, rules: &Rules, _span: Range<usize>) -> Result<(), Complaint> {
        if let Some(time) = &self.restart_after {
            rules.positive("restart-after", time)?;
        }
        Ok(())
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::LameDuck,
            victims: Victims::First(1, draw.shuffled(topology.brokers())),
            lasting: self.restart_after.as_ref().map(|time| time.0),
        }]
    }
}
