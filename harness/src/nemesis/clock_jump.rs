//! `clock-jump = { nodes = [2], by = "+1h", for = "20s" }`: wall clocks jump, and jump back later.

use super::draw::Draw;
use super::effect::Effect;
use super::spec::Nemesis;
use super::step::Step;
use super::target::{Servers, Target};
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::{Offset, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Wall clocks jump, and jump back later. Exactly one of `nodes`, `pick` and `servers` says whose.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ClockJump {
    /// These nodes, 1-based.
    nodes: Option<Located<Vec<Located<u16>>>>,
    /// This many random nodes.
    pick: Option<Located<u16>>,
    /// The brokers, or the store.
    servers: Option<Servers>,
    /// How far.
    by: Located<Offset>,
    /// Until they jump back; at the end of the run when absent.
    r#for: Option<Located<Time>>,
}

impl ClockJump {
    fn target(&self) -> Target<'_> {
        Target { nodes: self.nodes.as_ref(), pick: self.pick.as_ref(), servers: self.servers }
    }
}

impl Nemesis for ClockJump {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if self.by.0 == 0 {
            return Err(Complaint::at(self.by.span(), "`by` is 0: expected an offset such as \"+5m\" or \"-5m\""));
        }
        if let Some(time) = &self.r#for {
            rules.positive("for", time)?;
        }
        self.target().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::ClockJump { by_ns: self.by.0 },
            victims: self.target().victims(topology, draw),
            lasting: self.r#for.as_ref().map(|time| time.0),
        }]
    }
}
