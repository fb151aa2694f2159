//! `skew = { pick = 1, offset = "-5m", for = "20s" }`: wall clocks are off for a while.

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

/// Wall clocks are off for a while. Exactly one of `nodes`, `pick` and `servers` says whose.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Skew {
    /// These nodes, 1-based.
    nodes: Option<Located<Vec<Located<u16>>>>,
    /// This many random nodes.
    pick: Option<Located<u16>>,
    /// The brokers, or the store.
    servers: Option<Servers>,
    /// What the clock is off by.
    offset: Located<Offset>,
    /// For how long; until the end of the run when absent.
    r#for: Option<Located<Time>>,
}

impl Skew {
    fn target(&self) -> Target<'_> {
        Target { nodes: self.nodes.as_ref(), pick: self.pick.as_ref(), servers: self.servers }
    }
}

impl Nemesis for Skew {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if self.offset.0 == 0 {
            return Err(Complaint::at(
                self.offset.span(),
                "`offset` is 0: expected an offset such as \"+5m\" or \"-5m\"",
            ));
        }
        if let Some(time) = &self.r#for {
            rules.positive("for", time)?;
        }
        self.target().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::Skew { offset_ns: self.offset.0 },
            victims: self.target().victims(topology, draw),
            lasting: self.r#for.as_ref().map(|time| time.0),
        }]
    }
}
