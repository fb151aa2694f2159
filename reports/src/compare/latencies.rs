//! Latencies that are recorded in one process and added up in another.

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Values of the percentile grid per power of ten.
const GRID_PER_DECADE: u32 = 8;

/// Latencies in microseconds, with three significant digits, rounded down. Written as pairs of value and count.
#[derive(Clone, Debug, PartialEq)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new(3).expect("three significant digits are a valid precision"))
    }
}

impl Latencies {
    /// Adds one.
    pub fn record(&mut self, us: u64) {
        self.record_many(us, 1);
    }

    fn record_many(&mut self, us: u64, count: u64) {
        // Beyond what the histogram can hold: the longest that it can.
        let us = us.min(u64::MAX >> 2);
        self.0.record_n(us, count).expect("the histogram grows as needed");
    }

    /// Adds all of another's.
    ///
    /// # Panics
    /// Never: the histogram grows as needed.
    pub fn merge(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the histogram grows as needed");
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The quantile, microseconds; `None` when nothing was recorded.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        (!self.is_empty()).then(|| self.0.lowest_equivalent(self.0.value_at_quantile(quantile)))
    }

    /// The usual percentiles; `None` when nothing was recorded.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        Some(Percentiles {
            count: self.len(),
            p50_us: self.quantile_us(0.5)?,
            p90_us: self.quantile_us(0.9)?,
            p99_us: self.quantile_us(0.99)?,
            p999_us: self.quantile_us(0.999)?,
            max_us: self.quantile_us(1.0)?,
        })
    }

    /// The distribution as points, equally far apart on a logarithmic scale of `1 / (1 - quantile)`, as far as there are
    /// values to tell them apart; the last one is the maximum.
    #[must_use]
    pub fn curve(&self) -> Vec<Point> {
        let count = self.len() as f64;
        let rarity = |step: u32| 10_f64.powf(f64::from(step) / f64::from(GRID_PER_DECADE));
        let grid = (0..).map(rarity).take_while(|rarity| *rarity < count).chain([count.max(1.0)]);
        grid.filter_map(|rarity| {
            let quantile = 1.0 - 1.0 / rarity;
            // The rarest of all is the maximum itself.
            let us = self.quantile_us(if rarity >= count { 1.0 } else { quantile })?;
            Some(Point { rarity, us })
        })
        .collect()
    }
}

impl FromIterator<u64> for Latencies {
    fn from_iter<I: IntoIterator<Item = u64>>(values_us: I) -> Self {
        let mut latencies = Self::default();
        values_us.into_iter().for_each(|us| latencies.record(us));
        latencies
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs = serializer.serialize_seq(None)?;
        for recorded in self.0.iter_recorded() {
            let us = self.0.lowest_equivalent(recorded.value_iterated_to());
            pairs.serialize_element(&(us, recorded.count_at_value()))?;
        }
        pairs.end()
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut latencies = Self::default();
        for (us, count) in Vec::<(u64, u64)>::deserialize(deserializer)? {
            latencies.record_many(us, count);
        }
        Ok(latencies)
    }
}

/// How long something took, microseconds of simulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// How many values there are.
    pub count: u64,
    /// Median.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// 99.9th percentile.
    pub p999_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// One point of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// `1 / (1 - quantile)`: one value in so many is longer. 1 stands for the shortest, 100 for the 99th percentile.
    pub rarity: f64,
    /// Microseconds.
    pub us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_recorded_has_no_percentiles() {
        let none = Latencies::default();
        assert_eq!((none.percentiles(), none.curve()), (None, vec![]));
    }

    #[test]
    fn percentiles_are_those_of_the_values() {
        let all: Latencies = (1..=1_000).collect();
        let all = all.percentiles().unwrap();
        assert_eq!(
            (all.count, all.p50_us, all.p90_us, all.p99_us, all.p999_us, all.max_us),
            (1_000, 500, 900, 990, 999, 1_000)
        );
    }

    #[test]
    fn a_curve_goes_from_the_shortest_to_the_longest() {
        let all: Latencies = (1..=1_000).collect();
        let curve = all.curve();
        assert_eq!((curve[0].rarity, curve[0].us), (1.0, 1));
        assert_eq!(curve.last().map(|point| (point.rarity, point.us)), Some((1_000.0, 1_000)));
        assert!(curve.windows(2).all(|pair| pair[0].rarity < pair[1].rarity && pair[0].us <= pair[1].us));
        assert!(curve.iter().any(|point| (point.rarity - 100.0).abs() < 1e-6 && point.us == 990), "{curve:?}");
    }

    proptest! {
        #[test]
        fn parts_that_crossed_a_pipe_add_up_to_the_whole(
            one in prop::collection::vec(0..u64::MAX, 0..50),
            two in prop::collection::vec(0..100_000_u64, 0..50),
        ) {
            let whole: Latencies = one.iter().chain(&two).copied().collect();
            let mut sum = Latencies::default();
            for part in [one, two] {
                let part: Latencies = part.into_iter().collect();
                let text = serde_json::to_string(&part).unwrap();
                sum.merge(&serde_json::from_str(&text).unwrap());
            }
            prop_assert_eq!(sum.percentiles(), whole.percentiles());
        }
    }
}
