//! `reset = { pick = 1, from = "brokers" }`: open connections are reset.

use super::draw::Draw;
use super::effect::Effect;
use super::links::{Direction, Links, Peers};
use super::spec::Nemesis;
use super::step::Step;
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Open connections are reset. Without `side` and `pick`, those of all nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reset {
    /// Connections between these nodes, 1-based, and all other hosts.
    side: Option<Located<Vec<Located<u16>>>>,
    /// As `side`, with this many random nodes.
    pick: Option<Located<u16>>,
    /// Only connections with these hosts.
    from: Option<Peers>,
}

impl Reset {
    fn links(&self) -> Links<'_> {
        // A reset is noticed at both ends, so one direction names every connection.
        Links { side: self.side.as_ref(), pick: self.pick.as_ref(), from: self.from, direction: Direction::Outbound }
    }
}

impl Nemesis for Reset {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        self.links().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        self.links().steps(Effect::Reset, None, topology, draw)
    }
}
