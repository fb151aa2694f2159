//! From the entries of a scenario to its plan.

use super::draw::Draw;
use super::effect::{Effect, Slot};
use super::hosts::Hosts;
use super::spec::{FaultSpec, When};
use super::step::{Step, Victims};
use super::topology::{HostIndex, Topology};
use crate::scenario::Scenario;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use squall_sim::fault::PlannedFault;
use std::collections::BTreeMap;
use std::time::Duration;

/// Resolves every `[[fault]]` of a scenario into what happens when and to whom, sorted by time.
///
/// The plan depends on the scenario, the topology and the stream only, and what befalls nodes does not depend on how many
/// brokers there are: nodes are drawn first, and each strike has a stream of its own. Each entry has a stream of its own, so that a new
/// entry at the end leaves the earlier ones as they were, unless it takes their victims. Fixed faults (`at`) come
/// before policies (`every`) in the choice of victims, then the earlier before the later; a fault that finds its
/// victims held by another one leaves those alone. Every fault but a reset comes with its undo, at the latest at the end
/// of the chaos phase.
///
/// # Panics
/// When the topology has fewer nodes than the scenario.
#[must_use]
pub fn resolve(scenario: &Scenario, topology: &Topology, seed_stream: &mut dyn Rng) -> Vec<PlannedFault> {
    assert!(topology.nodes.len() >= usize::from(scenario.nodes), "the topology must have the scenario's nodes");
    let mut planner = Planner { scenario, topology, fixed: Vec::new(), recent: Vec::new(), plan: Vec::new() };
    let mut policies = Vec::new();
    for (entry, fault) in scenario.faults.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed_stream.next_u64());
        let mut draw = Draw::new(&mut rng);
        match fault.when {
            When::At(at) => {
                let strike = Strike::draw(at, entry, fault, topology, &mut draw);
                planner.strike(strike, Precedence::Fixed);
            }
            When::Every { period, from, until } => {
                policies.extend(policy(period, from, until, entry, fault, topology, &mut draw));
            }
        }
    }
    policies.sort_by_key(|strike| (strike.at, strike.entry));
    for strike in policies {
        planner.strike(strike, Precedence::Policy);
    }
    let mut plan = planner.plan;
    // Undo first: what is free again at this instant may be taken at this instant.
    plan.sort_by_key(|planned| (planned.at_ns, !planned.undo, planned.entry));
    plan
}

/// The entries that have no victims on this topology whatever is drawn: faults of brokers where there are none.
#[must_use]
pub fn inapplicable(scenario: &Scenario, topology: &Topology) -> Vec<usize> {
    if !topology.brokers.is_empty() {
        return Vec::new();
    }
    let strikes_nobody = |(entry, fault): (usize, &FaultSpec)| {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let steps = fault.nemesis.steps(topology, &mut Draw::new(&mut rng));
        steps.iter().all(|step| step.victims.is_empty()).then_some(entry)
    };
    scenario.faults.iter().enumerate().filter_map(strikes_nobody).collect()
}

/// One time of one entry.
struct Strike {
    at: Duration,
    entry: usize,
    steps: Vec<Step>,
}

impl Strike {
    fn draw(at: Duration, entry: usize, fault: &FaultSpec, topology: &Topology, draw: &mut Draw<'_>) -> Self {
        Self { at, entry, steps: fault.nemesis.steps(topology, draw) }
    }
}

/// One strike at a random time in each period; what falls past the end of a last, shorter period is dropped.
fn policy(
    period: Duration,
    from: Duration,
    until: Duration,
    entry: usize,
    fault: &FaultSpec,
    topology: &Topology,
    draw: &mut Draw<'_>,
) -> Vec<Strike> {
    let mut strikes = Vec::new();
    let mut start = from;
    while start < until {
        let at = start + draw.moment(period);
        // A stream of its own: what one strike draws for the servers there are must not shift the next one's nodes.
        let mut rng = ChaCha8Rng::seed_from_u64(draw.number());
        if at < until {
            strikes.push(Strike::draw(at, entry, fault, topology, &mut Draw::new(&mut rng)));
        }
        start += period;
    }
    strikes
}

#[derive(Clone, Copy)]
enum Precedence {
    Fixed,
    Policy,
}

/// What a fault holds from when until when.
#[derive(Clone)]
struct Claim {
    slot: Slot,
    from: Hosts,
    to: Hosts,
    start: Duration,
    end: Duration,
}

struct Planner<'a> {
    scenario: &'a Scenario,
    topology: &'a Topology,
    /// Claims of fixed faults, at any time of the run.
    fixed: Vec<Claim>,
    /// Claims of policies that have not ended yet; policies come in the order of time.
    recent: Vec<Claim>,
    plan: Vec<PlannedFault>,
}

impl Planner<'_> {
    fn strike(&mut self, strike: Strike, precedence: Precedence) {
        let Strike { at, entry, steps } = strike;
        if matches!(precedence, Precedence::Policy) {
            self.recent.retain(|claim| claim.end > at);
        }
        for step in steps {
            let end = step.lasting.map_or(self.scenario.run, |lasting| (at + lasting).min(self.scenario.run));
            for (from, to) in self.victims(step.effect, step.victims, at, end) {
                self.emit(step.effect, &from, &to, at, end, entry);
                let Some(slot) = step.effect.slot() else { continue };
                let claim = Claim { slot, from, to, start: at, end };
                match precedence {
                    Precedence::Fixed => self.fixed.push(claim),
                    Precedence::Policy => self.recent.push(claim),
                }
            }
        }
    }

    /// What of the victims is free from `start` to `end`.
    fn victims(&self, effect: Effect, victims: Victims, start: Duration, end: Duration) -> Vec<(Hosts, Hosts)> {
        match victims {
            Victims::Links(from, to) => self.free_links(effect, &from, &to, start, end),
            Victims::Each(hosts) => self.free_hosts(effect, hosts, start, end).collect(),
            Victims::First(count, hosts) => self.free_hosts(effect, hosts, start, end).take(count).collect(),
        }
    }

    fn free_hosts(
        &self,
        effect: Effect,
        hosts: Vec<HostIndex>,
        start: Duration,
        end: Duration,
    ) -> impl Iterator<Item = (Hosts, Hosts)> {
        hosts
            .into_iter()
            .filter(move |host| !self.claims(effect, start, end).any(|claim| claim.from.contains(*host)))
            .map(|host| (Hosts::from([host]), Hosts::from([host])))
    }

    /// The links without those that another fault holds, as rectangles: senders that may reach the same receivers go
    /// together.
    fn free_links(
        &self,
        effect: Effect,
        from: &Hosts,
        to: &Hosts,
        start: Duration,
        end: Duration,
    ) -> Vec<(Hosts, Hosts)> {
        let claims: Vec<&Claim> = self.claims(effect, start, end).collect();
        let mut senders: BTreeMap<Hosts, Vec<HostIndex>> = BTreeMap::new();
        for sender in from.iter() {
            let mut receivers = to.clone();
            for claim in claims.iter().filter(|claim| claim.from.contains(sender)) {
                receivers = &receivers - &claim.to;
            }
            if !receivers.is_empty() {
                senders.entry(receivers).or_default().push(sender);
            }
        }
        let rectangle = |(to, from): (Hosts, Vec<HostIndex>)| (from.into_iter().collect(), to);
        senders.into_iter().map(rectangle).collect()
    }

    fn claims(&self, effect: Effect, start: Duration, end: Duration) -> impl Iterator<Item = &Claim> {
        let slot = effect.slot();
        self.fixed
            .iter()
            .chain(&self.recent)
            .filter(move |claim| Some(claim.slot) == slot && claim.start < end && start < claim.end)
    }

    fn emit(&mut self, effect: Effect, from: &Hosts, to: &Hosts, at: Duration, end: Duration, entry: usize) {
        // Nodes come first in the numbering of hosts, and only they have a skew of their own.
        let boot_skew_ns = |host: HostIndex| u16::try_from(host + 1).map_or(0, |node| self.scenario.skew_ns(node));
        let (fault, undo) = effect.faults(self.topology, from, to, boot_skew_ns);
        self.plan.push(PlannedFault { at_ns: nanoseconds(at), entry, undo: false, fault });
        if let Some(fault) = undo {
            self.plan.push(PlannedFault { at_ns: nanoseconds(end), entry, undo: true, fault });
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("a scenario's times fit in 64-bit nanoseconds")
}
