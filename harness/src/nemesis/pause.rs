//! `pause = { pick = 1, resume-after = "8s" }`: processes stop as by SIGSTOP; their kernels go on.

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

/// Processes stop as by SIGSTOP; their kernels go on. Exactly one of `nodes`, `pick` and `servers` says whose.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Pause {
    /// These nodes, 1-based.
    nodes: Option<Located<Vec<Located<u16>>>>,
    /// This many random nodes.
    pick: Option<Located<u16>>,
    /// The brokers, or the store.
    servers: Option<Servers>,
    /// Until they continue; at the end of the run when absent.
    resume_after: Option<Located<Time>>,
}

impl Pause {
    fn target(&self) -> Target<'_> {
        Target { nodes: self.nodes.as_ref(), pick: self.pick.as_ref(), servers: self.servers }
    }
}

impl Nemesis for Pause {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if let Some(time) = &self.resume_after {
            rules.positive("resume-after", time)?;
        }
        self.target().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::Pause,
            victims: self.target().victims(topology, draw),
            lasting: self.resume_after.as_ref().map(|time| time.0),
        }]
    }
}
