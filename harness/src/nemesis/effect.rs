//! What a fault does to the world, how it is undone, and what it holds meanwhile.

use super::hosts::Hosts;
use super::topology::{HostIndex, Topology};
use squall_sim::fault::{CommitPoint, Fault, HostName, StorePoint};

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    Cut,
    Hold,
    Loss { per_million: u32 },
    Delay { extra_ns: u64 },
    Bandwidth { bytes_per_s: u64 },
    Reset,
    Kill,
    PowerLoss,
    Pause,
    Skew { offset_ns: i64 },
    ClockJump { by_ns: i64 },
    StoreSlow { per_statement_ns: u64 },
    StoreSerialization { count: u32, at: StorePoint },
    StoreDie { point: CommitPoint },
    LameDuck,
}

/// What a fault holds for itself until it is undone; another fault that wants the same of the same hosts has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Reachability,
    Held,
    Loss,
    Delay,
    Bandwidth,
    /// Whether the process runs.
    Process,
    Clock,
    StoreSpeed,
}

impl Effect {
    /// `None`: it may coincide with anything.
    pub(crate) fn slot(self) -> Option<Slot> {
        match self {
            Self::Cut => Some(Slot::Reachability),
            Self::Hold => Some(Slot::Held),
            Self::Loss { .. } => Some(Slot::Loss),
            Self::Delay { .. } => Some(Slot::Delay),
            Self::Bandwidth { .. } => Some(Slot::Bandwidth),
            Self::Kill | Self::PowerLoss | Self::Pause | Self::StoreDie { .. } | Self::LameDuck => Some(Slot::Process),
            Self::Skew { .. } | Self::ClockJump { .. } => Some(Slot::Clock),
            Self::StoreSlow { .. } => Some(Slot::StoreSpeed),
            Self::Reset | Self::StoreSerialization { .. } => None,
        }
    }

    /// The fault on the hosts of the topology, and what undoes it (a reset cannot be undone).
    ///
    /// `boot_skew_ns` is what a host's clock is off by when nothing is wrong with it.
    pub(crate) fn faults(
        self,
        topology: &Topology,
        from: &Hosts,
        to: &Hosts,
        boot_skew_ns: impl Fn(HostIndex) -> i64,
    ) -> (Fault, Option<Fault>) {
        let names = |hosts: &Hosts| -> Vec<HostName> { hosts.iter().map(|host| topology.name(host)).collect() };
        let links = || (names(from), names(to));
        let host = || from.iter().next().map_or_else(|| topology.store.clone(), |host| topology.name(host));
        match self {
            Self::Cut => on_links(links(), |from, to| Fault::Cut { from, to }, |from, to| Fault::Mend { from, to }),
            Self::Hold => {
                on_links(links(), |from, to| Fault::Hold { from, to }, |from, to| Fault::Release { from, to })
            }
            Self::Loss { per_million } => on_links(
                links(),
                |from, to| Fault::Loss { from, to, per_million },
                |from, to| Fault::Loss { from, to, per_million: 0 },
            ),
            Self::Delay { extra_ns } => on_links(
                links(),
                |from, to| Fault::Delay { from, to, extra_ns },
                |from, to| Fault::Delay { from, to, extra_ns: 0 },
            ),
            Self::Bandwidth { bytes_per_s } => on_links(
                links(),
                |from, to| Fault::Bandwidth { from, to, bytes_per_s: Some(bytes_per_s) },
                |from, to| Fault::Bandwidth { from, to, bytes_per_s: None },
            ),
            Self::Reset => {
                let (from, to) = links();
                (Fault::Reset { from, to }, None)
            }
            Self::Kill => (Fault::Kill { host: host() }, Some(Fault::Start { host: host() })),
            Self::PowerLoss => (Fault::PowerLoss { host: host() }, Some(Fault::Start { host: host() })),
            Self::Pause => (Fault::Pause { host: host() }, Some(Fault::Resume { host: host() })),
            Self::Skew { offset_ns } => {
                let normal_ns = from.iter().next().map_or(0, boot_skew_ns);
                (Fault::Skew { host: host(), offset_ns }, Some(Fault::Skew { host: host(), offset_ns: normal_ns }))
            }
            Self::ClockJump { by_ns } => {
                (Fault::ClockJump { host: host(), by_ns }, Some(Fault::ClockJump { host: host(), by_ns: -by_ns }))
            }
            Self::StoreSlow { per_statement_ns } => {
                (Fault::StoreSlow { per_statement_ns }, Some(Fault::StoreSlow { per_statement_ns: 0 }))
            }
            Self::StoreSerialization { count, at } => {
                (Fault::StoreSerialization { count, at }, Some(Fault::StoreSerialization { count: 0, at }))
            }
            Self::StoreDie { point } => {
                (Fault::StoreDieAtCommit { point }, Some(Fault::Start { host: topology.store.clone() }))
            }
            Self::LameDuck => (Fault::LameDuck { host: host() }, Some(Fault::Start { host: host() })),
        }
    }
}

fn on_links(
    (from, to): (Vec<HostName>, Vec<HostName>),
    does: impl FnOnce(Vec<HostName>, Vec<HostName>) -> Fault,
    undoes: impl FnOnce(Vec<HostName>, Vec<HostName>) -> Fault,
) -> (Fault, Option<Fault>) {
    (does(from.clone(), to.clone()), Some(undoes(from, to)))
}
