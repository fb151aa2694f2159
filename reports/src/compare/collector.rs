//! From single runs to a comparison.

use super::findings::{self, Contender};
use super::metric::METRICS;
use super::{BackendResult, Comparison, Curves, Figures, Header, Measures, Runs, ScenarioResult, Total};
use crate::{Digest, Verdict};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::Xxh3;

/// A scenario that is to be compared.
#[derive(Clone, Debug)]
pub struct Contest {
    /// Its name.
    pub scenario: String,
    /// Its claim.
    pub title: String,
    /// The backends that it runs on.
    pub backends: Vec<Entrant>,
}

/// A backend that a scenario runs on.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// Which.
    pub backend: String,
    /// Faults that have nobody to strike there.
    pub not_applicable: Vec<String>,
}

/// One run that has ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The scenario's place among the contests.
    pub contest: usize,
    /// The backend's place among the contest's entrants.
    pub entrant: usize,
    /// The seed.
    pub seed: u64,
    /// The verdict.
    pub verdict: Verdict,
    /// Hash of what its plan does to nodes and the store.
    pub node_plan: Digest,
    /// What was measured; `None` when the run did not come to its end.
    pub measures: Option<Measures>,
}

/// Collects runs in any order. Its size grows with the number of runs by a few figures for each.
#[derive(Debug)]
pub struct Collector {
    header: Header,
    contests: Vec<State>,
}

#[derive(Debug)]
struct State {
    contest: Contest,
    entrants: Vec<Sum>,
    /// Runs of seeds that not every entrant has finished.
    pending: BTreeMap<u64, Vec<Outcome>>,
    /// A seed with which the plans were not the same.
    plans_differ: Option<u64>,
    groups: u64,
    broken: bool,
}

/// Everything about one entrant.
#[derive(Debug, Default)]
struct Sum {
    runs: Runs,
    all: Measures,
    plans: BTreeMap<u64, Digest>,
    /// Only runs with seeds that every entrant finished.
    shared_runs: Runs,
    shared: Measures,
    values: Vec<[Option<f64>; METRICS.len()]>,
}

impl Collector {
    /// Nothing has run yet.
    #[must_use]
    pub fn new(header: Header, contests: Vec<Contest>) -> Self {
        let state = |contest: Contest| State {
            entrants: contest.backends.iter().map(|_| Sum::default()).collect(),
            contest,
            pending: BTreeMap::new(),
            plans_differ: None,
            groups: 0,
            broken: false,
        };
        Self { header, contests: contests.into_iter().map(state).collect() }
    }

    /// Adds a run.
    ///
    /// # Panics
    /// When it is of no contest or entrant.
    pub fn add(&mut self, outcome: Outcome) {
        self.contests[outcome.contest].add(outcome);
    }

    /// The comparison of what was added.
    #[must_use]
    pub fn finish(self) -> Comparison {
        let Self { header, contests } = self;
        let seeds = header.end_seed.saturating_sub(header.first_seed);
        let complete = contests.iter().all(|state| state.groups == seeds && !state.broken);
        let mut totals: Vec<(Runs, Measures)> = vec![Default::default(); header.backends.len()];
        let mut contenders: Vec<Contender<'_>> = header
            .backends
            .iter()
            .map(|backend| Contender { backend, all: [None; METRICS.len()], runs: Vec::new() })
            .collect();
        let mut scenarios = Vec::with_capacity(contests.len());
        for mut state in contests {
            let left_out = state.left_out(&header.backends);
            if left_out.is_none() {
                for (place, backend) in header.backends.iter().enumerate() {
                    let entrants = state.contest.backends.iter().zip(&mut state.entrants);
                    for (_, sum) in entrants.filter(|(entrant, _)| entrant.backend == *backend) {
                        totals[place].0.add(sum.shared_runs);
                        totals[place].1 += &sum.shared;
                        contenders[place].runs.append(&mut sum.values);
                    }
                }
            }
            scenarios.push(state.result(left_out));
        }
        for (contender, (_, measures)) in contenders.iter_mut().zip(&totals) {
            contender.all = values(measures);
        }
        let findings = findings::derive(&contenders);
        let total = |(backend, (runs, measures)): (&String, &(Runs, Measures))| Total {
            backend: backend.clone(),
            runs: *runs,
            figures: Figures::of(measures),
            curves: Curves {
                delivery: measures.delivery.curve(),
                last_node: measures.last_node.curve(),
                in_force: measures.in_force.curve(),
                last_in_force: measures.last_in_force.curve(),
                reconnect: measures.reconnect.curve(),
            },
        };
        let totals = header.backends.iter().zip(&totals).map(total).collect();
        Comparison { complete, totals, findings, scenarios, header }
    }
}

impl State {
    fn add(&mut self, outcome: Outcome) {
        let sum = &mut self.entrants[outcome.entrant];
        sum.runs.count(outcome.verdict);
        match &outcome.measures {
            Some(measures) => {
                sum.all += measures;
                sum.plans.insert(outcome.seed, outcome.node_plan);
            }
            None => self.broken = true,
        }
        let seed = outcome.seed;
        let group = self.pending.entry(seed).or_default();
        group.push(outcome);
        if group.len() == self.entrants.len()
            && let Some(group) = self.pending.remove(&seed)
        {
            self.groups += 1;
            self.close(seed, &group);
        }
    }

    /// Every entrant has finished the seed.
    fn close(&mut self, seed: u64, group: &[Outcome]) {
        // A run that broke has nothing to be compared by, and so its rivals have nobody to be compared with.
        if group.iter().any(|outcome| outcome.measures.is_none()) {
            return;
        }
        if group.iter().any(|outcome| outcome.node_plan != group[0].node_plan) {
            self.plans_differ.get_or_insert(seed);
        }
        for outcome in group {
            let Some(measures) = &outcome.measures else { continue };
            let sum = &mut self.entrants[outcome.entrant];
            sum.shared_runs.count(outcome.verdict);
            sum.shared += measures;
            sum.values.push(values(measures));
        }
    }

    /// Why its figures say nothing about which backend is better.
    fn left_out(&self, backends: &[String]) -> Option<String> {
        let runs_on = |backend: &&String| self.contest.backends.iter().any(|entrant| entrant.backend == **backend);
        if let Some(missing) = backends.iter().find(|backend| !runs_on(backend)) {
            return Some(format!("does not run on {missing}"));
        }
        let mut idle = self.contest.backends.iter().filter(|entrant| !entrant.not_applicable.is_empty());
        if let Some(entrant) = idle.next() {
            let faults = entrant.not_applicable.join(", ");
            return Some(format!("{faults} not applicable to {}", entrant.backend));
        }
        self.plans_differ.map(|seed| format!("with seed {seed}, nodes met other faults on one backend than on another"))
    }

    fn result(self, left_out: Option<String>) -> ScenarioResult {
        let result = |(entrant, sum): (Entrant, Sum)| {
            let mut hash = Xxh3::new();
            for (seed, plan) in &sum.plans {
                hash.update(&seed.to_le_bytes());
                hash.update(&plan.0.to_le_bytes());
            }
            BackendResult {
                backend: entrant.backend,
                runs: sum.runs,
                not_applicable: entrant.not_applicable,
                node_plan: Digest(hash.digest()).to_string(),
                figures: Figures::of(&sum.all),
            }
        };
        ScenarioResult {
            scenario: self.contest.scenario,
            title: self.contest.title,
            left_out,
            results: self.contest.backends.into_iter().zip(self.entrants).map(result).collect(),
        }
    }
}

fn values(measures: &Measures) -> [Option<f64>; METRICS.len()] {
    std::array::from_fn(|place| (METRICS[place].of)(measures))
}

impl Runs {
    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail => self.failed += 1,
            Verdict::Unknown => self.undecided += 1,
        }
    }

    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.undecided += other.undecided;
    }
}

impl Figures {
    fn of(measures: &Measures) -> Self {
        Self {
            delivery: measures.delivery.percentiles(),
            last_node: measures.last_node.percentiles(),
            in_force: measures.in_force.percentiles(),
            last_in_force: measures.last_in_force.percentiles(),
            convergence: measures.convergence.percentiles(),
            unconverged: measures.unconverged,
            reconnect: measures.reconnect.percentiles(),
            unreconnected: measures.unreconnected,
            messages: measures.messages,
            late: measures.late,
            exposure: measures.exposure,
        }
    }
}

#[cfg(test)]
#[path = "tests/collector.rs"]
mod tests;
