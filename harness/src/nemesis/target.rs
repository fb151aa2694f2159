//! Whom a fault strikes: nodes by number, nodes by lot, or servers.

use super::draw::Draw;
use super::step::Victims;
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// A group of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Servers {
    /// The coordination servers.
    Brokers,
    /// The metadata store.
    Store,
}

/// The three ways to name victims; exactly one is set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target<'a> {
    pub(crate) nodes: Option<&'a Located<Vec<Located<u16>>>>,
    pub(crate) pick: Option<&'a Located<u16>>,
    pub(crate) servers: Option<Servers>,
}

impl Target<'_> {
    pub(crate) fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint> {
        match (self.nodes, self.pick, self.servers) {
            (Some(nodes), None, None) => rules.nodes("nodes", nodes),
            (None, Some(pick), None) => rules.pick(pick),
            (None, None, Some(_)) => Ok(()),
            (None, None, None) => Err(Complaint::at(
                span,
                "this fault has no victims: expected `nodes`, `pick` or `servers`",
            )
            .help(
                "nodes = [1, 2] names nodes, pick = 1 draws one, servers = \"store\" or \"brokers\" strikes servers",
            )),
            _ => Err(Complaint::at(
                span,
                "this fault names its victims twice: expected one of `nodes`, `pick` and `servers`",
            )),
        }
    }

    pub(crate) fn victims(&self, topology: &Topology, draw: &mut Draw<'_>) -> Victims {
        match (self.nodes, self.pick, self.servers) {
            (Some(nodes), ..) => Victims::Each(nodes.iter().map(|node| topology.node(**node)).collect()),
            (_, Some(pick), _) => Victims::First(usize::from(**pick), draw.shuffled(topology.nodes())),
            (.., Some(Servers::Brokers)) => Victims::Each(topology.brokers().collect()),
            (.., Some(Servers::Store)) => Victims::Each(vec![topology.store()]),
            (None, None, None) => Victims::Each(Vec::new()),
        }
    }
}
