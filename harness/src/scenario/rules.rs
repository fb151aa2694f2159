//! What the entries of a scenario must respect: its nodes and its time.

use super::error::Complaint;
use super::located::Located;
use super::units::Time;
use std::collections::BTreeSet;
use std::time::Duration;

/// The frame in which faults and workloads live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How many nodes there are.
    pub(crate) nodes: u16,
    /// How long the chaos phase is.
    pub(crate) run: Duration,
}

impl Rules {
    /// The node exists.
    pub(crate) fn node(&self, node: &Located<u16>) -> Result<(), Complaint> {
        let nodes = self.nodes;
        if (1..=nodes).contains(&**node) {
            return Ok(());
        }
        let expected = if nodes == 1 { "the only node is 1".to_owned() } else { format!("expected 1 to {nodes}") };
        Err(Complaint::at(node.span(), format!("there is no node {}: {expected}", **node))
            .help("nodes are counted from 1; the key `nodes` at the top says how many there are"))
    }

    /// The nodes exist, each is named once, and there is at least one.
    pub(crate) fn nodes(&self, key: &str, nodes: &Located<Vec<Located<u16>>>) -> Result<(), Complaint> {
        if nodes.is_empty() {
            return Err(Complaint::at(nodes.span(), format!("`{key}` is empty: expected at least one node")));
        }
        let mut seen = BTreeSet::new();
        for node in nodes.iter() {
            self.node(node)?;
            if !seen.insert(**node) {
                return Err(Complaint::at(node.span(), format!("node {} stands in `{key}` twice", **node)));
            }
        }
        Ok(())
    }

    /// There are that many nodes to pick from.
    pub(crate) fn pick(&self, pick: &Located<u16>) -> Result<(), Complaint> {
        if (1..=self.nodes).contains(&**pick) {
            return Ok(());
        }
        Err(Complaint::at(
            pick.span(),
            format!("cannot pick {} of {} nodes: expected 1 to {}", **pick, self.nodes, self.nodes),
        ))
    }

    /// The kind needs this many nodes.
    pub(crate) fn at_least(&self, nodes: u16, what: &str, span: std::ops::Range<usize>) -> Result<(), Complaint> {
        if self.nodes >= nodes {
            return Ok(());
        }
        Err(Complaint::at(span, format!("{what} needs at least {nodes} nodes: the scenario has {}", self.nodes)))
    }

    /// The duration is not 0.
    pub(crate) fn positive(&self, key: &str, time: &Located<Time>) -> Result<(), Complaint> {
        if time.is_zero() {
            return Err(Complaint::at(time.span(), format!("`{key}` is 0: expected more than 0s")));
        }
        Ok(())
    }

    /// The time lies before the end of the chaos phase.
    pub(crate) fn within_run(&self, key: &str, time: &Located<Time>) -> Result<(), Complaint> {
        if time.0 < self.run {
            return Ok(());
        }
        Err(Complaint::at(
            time.span(),
            format!("`{key}` is not before the end of the run: expected less than {:?}", self.run),
        )
        .help("lengthen `run` or choose an earlier time"))
    }

    /// From when until when: the whole run where nothing is said.
    pub(crate) fn window(
        &self,
        from: Option<&Located<Time>>,
        until: Option<&Located<Time>>,
    ) -> Result<(Duration, Duration), Complaint> {
        if let Some(from) = from {
            self.within_run("from", from)?;
        }
        let start = from.map_or(Duration::ZERO, |from| from.0);
        let Some(until) = until else { return Ok((start, self.run)) };
        if until.0 > self.run {
            return Err(Complaint::at(
                until.span(),
                format!("`until` is after the end of the run: expected at most {:?}", self.run),
            ));
        }
        if until.0 <= start {
            return Err(Complaint::at(
                until.span(),
                format!("`until` is not after `from`: expected more than {start:?}"),
            ));
        }
        Ok((start, until.0))
    }
}
