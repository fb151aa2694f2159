//! The figures that backends are ranked by. Lower is better in each.

use super::{Latencies, Measures, words};

/// One figure, of one run or of many.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    /// Smaller differences mean nothing.
    pub(super) floor: f64,
    /// The figure; `None` when there is nothing to take it from.
    pub(super) of: fn(&Measures) -> Option<f64>,
}

/// What a figure is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Microseconds,
    Share,
    NodeSeconds,
}

impl Unit {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "us",
            Self::Share => "share",
            Self::NodeSeconds => "node-seconds",
        }
    }

    pub(super) fn write(self, value: f64) -> String {
        match self {
            Self::Microseconds => words::duration(value),
            Self::Share => words::percent(value),
            Self::NodeSeconds => format!("{value:.3} node-s"),
        }
    }
}

/// Differences in latency below a tenth of a millisecond are below what timers of a millisecond resolve.
const LATENCY_FLOOR_US: f64 = 100.0;
/// Recoveries are a matter of seconds.
const RECOVERY_FLOOR_US: f64 = 100_000.0;
const SHARE_FLOOR: f64 = 0.001;
const EXPOSURE_FLOOR: f64 = 0.001;

/// All of them, in the order in which they are shown.
pub(super) static METRICS: [Metric; 10] = [
    latency("fan-out p50", LATENCY_FLOOR_US, |all| quantile(&all.delivery, 0.5)),
    latency("in force by any way p99", LATENCY_FLOOR_US, |all| quantile(&all.in_force, 0.99)),
    latency("in force on the last node p99", LATENCY_FLOOR_US, |all| quantile(&all.last_in_force, 0.99)),
    latency("convergence after the heal p90", RECOVERY_FLOOR_US, |all| quantile(&all.convergence, 0.9)),
    share("runs that never converged", 0.0, |all| ratio(all.unconverged, all.unconverged + all.convergence.len())),
    latency("reconnect p90", RECOVERY_FLOOR_US, |all| quantile(&all.reconnect, 0.9)),
    share("lost messages", SHARE_FLOOR, |all| ratio(all.messages.lost, all.messages.due)),
    share("late blocks", SHARE_FLOOR, |all| ratio(all.late.late(), all.late.all())),
    share("repeated messages", SHARE_FLOOR, |all| ratio(all.messages.repeated, all.messages.due)),
    Metric {
        name: "exposure per block",
        unit: Unit::NodeSeconds,
        floor: EXPOSURE_FLOOR,
        of: |all| ratio(all.exposure.total_ns(), all.exposure.blocks).map(|ns| ns / 1e9),
    },
];

const fn latency(name: &'static str, floor: f64, of: fn(&Measures) -> Option<f64>) -> Metric {
    Metric { name, unit: Unit::Microseconds, floor, of }
}

const fn share(name: &'static str, floor: f64, of: fn(&Measures) -> Option<f64>) -> Metric {
    Metric { name, unit: Unit::Share, floor, of }
}

fn quantile(latencies: &Latencies, quantile: f64) -> Option<f64> {
    latencies.quantile_us(quantile).map(|us| us as f64)
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A value of the figure of that name, with its unit.
pub(super) fn write(name: &str, value: f64) -> String {
    METRICS.iter().find(|metric| metric.name == name).map_or_else(|| value.to_string(), |one| one.unit.write(value))
}
