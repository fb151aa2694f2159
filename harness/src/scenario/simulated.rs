//! From a profile, as scenarios have it, to what a world is made from.

use super::costs::HostCosts;
use super::network::{Latency, NetworkProfile};
use std::time::Duration;

impl From<&Latency> for squall_sim::Latency {
    fn from(latency: &Latency) -> Self {
        let Latency { min, median, p99, max } = *latency;
        Self { min_ns: ns(min), median_ns: ns(median), p99_ns: ns(p99), max_ns: ns(max) }
    }
}

impl From<&HostCosts> for squall_sim::HostCosts {
    fn from(costs: &HostCosts) -> Self {
        Self {
            send_ns: ns(costs.send),
            pipelined_ns: ns(costs.pipelined),
            receive: (&costs.receive).into(),
            wake: (&costs.wake).into(),
            sleeps_after_ns: ns(costs.sleeps_after),
            stalls_per_million: per_million(costs.stalls),
            stall: (&costs.stall).into(),
        }
    }
}

impl From<&NetworkProfile> for squall_sim::NetworkProfile {
    fn from(profile: &NetworkProfile) -> Self {
        Self {
            latency: (&profile.latency).into(),
            loss_per_million: per_million(profile.loss),
            nic_bytes_per_s: profile.bandwidth_bytes_per_s,
        }
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn per_million(fraction: f64) -> u32 {
    (fraction * 1_000_000.0) as u32
}
