//! One thing that a fault entry does at one of its times.

use super::effect::Effect;
use super::hosts::Hosts;
use super::topology::HostIndex;
use std::time::Duration;

/// An effect with its victims; `lasting` is `None` for "until the end of the chaos phase".
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) effect: Effect,
    pub(crate) victims: Victims,
    pub(crate) lasting: Option<Duration>,
}

/// Whom an effect strikes.
#[derive(Clone, Debug)]
pub(crate) enum Victims {
    /// Packets from any of the first to any of the second.
    Links(Hosts, Hosts),
    /// Each of these hosts that no other fault holds.
    Each(Vec<HostIndex>),
    /// The first hosts of this order that no other fault holds, this many.
    First(usize, Vec<HostIndex>),
}

impl Victims {
    /// Whether there is nobody to strike.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Links(from, to) => from.is_empty() || to.is_empty(),
            Self::Each(hosts) | Self::First(_, hosts) => hosts.is_empty(),
        }
    }
}
