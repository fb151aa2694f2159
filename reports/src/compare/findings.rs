//! Which backend is better at what, derived from the figures by [`RULES`].

use super::metric::{METRICS, Metric};
use super::{Finding, Place, Ranked, words};
use std::cmp::Ordering;

/// A figure within this share of the leader's is no different.
const NOISE: f64 = 0.10;
/// The leader must win this share of the pairs that differ.
const WINS: f64 = 0.75;
/// Fewer pairs that differ decide nothing.
const PAIRS_MIN: u64 = 5;

/// The rules, in the words of a reader.
pub const RULES: &str = "Each figure is taken over all runs that every backend finished, in scenarios that put the same \
    faults to all of them; the lowest leads. Another backend ties with the leader when the figures differ by no more than \
    10 %, or by less than means anything (0.1 ms of latency, 0.1 s of recovery, 0.1 % of messages or blocks, a \
    thousandth of a node-second). It is behind when, run by run with the same scenario and seed, the leader was lower in \
    five pairs or more, and in at least three quarters of the pairs that differ; otherwise the order is unclear.";

/// The figures of one backend: over everything, and pair by pair (the same scenario and seed at the same place).
pub(super) struct Contender<'a> {
    pub(super) backend: &'a str,
    pub(super) all: [Option<f64>; METRICS.len()],
    pub(super) runs: Vec<[Option<f64>; METRICS.len()]>,
}

/// One finding for each figure that at least one backend has.
pub(super) fn derive(contenders: &[Contender<'_>]) -> Vec<Finding> {
    METRICS.iter().enumerate().filter_map(|(place, metric)| find(place, metric, contenders)).collect()
}

fn find(metric_place: usize, metric: &Metric, contenders: &[Contender<'_>]) -> Option<Finding> {
    let mut ranked: Vec<(&Contender<'_>, f64)> =
        contenders.iter().filter_map(|one| Some((one, one.all[metric_place]?))).collect();
    ranked.sort_by(|one, other| one.1.total_cmp(&other.1));
    let (leader, lowest) = *ranked.first()?;
    let ranking: Vec<Ranked> = ranked
        .iter()
        .map(|(one, value)| {
            let (leader_lower, leader_higher) = pairs(metric_place, leader, one);
            let place = match one.backend {
                backend if backend == leader.backend => Place::First,
                _ if *value - lowest <= metric.floor.max(*value * NOISE) => Place::Tied,
                _ if is_borne_out(leader_lower, leader_higher) => Place::Behind,
                _ => Place::Unclear,
            };
            Ranked { backend: one.backend.to_owned(), value: *value, place, leader_lower, leader_higher }
        })
        .collect();
    let missing = contenders.iter().filter(|one| one.all[metric_place].is_none()).map(|one| one.backend.to_owned());
    let text = sentence(metric, &ranking, &missing.collect::<Vec<_>>());
    Some(Finding { figure: metric.name.to_owned(), unit: metric.unit.name().to_owned(), ranking, text })
}

/// In how many runs the one was lower, and in how many higher than the other.
fn pairs(metric_place: usize, leader: &Contender<'_>, other: &Contender<'_>) -> (u64, u64) {
    let (mut lower, mut higher) = (0, 0);
    for (one, two) in leader.runs.iter().zip(&other.runs) {
        match one[metric_place].zip(two[metric_place]).map(|(one, two)| one.total_cmp(&two)) {
            Some(Ordering::Less) => lower += 1,
            Some(Ordering::Greater) => higher += 1,
            Some(Ordering::Equal) | None => {}
        }
    }
    (lower, higher)
}

/// Whether the lead over everything shows in single runs.
fn is_borne_out(leader_lower: u64, leader_higher: u64) -> bool {
    leader_lower >= PAIRS_MIN && leader_lower as f64 >= WINS * (leader_lower + leader_higher) as f64
}

fn sentence(metric: &Metric, ranking: &[Ranked], missing: &[String]) -> String {
    let with_value = |one: &Ranked| format!("{} {}", one.backend, metric.unit.write(one.value));
    let of = |places: &[Place]| -> Vec<String> {
        ranking.iter().filter(|one| places.contains(&one.place)).map(with_value).collect()
    };
    let (ahead, behind) = (of(&[Place::First, Place::Tied]), of(&[Place::Behind]));
    let unclear = of(&[Place::Unclear]);
    let mut text = match (ahead.as_slice(), behind.as_slice()) {
        ([only], []) if unclear.is_empty() => format!("only {only}"),
        (_, []) if unclear.is_empty() => format!("no difference beyond noise: {}", words::list(&ahead)),
        (_, []) => format!("lowest {}", words::list(&ahead)),
        ([only], _) => format!("{only} is best; then {}", words::list(&behind)),
        _ => format!("{} tie for the best; then {}", words::list(&ahead), words::list(&behind)),
    };
    if !unclear.is_empty() {
        text.push_str(&format!("; not borne out by single runs: {}", words::list(&unclear)));
    }
    if !missing.is_empty() {
        text.push_str(&format!("; no figure for {}", words::list(missing)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const P50: usize = 0;

    fn contender(backend: &str, all: f64, runs: &[f64]) -> Contender<'static> {
        let values = |value: f64| {
            let mut values = [None; METRICS.len()];
            values[P50] = Some(value);
            values
        };
        let backend = backend.to_owned().leak();
        Contender { backend, all: values(all), runs: runs.iter().copied().map(values).collect() }
    }

    fn places(contenders: &[Contender<'_>]) -> Vec<(String, Place)> {
        derive(contenders)[P50].ranking.iter().map(|one| (one.backend.clone(), one.place)).collect()
    }

    fn pair(fast: f64, slow: f64, fast_runs: &[f64], slow_runs: &[f64]) -> Place {
        places(&[contender("slow", slow, slow_runs), contender("fast", fast, fast_runs)])[1].1
    }

    #[test]
    fn a_clear_lead_in_nearly_every_run_is_a_lead() {
        let finding = &derive(&[contender("kafka", 128_000.0, &[9.0; 8]), contender("nats", 400.0, &[1.0; 8])])[P50];
        assert_eq!(finding.text, "nats 0.40 ms is best; then kafka 128 ms");
        assert_eq!((finding.ranking[1].leader_lower, finding.ranking[1].leader_higher), (8, 0));
    }

    #[test]
    fn a_tenth_is_noise_and_so_is_a_tenth_of_a_millisecond() {
        assert_eq!(pair(9_100.0, 10_000.0, &[1.0; 8], &[9.0; 8]), Place::Tied);
        assert_eq!(pair(8_900.0, 10_000.0, &[1.0; 8], &[9.0; 8]), Place::Behind);
        assert_eq!(pair(20.0, 110.0, &[1.0; 8], &[9.0; 8]), Place::Tied);
    }

    #[test]
    fn a_lead_that_single_runs_do_not_bear_out_is_unclear() {
        let mixed = [1.0, 9.0, 1.0, 9.0, 1.0, 9.0, 1.0, 9.0];
        assert_eq!(pair(400.0, 900.0, &[5.0; 8], &mixed), Place::Unclear);
        let finding = &derive(&[contender("kafka", 900.0, &mixed), contender("nats", 400.0, &[5.0; 8])])[P50];
        assert_eq!(finding.text, "lowest nats 0.40 ms; not borne out by single runs: kafka 0.90 ms");
    }

    #[test]
    fn four_runs_decide_nothing_and_equal_ones_do_not_count() {
        assert_eq!(pair(400.0, 900.0, &[1.0; 4], &[9.0; 4]), Place::Unclear);
        let rarely = [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        assert_eq!(pair(0.0, 900.0, &[0.0; 11], &rarely), Place::Behind);
    }

    #[test]
    fn a_backend_without_the_figure_is_named() {
        let mut silent = contender("zenoh", 0.0, &[]);
        silent.all = [None; METRICS.len()];
        let finding = &derive(&[silent, contender("nats", 400.0, &[1.0; 8])])[P50];
        assert_eq!(finding.text, "only nats 0.40 ms; no figure for zenoh");
    }
}
