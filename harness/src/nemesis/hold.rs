//! `hold = { side = [1], release-after = "5s" }`: packets wait in the network, then all arrive in order.

use super::draw::Draw;
use super::effect::Effect;
use super::links::{Direction, Links, Peers};
use super::spec::Nemesis;
use super::step::Step;
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Packets wait in the network, then all arrive in order. Without `side` and `pick`, on all links of all nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Hold {
    /// The links between these nodes, 1-based, and all other hosts.
    side: Option<Located<Vec<Located<u16>>>>,
    /// As `side`, with this many random nodes.
    pick: Option<Located<u16>>,
    /// Only the links to these hosts.
    from: Option<Peers>,
    /// Which way; both when absent.
    #[serde(default)]
    direction: Direction,
    /// Until they arrive; at the end of the run when absent.
    release_after: Option<Located<Time>>,
}

impl Hold {
    fn links(&self) -> Links<'_> {
        Links { side: self.side.as_ref(), pick: self.pick.as_ref(), from: self.from, direction: self.direction }
    }
}

impl Nemesis for Hold {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if let Some(time) = &self.release_after {
            rules.positive("release-after", time)?;
        }
        self.links().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        let lasting = self.release_after.as_ref().map(|time| time.0);
        self.links().steps(Effect::Hold, lasting, topology, draw)
    }
}
