//! `partition = { side = [1, 2], heal-after = "20s" }`: packets between two groups vanish.

use super::draw::Draw;
use super::effect::Effect;
use super::hosts::Hosts;
use super::links::{Direction, Links, Peers, separate};
use super::spec::Nemesis;
use super::step::{Step, Victims};
use super::topology::{HostIndex, Topology};
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// Packets between two groups vanish. Exactly one of `side`, `pick` and `pattern` says which groups.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Partition {
    /// These nodes, 1-based, lose all other hosts.
    side: Option<Located<Vec<Located<u16>>>>,
    /// As `side`, with this many random nodes.
    pick: Option<Located<u16>>,
    /// A shape whose members are drawn at random.
    pattern: Option<Located<Pattern>>,
    /// What the side loses; everything else when absent.
    from: Option<Located<Peers>>,
    /// Which way; both when absent.
    direction: Option<Located<Direction>>,
    /// Until it heals; at the end of the run when absent.
    heal_after: Option<Located<Time>>,
}

/// Shapes of a partition; who is where is drawn at random.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Pattern {
    /// Half of the nodes lose the other half; each server stays with one of the halves.
    Halves,
    /// Fewer than half of the nodes lose all other hosts.
    MajorityMinority,
    /// One node loses all other hosts.
    IsolateOne,
    /// What some nodes send, or what they are sent, vanishes; the other way works.
    OneWay,
    /// Two halves that only one node can reach both of.
    Bridge,
    /// All hosts in a ring, each of which reaches its two neighbours only.
    Ring,
    /// Some nodes lose the brokers only.
    BrokerOnly,
    /// Some nodes lose the store only.
    StoreOnly,
}

impl Nemesis for Partition {
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        if let Some(heal_after) = &self.heal_after {
            rules.positive("heal-after", heal_after)?;
        }
        match (&self.side, &self.pick, &self.pattern) {
            (None, None, None) => {
                Err(Complaint::at(span, "this partition has no sides: expected `side`, `pick` or `pattern`")
                    .help("side = [1, 2] names nodes, pick = 2 draws them, pattern = \"halves\" draws a shape"))
            }
            (_, None, None) | (None, _, None) => self.links().validate(rules, span),
            (None, None, Some(pattern)) => self.validate_pattern(pattern, rules),
            _ => Err(Complaint::at(
                span,
                "this partition names its sides twice: expected one of `side`, `pick` and `pattern`",
            )),
        }
    }

    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step> {
        let lasting = self.heal_after.as_ref().map(|time| time.0);
        let cut = |side: &Hosts, others: &Hosts, direction| separate(Effect::Cut, lasting, side, others, direction);
        let Some(pattern) = &self.pattern else {
            return self.links().steps(Effect::Cut, lasting, topology, draw);
        };
        let nodes = draw.shuffled(topology.nodes());
        let all: Hosts = topology.hosts().collect();
        let some = |draw: &mut Draw<'_>, most: usize| -> Hosts {
            let count = draw.between(1, most.max(1) as u64) as usize;
            nodes.iter().copied().take(count).collect()
        };
        match **pattern {
            Pattern::Halves => {
                let side = half(topology, draw, &nodes[..nodes.len() / 2]);
                cut(&side, &(&all - &side), Direction::Both)
            }
            Pattern::MajorityMinority => {
                let side = some(draw, (nodes.len() - 1) / 2);
                cut(&side, &(&all - &side), Direction::Both)
            }
            Pattern::IsolateOne => {
                let side = some(draw, 1);
                cut(&side, &(&all - &side), Direction::Both)
            }
            Pattern::OneWay => {
                let side = some(draw, nodes.len() - 1);
                let direction = if draw.coin() { Direction::Outbound } else { Direction::Inbound };
                cut(&side, &(&all - &side), direction)
            }
            Pattern::Bridge => {
                let bridge = Hosts::from([nodes[0]]);
                let side = half(topology, draw, &nodes[1..=nodes.len() / 2]);
                cut(&side, &(&(&all - &side) - &bridge), Direction::Both)
            }
            Pattern::Ring => {
                let mut hosts = nodes;
                for server in [topology.store()].into_iter().chain(topology.brokers()) {
                    hosts.insert(draw.below(hosts.len() as u64 + 1) as usize, server);
                }
                ring(&hosts, lasting)
            }
            Pattern::BrokerOnly => cut(&some(draw, nodes.len()), &topology.brokers().collect(), Direction::Both),
            Pattern::StoreOnly => cut(&some(draw, nodes.len()), &Hosts::from([topology.store()]), Direction::Both),
        }
    }
}

impl Partition {
    fn links(&self) -> Links<'_> {
        Links {
            side: self.side.as_ref(),
            pick: self.pick.as_ref(),
            from: self.from.as_ref().map(|from| **from),
            direction: self.direction.as_ref().map_or_else(Direction::default, |direction| **direction),
        }
    }

    fn validate_pattern(&self, pattern: &Located<Pattern>, rules: &Rules) -> Result<(), Complaint> {
        let stray = self.from.as_ref().map(|from| ("from", from.span()));
        if let Some((key, span)) = stray.or_else(|| self.direction.as_ref().map(|key| ("direction", key.span()))) {
            return Err(Complaint::at(span, format!("`{key}` goes with `side` or `pick`: a pattern has its own")));
        }
        let needed = match **pattern {
            Pattern::BrokerOnly | Pattern::StoreOnly | Pattern::IsolateOne => 1,
            Pattern::Halves | Pattern::OneWay => 2,
            Pattern::MajorityMinority | Pattern::Bridge | Pattern::Ring => 3,
        };
        rules.at_least(needed, "this pattern", pattern.span())
    }
}

/// Some nodes and, by lot, some of the servers.
fn half(topology: &Topology, draw: &mut Draw<'_>, nodes: &[HostIndex]) -> Hosts {
    let servers = [topology.store()].into_iter().chain(topology.brokers()).filter(|_| draw.coin());
    nodes.iter().copied().chain(servers).collect()
}

/// Each host of the ring loses all but its two neighbours.
fn ring(hosts: &[HostIndex], lasting: Option<std::time::Duration>) -> Vec<Step> {
    let all: Hosts = hosts.iter().copied().collect();
    hosts
        .iter()
        .enumerate()
        .map(|(place, &host)| {
            let before = hosts[(place + hosts.len() - 1) % hosts.len()];
            let after = hosts[(place + 1) % hosts.len()];
            let lost = &all - &Hosts::from([host, before, after]);
            Step { effect: Effect::Cut, victims: Victims::Links(Hosts::from([host]), lost), lasting }
        })
        .collect()
}
