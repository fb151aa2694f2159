//! `loss = { ratio = 0.1, for = "10s" }`: packets are lost at random.

use super::draw::Draw;
use super::effect::Effect;
use super::links::{Direction, Links, Peers};
use super::spec::Nemesis;
use super::step::Step;
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::{Fraction, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Packets are lost at random. Without `side` and `pick`, on all links of all nodes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Loss {
    /// The links between these nodes, 1-based, and all other hosts.
    side: Option<Located<Vec<Located<u16>>>>,
    /// As `side`, with this many random nodes.
    pick: Option<Located<u16>>,
    /// Only the links to these hosts.
    from: Option<Peers>,
    /// Which way; both when absent.
    #[serde(default)]
    direction: Direction,
    /// Share of the packets that are lost.
    ratio: Fraction,
    /// For how long; until the end of the run when absent.
    r#for: Option<Located<Time>>,
}

impl Loss {
    fn links(&self) -> Links<'_> {
        Links { side: self.side.as_ref(), pick: self.pick.as_ref(), from: self.from, direction: self.direction }
    }
}

impl Nemesis for Loss {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if let Some(time) = &self.r#for {
            rules.positive("for", time)?;
        }
        self.links().validate(rules, span)
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        let lasting = self.r#for.as_ref().map(|time| time.0);
        self.links().steps(Effect::Loss { per_million: self.ratio.per_million() }, lasting, topology, draw)
    }
}
