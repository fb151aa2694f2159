//! Which links a fault strikes: a side of nodes against the rest of the world, or against part of it.

use super::draw::Draw;
use super::effect::Effect;
use super::hosts::Hosts;
use super::step::{Step, Victims};
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;

/// A part of the world, as seen from a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Peers {
    /// The coordination servers.
    Brokers,
    /// The metadata store.
    Store,
    /// The other nodes.
    Nodes,
}

/// Which way packets are affected, as seen from the side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    /// Both ways.
    #[default]
    Both,
    /// What the side sends.
    Outbound,
    /// What the side is sent.
    Inbound,
}

/// A side and what it is set against. Without `side` and `pick` every node is set against every other host.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Links<'a> {
    pub(crate) side: Option<&'a Located<Vec<Located<u16>>>>,
    pub(crate) pick: Option<&'a Located<u16>>,
    pub(crate) from: Option<Peers>,
    pub(crate) direction: Direction,
}

impl Links<'_> {
    pub(crate) fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        let (size, place) = match (self.side, self.pick) {
            (Some(_), Some(_)) => {
                return Err(Complaint::at(span, "this fault has both `side` and `pick`: expected one of them"));
            }
            (Some(side), None) => {
                rules.nodes("side", side)?;
                (side.len(), side.span())
            }
            (None, Some(pick)) => {
                rules.pick(pick)?;
                (usize::from(**pick), pick.span())
            }
            (None, None) => (1, span),
        };
        if self.from == Some(Peers::Nodes) && size == usize::from(rules.nodes) {
            return Err(Complaint::at(place, "no node is left on the other side: expected fewer than all nodes"));
        }
        Ok(())
    }

    /// The steps that have this effect on the links, one for each direction.
    pub(crate) fn steps(
        &self,
        effect: Effect,
        lasting: Option<Duration>,
        topology: &Topology,
        draw: &mut Draw<'_>,
    ) -> Vec<Step> {
        let side: Hosts = match (self.side, self.pick) {
            (Some(side), _) => side.iter().map(|node| topology.node(**node)).collect(),
            (None, Some(pick)) => draw.shuffled(topology.nodes()).into_iter().take(usize::from(**pick)).collect(),
            (None, None) => topology.nodes().collect(),
        };
        let everybody = self.side.is_none() && self.pick.is_none();
        let others: Hosts = match self.from {
            None => topology.hosts().collect(),
            Some(Peers::Brokers) => topology.brokers().collect(),
            Some(Peers::Store) => Hosts::from([topology.store()]),
            Some(Peers::Nodes) => topology.nodes().collect(),
        };
        // A side stays whole inside; only when all links are meant do its own count.
        let others = if everybody { others } else { &others - &side };
        separate(effect, lasting, &side, &others, self.direction)
    }
}

/// The steps that have this effect between two groups.
pub(crate) fn separate(
    effect: Effect,
    lasting: Option<Duration>,
    side: &Hosts,
    others: &Hosts,
    direction: Direction,
) -> Vec<Step> {
    let step = |from: &Hosts, to: &Hosts| Step { effect, victims: Victims::Links(from.clone(), to.clone()), lasting };
    match direction {
        Direction::Both => vec![step(side, others), step(others, side)],
        Direction::Outbound => vec![step(side, others)],
        Direction::Inbound => vec![step(others, side)],
    }
}
