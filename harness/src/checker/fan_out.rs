//! `fan-out`: how fast a broadcast reaches the others.
//!
//! **Promise.** The latency from the moment a version takes effect on its origin to the moment it takes effect on
//! another node stays below the given percentiles, per delivery and to the last node.
//!
//! **Evidence.** The origin's own application of a version and the applications of that version by broadcast
//! elsewhere. What a running node learned another way (resync, anti-entropy) is no delivery: it is counted as late and
//! judged by `exposure` and `blocklist-converges`. The last node is the last of those that ran without a break
//! since the version was made.
//!
//! **Fails** when a measured percentile exceeds its bound. Percentiles come from a histogram of microseconds with
//! three significant digits, rounded down.

use super::Checker;
use super::index::{Index, VersionId};
use super::lives::Slot;
use super::text::{self, Evidence, Millis, Net, count};
use crate::record::RunRecord;
use hdrhistogram::Histogram;
use squall_cluster::observe::Source;
use squall_reports::Check;
use squall_reports::compare::{LATE_US, Late, Measures};
use std::time::Duration;

/// Upper bounds of the fan-out latency; what is `None` is not judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FanOutBounds {
    /// Median of all deliveries.
    pub p50: Option<Duration>,
    /// 99th percentile of all deliveries.
    pub p99: Option<Duration>,
    /// 99th percentile of the time to the last node.
    pub last_p99: Option<Duration>,
}

/// Judges [`FanOut`] by bounds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FanOutLatency {
    /// What is allowed.
    pub bounds: FanOutBounds,
}

const NAME: &str = "fan-out";

/// Broadcast latency of one run, microseconds; all 0 when nothing was delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FanOut {
    /// Median of all deliveries.
    pub p50_us: u64,
    /// 99th percentile of all deliveries.
    pub p99_us: u64,
    /// 99.9th percentile of all deliveries.
    pub p999_us: u64,
    /// The slowest delivery, exact.
    pub max_us: u64,
    /// Median of the time to the last node.
    pub last_p50_us: u64,
    /// 99th percentile of the time to the last node.
    pub last_p99_us: u64,
    /// Versions that a node learned by broadcast.
    pub deliveries: u64,
    /// Versions that a node learned in another way although it ran when they were made.
    pub late: u64,
}

/// One version on its way to one node.
struct Delivery {
    version: VersionId,
    from: Slot,
    to: Slot,
    at_ns: u64,
    latency_us: u64,
}

struct Measured {
    summary: FanOut,
    deliveries: Vec<Delivery>,
    /// The time to the last node of each version that has one.
    lasts_us: Vec<u64>,
    /// Until a version was in force on a node that ran when it was made, however it came there.
    in_force_us: Vec<u64>,
    /// The longest of these of each version.
    last_in_force_us: Vec<u64>,
}

/// The broadcast latency of a run.
#[must_use]
pub fn fan_out_summary(record: &RunRecord) -> FanOut {
    summarize(&Index::new(record))
}

pub(super) fn summarize(index: &Index<'_>) -> FanOut {
    measure(index).summary
}

/// How long versions took to spread, without what else a run is measured by.
pub(super) fn measures(index: &Index<'_>) -> Measures {
    let Measured { summary, deliveries, lasts_us, in_force_us, last_in_force_us } = measure(index);
    let slow = deliveries.iter().filter(|delivery| delivery.latency_us > LATE_US).count();
    Measures {
        delivery: deliveries.iter().map(|delivery| delivery.latency_us).collect(),
        last_node: lasts_us.into_iter().collect(),
        in_force: in_force_us.into_iter().collect(),
        last_in_force: last_in_force_us.into_iter().collect(),
        late: Late { delivered: summary.deliveries, slow: slow as u64, repaired: summary.late },
        ..Measures::default()
    }
}

fn measure(index: &Index<'_>) -> Measured {
    let mut deliveries = Vec::with_capacity(index.applied.len());
    let mut late = 0;
    let mut last_us: Vec<Option<u64>> = vec![None; index.versions.len()];
    let mut in_force_us = Vec::new();
    let mut last_in_force_us = last_us.clone();
    for one in &index.applied {
        let Some((from, made_ns)) = index.version(one.version).origin else { continue };
        if index.node(from) == index.node(one.slot) {
            continue;
        }
        let span = index.lives.span(one.slot);
        let latency_us = one.at_ns.saturating_sub(made_ns) / 1_000;
        if span.booted_ns <= made_ns {
            in_force_us.push(latency_us);
            let last = &mut last_in_force_us[one.version.0];
            *last = (*last).max(Some(latency_us));
        }
        if one.source != Source::Broadcast {
            late += u64::from(span.booted_ns <= made_ns);
            continue;
        }
        if span.ran_throughout(made_ns, one.at_ns) {
            let last = &mut last_us[one.version.0];
            *last = (*last).max(Some(latency_us));
        }
        deliveries.push(Delivery { version: one.version, from, to: one.slot, at_ns: one.at_ns, latency_us });
    }
    let all = histogram(deliveries.iter().map(|delivery| delivery.latency_us));
    let lasts_us: Vec<u64> = last_us.into_iter().flatten().collect();
    let last = histogram(lasts_us.iter().copied());
    let summary = FanOut {
        p50_us: quantile_us(&all, 0.5),
        p99_us: quantile_us(&all, 0.99),
        p999_us: quantile_us(&all, 0.999),
        max_us: deliveries.iter().map(|delivery| delivery.latency_us).max().unwrap_or(0),
        last_p50_us: quantile_us(&last, 0.5),
        last_p99_us: quantile_us(&last, 0.99),
        deliveries: deliveries.len() as u64,
        late,
    };
    let last_in_force_us = last_in_force_us.into_iter().flatten().collect();
    Measured { summary, deliveries, lasts_us, in_force_us, last_in_force_us }
}

fn histogram(values_us: impl Iterator<Item = u64>) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).expect("three significant digits are a valid precision");
    // Not `saturating_record`: that one clamps to the initial range instead of growing.
    values_us.for_each(|value_us| histogram.record(value_us).expect("the histogram grows as needed"));
    histogram
}

fn quantile_us(histogram: &Histogram<u64>, quantile: f64) -> u64 {
    histogram.lowest_equivalent(histogram.value_at_quantile(quantile))
}

impl Checker for FanOutLatency {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let measured = measure(index);
        let summary = measured.summary;
        if summary.deliveries == 0 {
            let late = count(summary.late as usize, "came in another way", "came in other ways");
            let reason = format!("no version was learned by broadcast ({late})");
            return text::unknown(NAME, reason, Evidence::default());
        }
        let bounds = [
            ("p50", self.bounds.p50, summary.p50_us),
            ("p99", self.bounds.p99, summary.p99_us),
            ("last-p99", self.bounds.last_p99, summary.last_p99_us),
        ];
        if self.bounds.last_p99.is_some() && measured.lasts_us.is_empty() {
            let reason = "no node ran without a break while a broadcast was on its way: last-p99 has no data";
            return text::unknown(NAME, reason.to_owned(), Evidence::default());
        }
        let broken: Vec<String> = bounds.iter().filter_map(|(what, bound, is_us)| over(what, *bound, *is_us)).collect();
        if broken.is_empty() {
            return text::pass(NAME, summary.text());
        }
        let limit_us = bounds.iter().filter_map(|(_, bound, _)| *bound).map(as_us).min().unwrap_or(0);
        let reason = format!("{}; {}", broken.join(" and "), summary.text());
        text::fail(NAME, reason, slowest(index, measured.deliveries, limit_us))
    }
}

impl FanOut {
    fn text(&self) -> String {
        let late = match self.late {
            0 => String::new(),
            late => format!("; {late} late by other ways"),
        };
        format!(
            "{}: p50 {}, p99 {}, max {}; to the last node p50 {}, p99 {}{late}",
            count(self.deliveries as usize, "delivery", "deliveries"),
            Millis(self.p50_us),
            Millis(self.p99_us),
            Millis(self.max_us),
            Millis(self.last_p50_us),
            Millis(self.last_p99_us),
        )
    }
}

fn as_us(bound: Duration) -> u64 {
    u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)
}

fn over(what: &str, bound: Option<Duration>, is_us: u64) -> Option<String> {
    let bound_us = as_us(bound?);
    (is_us > bound_us).then(|| format!("{what} is {}, {} allowed", Millis(is_us), Millis(bound_us)))
}

/// The slowest deliveries above the tightest bound, as evidence.
fn slowest(index: &Index<'_>, mut deliveries: Vec<Delivery>, limit_us: u64) -> Evidence {
    deliveries.retain(|delivery| delivery.latency_us > limit_us);
    deliveries.sort_by_key(|delivery| std::cmp::Reverse(delivery.latency_us));
    let mut evidence = Evidence::default();
    for delivery in deliveries {
        let line = format!(
            "{} of node {} reached node {} after {}",
            Net(&index.version(delivery.version).entry.net),
            index.node(delivery.from),
            index.node(delivery.to),
            Millis(delivery.latency_us),
        );
        evidence.note(delivery.at_ns, line);
    }
    evidence
}

#[cfg(test)]
#[path = "tests/fan_out.rs"]
mod tests;
