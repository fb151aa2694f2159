//! `power-loss = { nodes = [3], restart-after = "10s" }`: machines go off: peers hear nothing, unsynced writes are gone.

use super::draw::Draw;
use super::effect::Effect;
use super::spec::Nemesis;
use super::step::Step;
use super::target::{Servers, Target};
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Machines go off: peers hear nothing, unsynced writes are gone. Exactly one of `nodes`, `pick` and `servers` says whose.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct PowerLoss {
    /// These nodes, 1-based.
    nodes: Option<Located<Vec<Located<u16>>>>,
    /// This many random nodes.
    pick: Option<Located<u16>>,
    /// The brokers, or the store.
    servers: Option<Servers>,
    /// Until they boot again; at the end of the run when absent.
    restart_after: Option<Located<Time>>,
}

impl PowerLoss {
    fn target(&self) -> Target<'_> {
        Target { nodes: self.nodes.as_ref(), pick: self.pick.as_ref(), servers: self.servers }
    }
}

impl Nemesis for PowerLoss {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if let Some(time) = &self.restart_after {
            rules.positive("restart-after", time)?;
        }
        self.target().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::PowerLoss,
            victims: self.target().victims(topology, draw),
            lasting: self.restart_after.as_ref().map(|time| time.0),
        }]
    }
}
