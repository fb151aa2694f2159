//! Plans: whatever the policies, what is broken is mended, once, and in time.

use proptest::prelude::*;
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use squall_harness::nemesis::{Topology, resolve};
use squall_harness::scenario::{Found, Resource, Resources, Scenario, parse};
use squall_sim::fault::{Fault, PlannedFault};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

const RUN_S: u64 = 30;

struct Lan;

impl Resources for Lan {
    fn read(&self, _: Resource, name: &str) -> Result<Found, String> {
        let text = include_str!("../../scenarios/profiles/lan.toml").to_owned();
        Ok(Found { file: name.to_owned(), text })
    }

    fn profiles(&self) -> Vec<String> {
        vec!["lan".to_owned()]
    }
}

fn scenario(nodes: u16, faults: &str) -> Scenario {
    let text =
        format!("title = \"t\"\nnodes = {nodes}\nrun = \"{RUN_S}s\"\n[[node]]\nindex = 1\nskew = \"+3s\"\n{faults}");
    parse("plan.toml", "plan", &text, &Lan).unwrap_or_else(|error| panic!("{}\n{text}", error.plain()))
}

fn topology(nodes: u16, brokers: u16) -> Topology {
    Topology {
        nodes: (1..=nodes).map(|node| format!("node-{node}")).collect(),
        brokers: (1..=brokers).map(|broker| format!("nats{broker}")).collect(),
        store: "store".to_owned(),
    }
}

fn plan(nodes: u16, faults: &str, seed: u64) -> Vec<PlannedFault> {
    resolve(&scenario(nodes, faults), &topology(nodes, 1), &mut ChaCha8Rng::seed_from_u64(seed))
}

/// The state that a plan leaves the world in, step by step. It refuses what would be undone wrongly.
#[derive(Default)]
struct Model {
    links: BTreeSet<(&'static str, String, String)>,
    down: BTreeMap<String, &'static str>,
    clocks: BTreeMap<String, i64>,
    store_slow: bool,
    armed: bool,
}

impl Model {
    fn apply(&mut self, fault: &Fault) {
        match fault {
            Fault::Cut { from, to } => self.take("cut", from, to),
            Fault::Mend { from, to } => self.free("cut", from, to),
            Fault::Hold { from, to } => self.take("hold", from, to),
            Fault::Release { from, to } => self.free("hold", from, to),
            Fault::Loss { from, to, per_million: 0 } => self.free("loss", from, to),
            Fault::Loss { from, to, .. } => self.take("loss", from, to),
            Fault::Delay { from, to, extra_ns: 0 } => self.free("delay", from, to),
            Fault::Delay { from, to, .. } => self.take("delay", from, to),
            Fault::Bandwidth { from, to, bytes_per_s: None } => self.free("bandwidth", from, to),
            Fault::Bandwidth { from, to, .. } => self.take("bandwidth", from, to),
            Fault::Reset { from, to } => assert!(!from.is_empty() && !to.is_empty()),
            Fault::Kill { host } | Fault::PowerLoss { host } | Fault::LameDuck { host } => self.stop(host, "start"),
            Fault::StoreDieAtCommit { .. } => self.stop("store", "start"),
            Fault::Pause { host } => self.stop(host, "resume"),
            Fault::Start { host } => assert_eq!(self.down.remove(host), Some("start"), "{host} was not down"),
            Fault::Resume { host } => assert_eq!(self.down.remove(host), Some("resume"), "{host} was not paused"),
            Fault::Skew { host, offset_ns } => {
                self.clocks.insert(host.clone(), *offset_ns);
            }
            Fault::ClockJump { host, by_ns } => *self.clocks.entry(host.clone()).or_insert(boot_skew_ns(host)) += by_ns,
            Fault::StoreSlow { per_statement_ns } => {
                assert_ne!(self.store_slow, *per_statement_ns > 0, "slow twice or healed twice");
                self.store_slow = *per_statement_ns > 0;
            }
            Fault::StoreSerialization { count, .. } => self.armed = *count > 0,
        }
    }

    fn take(&mut self, what: &'static str, from: &[String], to: &[String]) {
        assert!(!from.is_empty() && !to.is_empty(), "{what} of nothing");
        for (a, b) in pairs(from, to) {
            assert!(self.links.insert((what, a.clone(), b.clone())), "{what} twice at once: {a} to {b}");
        }
    }

    fn free(&mut self, what: &'static str, from: &[String], to: &[String]) {
        for (a, b) in pairs(from, to) {
            assert!(self.links.remove(&(what, a.clone(), b.clone())), "{what} undone twice: {a} to {b}");
        }
    }

    fn stop(&mut self, host: &str, way_back: &'static str) {
        assert_eq!(self.down.insert(host.to_owned(), way_back), None, "{host} stopped twice");
    }

    fn assert_healthy(&self) {
        assert!(self.links.is_empty(), "{:?}", self.links);
        assert!(self.down.is_empty(), "{:?}", self.down);
        assert!(self.clocks.iter().all(|(host, &skew)| skew == boot_skew_ns(host)), "{:?}", self.clocks);
        assert!(!self.store_slow && !self.armed);
    }
}

fn pairs<'a>(from: &'a [String], to: &'a [String]) -> impl Iterator<Item = (String, String)> + 'a {
    from.iter().flat_map(move |a| to.iter().map(move |b| (a.clone(), b.clone())))
}

fn boot_skew_ns(host: &str) -> i64 {
    if host == "node-1" { 3_000_000_000 } else { 0 }
}

fn assert_sound(plan: &[PlannedFault]) {
    let end_ns = RUN_S * 1_000_000_000;
    let mut model = Model::default();
    assert!(plan.is_sorted_by_key(|planned| planned.at_ns));
    for planned in plan {
        assert!(planned.at_ns <= end_ns, "{planned:?}");
        assert!(planned.undo || planned.at_ns < end_ns, "{planned:?}");
        model.apply(&planned.fault);
    }
    model.assert_healthy();
    let faults = plan.iter().filter(|planned| !planned.undo && !matches!(planned.fault, Fault::Reset { .. })).count();
    assert_eq!(faults, plan.iter().filter(|planned| planned.undo).count(), "every fault has its undo");
}

fn side() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=3_u16).prop_map(|pick| format!("pick = {pick}")),
        prop::sample::subsequence(vec![1_u16, 2, 3, 4], 1..=3).prop_map(|nodes| format!("side = {nodes:?}")),
    ]
}

fn target() -> impl Strategy<Value = String> {
    prop_oneof![
        (1..=4_u16).prop_map(|pick| format!("pick = {pick}")),
        prop::sample::subsequence(vec![1_u16, 2, 3, 4], 1..=4).prop_map(|nodes| format!("nodes = {nodes:?}")),
        Just("servers = \"brokers\"".to_owned()),
        Just("servers = \"store\"".to_owned()),
    ]
}

fn narrowed() -> impl Strategy<Value = String> {
    let from = prop::sample::select(vec!["", ", from = \"brokers\"", ", from = \"store\"", ", from = \"nodes\""]);
    let direction = prop::sample::select(vec!["", ", direction = \"outbound\"", ", direction = \"inbound\""]);
    (side(), from, direction).prop_map(|(side, from, direction)| format!("{side}{from}{direction}"))
}

fn lasting(key: &'static str) -> impl Strategy<Value = String> {
    prop::option::of(1..40_000_u32).prop_map(move |ms| ms.map_or(String::new(), |ms| format!(", {key} = \"{ms}ms\"")))
}

fn kind() -> BoxedStrategy<String> {
    let patterns =
        vec!["halves", "majority-minority", "isolate-one", "one-way", "bridge", "ring", "broker-only", "store-only"];
    prop_oneof![
        3 => (narrowed(), lasting("heal-after")).prop_map(|(links, time)| format!("partition = {{ {links}{time} }}")),
        3 => (prop::sample::select(patterns), lasting("heal-after"))
            .prop_map(|(pattern, time)| format!("partition = {{ pattern = \"{pattern}\"{time} }}")),
        1 => (narrowed(), lasting("release-after")).prop_map(|(links, time)| format!("hold = {{ {links}{time} }}")),
        1 => (narrowed(), lasting("for")).prop_map(|(links, time)| format!("loss = {{ {links}, ratio = 0.5{time} }}")),
        1 => lasting("for").prop_map(|time| format!("loss = {{ ratio = 0.5{time} }}")),
        1 => (narrowed(), lasting("for")).prop_map(|(links, time)| format!("slow-link = {{ {links}, extra = \"1ms\"{time} }}")),
        1 => (narrowed(), lasting("for")).prop_map(|(links, time)| format!("bandwidth = {{ {links}, limit = \"1MB/s\"{time} }}")),
        1 => side().prop_map(|side| format!("reset = {{ {side} }}")),
        2 => (target(), lasting("restart-after")).prop_map(|(target, time)| format!("kill = {{ {target}{time} }}")),
        1 => (target(), lasting("restart-after")).prop_map(|(target, time)| format!("power-loss = {{ {target}{time} }}")),
        2 => (target(), lasting("resume-after")).prop_map(|(target, time)| format!("pause = {{ {target}{time} }}")),
        2 => (target(), lasting("for")).prop_map(|(target, time)| format!("skew = {{ {target}, offset = \"-5m\"{time} }}")),
        2 => (target(), lasting("for")).prop_map(|(target, time)| format!("clock-jump = {{ {target}, by = \"+5m\"{time} }}")),
        1 => lasting("for").prop_map(|time| format!("store-slow = {{ per-statement = \"1ms\"{time} }}")),
        1 => Just("store-serialization = { count = 2, at = \"commit\" }".to_owned()),
        1 => lasting("restart-after").prop_map(|time| format!("store-die = {{ point = \"after\"{time} }}")),
        1 => lasting("restart-after").prop_map(|time| format!("lame-duck = {{ {} }}", time.trim_start_matches(", "))),
    ]
    .boxed()
}

fn entry() -> impl Strategy<Value = String> {
    let when = prop_oneof![
        (0..30_000_u32).prop_map(|ms| format!("at = \"{ms}ms\"")),
        (500..10_000_u32).prop_map(|ms| format!("every = \"{ms}ms\"")),
        (500..5_000_u32, 0..10_000_u32, 20_000..=30_000_u32).prop_map(|(every, from, until)| format!(
            "every = \"{every}ms\"\nfrom = \"{from}ms\"\nuntil = \"{until}ms\""
        )),
    ];
    (when, kind()).prop_map(|(when, kind)| format!("[[fault]]\n{when}\n{kind}\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn whatever_the_policies_everything_is_mended_exactly_once(
        nodes in 4..8_u16,
        brokers in 0..4_u16,
        entries in prop::collection::vec(entry(), 1..6),
        seed: u64,
    ) {
        let scenario = scenario(nodes, &entries.concat());
        let topology = topology(nodes, brokers);
        let plan = resolve(&scenario, &topology, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_sound(&plan);
        let again = resolve(&scenario, &topology, &mut ChaCha8Rng::seed_from_u64(seed));
        prop_assert_eq!(&plan, &again);
    }

    #[test]
    fn a_new_entry_at_the_end_shifts_no_draw_of_the_earlier_ones(seed: u64, second in entry()) {
        // Resets hold nothing, so nobody can take their victims.
        let first = "[[fault]]\nevery = \"2s\"\nreset = { pick = 2 }\n";
        let alone = plan(5, first, seed);
        let mut joined = plan(5, &[first, &second].concat(), seed);
        joined.retain(|planned| planned.entry == 0);
        prop_assert_eq!(alone, joined);
    }
}

#[test]
fn a_side_loses_all_others_and_keeps_itself() {
    let plan = plan(5, "[[fault]]\nat = \"10s\"\npartition = { side = [1, 2], heal-after = \"5s\" }\n", 1);
    let others = ["node-3", "node-4", "node-5", "nats1", "store"].map(str::to_owned).to_vec();
    let side = vec!["node-1".to_owned(), "node-2".to_owned()];
    assert_eq!(plan[0].fault, Fault::Cut { from: side.clone(), to: others.clone() });
    assert_eq!(plan[1].fault, Fault::Cut { from: others.clone(), to: side.clone() });
    assert_eq!(plan[2].fault, Fault::Mend { from: side, to: others });
    assert_eq!(plan.iter().map(|planned| planned.at_ns / 1_000_000_000).collect::<Vec<_>>(), [10, 10, 15, 15]);
}

#[test]
fn what_the_side_is_cut_from_and_which_way_can_be_narrowed() {
    let plan =
        plan(5, "[[fault]]\nat = \"1s\"\npartition = { side = [4], from = \"brokers\", direction = \"inbound\" }\n", 1);
    assert_eq!(plan[0].fault, Fault::Cut { from: vec!["nats1".to_owned()], to: vec!["node-4".to_owned()] });
    assert_eq!((plan.len(), plan[1].at_ns), (2, RUN_S * 1_000_000_000), "it heals at the end of the run");
}

#[test]
fn a_node_that_is_down_by_plan_is_not_killed_again() {
    let faults = "[[fault]]\nat = \"1s\"\nkill = { nodes = [2], restart-after = \"10s\" }\n\
                  [[fault]]\nat = \"5s\"\npower-loss = { nodes = [2, 3], restart-after = \"1s\" }\n";
    let struck: Vec<(u64, Fault)> =
        plan(5, faults, 1).into_iter().map(|planned| (planned.at_ns / 1_000_000_000, planned.fault)).collect();
    let (two, three) = ("node-2".to_owned(), "node-3".to_owned());
    assert_eq!(
        struck,
        [
            (1, Fault::Kill { host: two.clone() }),
            (5, Fault::PowerLoss { host: three.clone() }),
            (6, Fault::Start { host: three }),
            (11, Fault::Start { host: two }),
        ]
    );
}

#[test]
fn a_fixed_fault_comes_before_a_policy() {
    let faults = "[[fault]]\nevery = \"500ms\"\nkill = { nodes = [1], restart-after = \"400ms\" }\n\
                  [[fault]]\nat = \"15s\"\nkill = { nodes = [1], restart-after = \"1s\" }\n";
    for seed in 0..50 {
        let plan = plan(3, faults, seed);
        assert!(plan.iter().any(|planned| planned.entry == 1 && planned.at_ns == 15_000_000_000), "seed {seed}");
        assert_sound(&plan);
    }
}

#[test]
fn a_policy_strikes_once_in_each_period() {
    let plan = plan(5, "[[fault]]\nevery = \"5s\"\nreset = { pick = 1 }\n", 7);
    let periods: Vec<u64> = plan.iter().map(|planned| planned.at_ns / 5_000_000_000).collect();
    assert_eq!(periods, [0, 1, 2, 3, 4, 5]);
    assert!(plan.iter().any(|planned| planned.at_ns % 5_000_000_000 != 0), "at random times");
}

#[test]
fn different_seeds_strike_different_nodes() {
    let faults = "[[fault]]\nat = \"5s\"\nkill = { pick = 1, restart-after = \"1s\" }\n";
    let victims: BTreeSet<String> = (0..50).map(|seed| format!("{:?}", plan(5, faults, seed)[0].fault)).collect();
    assert_eq!(victims.len(), 5, "{victims:?}");
}

#[test]
fn every_member_of_a_ring_keeps_exactly_its_two_neighbours() {
    let plan = plan(5, "[[fault]]\nat = \"5s\"\npartition = { pattern = \"ring\", heal-after = \"1s\" }\n", 3);
    let mut lost: BTreeMap<&str, usize> = BTreeMap::new();
    for planned in plan.iter().filter(|planned| !planned.undo) {
        let Fault::Cut { from, to } = &planned.fault else { panic!("{planned:?}") };
        from.iter().for_each(|host| *lost.entry(host).or_default() += to.len());
    }
    assert_eq!(lost.len(), 7);
    assert!(lost.values().all(|&count| count == 7 - 3), "{lost:?}");
}

#[test]
fn a_thousand_nodes_are_planned_in_no_time() {
    let faults = "[[fault]]\nevery = \"1s\"\npartition = { pattern = \"halves\", heal-after = \"5s\" }\n\
                  [[fault]]\nevery = \"100ms\"\nkill = { pick = 10, restart-after = \"3s\" }\n";
    let started = Instant::now();
    assert_sound_cheaply(&plan(1_024, faults, 1));
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

/// For plans whose links are too many to be listed one by one.
fn assert_sound_cheaply(plan: &[PlannedFault]) {
    assert!(plan.len() > 1_000);
    assert_eq!(plan.iter().filter(|planned| planned.undo).count() * 2, plan.len());
}
