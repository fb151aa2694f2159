//! That backends are compared under the same faults: what the plans of all of them do to nodes and the store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;
use squall_harness::compare::{node_faults, node_plan};
use squall_harness::nemesis::{Topology, resolve};
use squall_harness::scenario::{Scenario, load_all};
use std::path::PathBuf;

const SEEDS: u64 = 40;

fn scenarios(dir: &str) -> Vec<Scenario> {
    load_all(&[PathBuf::from(format!("{}/../scenarios/{dir}", env!("CARGO_MANIFEST_DIR")))]).unwrap()
}

fn topology(nodes: u16, brokers: &[&str]) -> Topology {
    Topology {
        nodes: (1..=nodes).map(|node| format!("node-{node}")).collect(),
        brokers: brokers.iter().map(|broker| (*broker).to_owned()).collect(),
        store: "store".to_owned(),
    }
}

/// Zenoh has no broker, Redis one, NATS and Kafka may have clusters.
const BROKERS: [&[&str]; 4] = [&[], &["redis1"], &["nats1", "nats2", "nats3"], &["kafka1"]];

#[test]
fn nodes_meet_the_same_faults_on_every_backend() {
    let mut compared = 0;
    for scenario in scenarios("fast") {
        for seed in 0..SEEDS {
            let plans = BROKERS.map(|brokers| {
                let topology = topology(scenario.nodes, brokers);
                let plan = resolve(&scenario, &topology, &mut ChaCha8Rng::seed_from_u64(seed));
                (node_faults(&plan, &topology), node_plan(&plan, &topology))
            });
            for (faults, digest) in &plans[1..] {
                assert_eq!(faults, &plans[0].0, "{} seed {seed}", scenario.name);
                assert_eq!(digest, &plans[0].1);
            }
            compared += plans[0].0.len();
        }
    }
    assert!(compared > 10_000, "the scenarios have faults that concern nodes: {compared}");
}

#[test]
fn other_seeds_are_other_faults() {
    let scenarios = scenarios("fast/nodes-die.toml");
    let topology = topology(scenarios[0].nodes, BROKERS[1]);
    let digest = |seed| node_plan(&resolve(&scenarios[0], &topology, &mut ChaCha8Rng::seed_from_u64(seed)), &topology);
    assert_ne!(digest(1), digest(2));
}
