//! Runs that pass: the table, the JSON lines, their order.

use crate::support::{CUT, HEALTHY, Place, contains, timeless};
use serde_json::Value;
use std::collections::BTreeSet;

/// What DESIGN.md promises of each object.
const FIELDS: [&str; 10] =
    ["scenario", "seed", "backend", "verdict", "checks", "digest", "sim_ms", "wall_ms", "events", "fan_out"];

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn a_healthy_batch_is_a_row_of_a_table() {
    let place = Place::with("healthy.toml", HEALTHY);
    let ended = place.squall(&["run", "healthy.toml", "--seeds", "0..4"]).exits(0);
    let row = ended.stdout.lines().find(|line| line.starts_with("healthy ")).unwrap();
    assert_eq!(row.split_whitespace().take(6).collect::<Vec<_>>(), ["healthy", "nats", "4", "4", "0", "0"]);
    contains(&ended.stdout, &["4 runs: 4 passed, 0 failed, 0 undecided"]);
    assert_eq!(ended.stderr, "");
    assert!(!place.path("squall-out").exists(), "a batch without failures leaves nothing behind");
}

#[test]
fn every_json_line_is_the_documented_object() {
    let place = Place::with("healthy.toml", HEALTHY);
    let ended = place.squall(&["run", "healthy.toml", "--seeds", "0..3", "--format", "json"]).exits(0);
    let objects = ended.objects();
    assert_eq!(objects.len(), 3);
    for object in &objects {
        assert_eq!(keys(object), BTreeSet::from(FIELDS));
        let checks = object["checks"].as_array().unwrap();
        assert!(checks.len() >= 5, "the scenario's and those that are always on: {checks:?}");
        for check in checks {
            assert_eq!(keys(check), BTreeSet::from(["name", "verdict", "reason"]));
            assert!(!check["reason"].as_str().unwrap().is_empty(), "{check}");
        }
        assert_eq!(keys(&object["fan_out"]), BTreeSet::from(["p50_us", "p99_us", "last_p99_us"]));
        let digest = object["digest"].as_str().unwrap();
        assert!(digest.len() == 16 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
        assert!(object["sim_ms"].as_u64().unwrap() >= 8_000 && object["events"].as_u64().unwrap() > 0, "{object}");
        assert_eq!((&object["scenario"], &object["verdict"]), (&Value::from("healthy"), &Value::from("pass")));
    }
    let digests: BTreeSet<&str> = objects.iter().map(|object| object["digest"].as_str().unwrap()).collect();
    assert_eq!(digests.len(), 3, "another seed must be another run");
}

#[test]
fn neither_jobs_nor_forks_change_a_result() {
    let place = Place::with("cut.toml", CUT);
    let run = |args: &[&str]| {
        let args = [&["run", "cut.toml", "--format", "json"], args].concat();
        timeless(place.squall(&args).exits(0).objects())
    };
    let alone = run(&["--seeds", "0..6", "--jobs", "1"]);
    assert_eq!(alone.len(), 6);
    assert_eq!(alone, run(&["--seeds", "0..6", "--jobs", "3"]));
    for seed in [0, 5] {
        assert_eq!(run(&["--seed", &seed.to_string(), "--in-process"]), [alone[seed].clone()]);
    }
}

#[test]
fn results_come_in_the_order_of_files_and_seeds() {
    let place = Place::new();
    // The first takes longest, so that the others end before it.
    place.write("scenarios/a.toml", HEALTHY.replace("nodes = 3", "nodes = 60"));
    place.write("scenarios/b.toml", HEALTHY);
    let ended = place.squall(&["run", "scenarios", "--seeds", "7..10", "--jobs", "4", "--format", "json"]).exits(0);
    let order: Vec<(String, u64)> = ended
        .objects()
        .iter()
        .map(|object| (object["scenario"].as_str().unwrap().to_owned(), object["seed"].as_u64().unwrap()))
        .collect();
    let expected = ["a", "b"].map(|name| [7, 8, 9].map(|seed| (name.to_owned(), seed))).concat();
    assert_eq!(order, expected);
}

#[test]
fn out_keeps_every_result() {
    let place = Place::with("healthy.toml", HEALTHY);
    let args = ["run", "healthy.toml", "--seeds", "0..3", "--format", "json", "--out", "deep/out"];
    let ended = place.squall(&args).exits(0);
    assert_eq!(ended.stdout, place.read("deep/out/results.jsonl"));
}

#[test]
fn a_trace_holds_every_event_of_the_run() {
    let place = Place::with("healthy.toml", HEALTHY);
    let args = ["run", "healthy.toml", "--seed", "1", "--format", "json", "--trace", "run.trace"];
    let events = place.squall(&args).exits(0).objects()[0]["events"].as_u64().unwrap();
    let trace = place.read("run.trace");
    assert_eq!(trace.lines().count() as u64, events);
    contains(&trace, &["booted (incarnation 0)", "PUB squall.cluster", "coordinator link: connected"]);
}

#[test]
fn a_file_that_is_named_twice_runs_once() {
    let place = Place::with("scenarios/healthy.toml", HEALTHY);
    let args = ["run", "scenarios", "scenarios/healthy.toml", "--seeds", "0..2", "--format", "json"];
    assert_eq!(place.squall(&args).exits(0).objects().len(), 2);
}
