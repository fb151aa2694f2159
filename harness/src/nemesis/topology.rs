//! The hosts there are.

use squall_sim::fault::HostName;

/// The hosts of a world, by role. A plan names them by these names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// Node `i` of the scenario is `nodes[i - 1]`.
    pub nodes: Vec<HostName>,
    /// The coordination servers; empty for a peer-to-peer backend.
    pub brokers: Vec<HostName>,
    /// The metadata store.
    pub store: HostName,
}

/// A host by its number: nodes first, then brokers, then the store.
pub(crate) type HostIndex = u32;

impl Topology {
    pub(crate) fn node(&self, number: u16) -> HostIndex {
        HostIndex::from(number) - 1
    }

    pub(crate) fn nodes(&self) -> impl Iterator<Item = HostIndex> + use<> {
        0..self.nodes.len() as HostIndex
    }

    pub(crate) fn brokers(&self) -> impl Iterator<Item = HostIndex> + use<> {
        let first = self.nodes.len() as HostIndex;
        first..first + self.brokers.len() as HostIndex
    }

    pub(crate) fn store(&self) -> HostIndex {
        (self.nodes.len() + self.brokers.len()) as HostIndex
    }

    /// Every host.
    pub(crate) fn hosts(&self) -> impl Iterator<Item = HostIndex> + use<> {
        0..=self.store()
    }

    pub(crate) fn name(&self, host: HostIndex) -> HostName {
        let host = host as usize;
        self.nodes.get(host).or_else(|| self.brokers.get(host - self.nodes.len())).unwrap_or(&self.store).clone()
    }
}
