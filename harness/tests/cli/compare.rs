//! `squall compare`: tables, the object, the page, and what may go wrong.

use crate::support::{CUT, HEALTHY, Place, contains, objects};
use serde_json::Value;
use std::time::Duration;

const AT_ONCE: Duration = Duration::from_secs(10);

fn place() -> Place {
    let place = Place::with("scenarios/healthy.toml", HEALTHY);
    place.write("scenarios/cut.toml", CUT);
    place
}

/// The object, without what an unchanged world may change.
fn object(text: &str) -> Value {
    let mut object: Value = serde_json::from_str(text).unwrap();
    object.as_object_mut().unwrap().remove("command");
    object
}

#[test]
fn a_comparison_leaves_a_table_an_object_and_a_page() {
    let place = place();
    let args = ["compare", "scenarios", "--seeds", "0..3", "--backends", "nats", "--out", "out"];
    let ended = place.squall(&args).exits(0);
    contains(
        &ended.stdout,
        &[
            "Totals on nats: 2 scenarios",
            "3 runs each".replace('3', "6").as_str(),
            "reconnect p90: only nats",
            "Complete: ",
        ],
    );
    contains(&ended.stdout, &["again: squall compare scenarios --seeds 0..3 --backends nats"]);
    let object = object(&place.read("out/compare.json"));
    assert_eq!(object["complete"], true);
    let total = &object["totals"][0];
    assert_eq!((&total["backend"], &total["runs"]["passed"]), (&Value::from("nats"), &Value::from(6)));
    let figures = &total["figures"];
    assert!(figures["delivery"]["p50_us"].as_u64() <= figures["delivery"]["p99_us"].as_u64());
    assert!(figures["messages"]["lost"].as_u64() > Some(0), "a cut loses messages: {figures}");
    assert_eq!(figures["convergence"]["count"], 3, "one for each run with a fault");
    assert!(figures["reconnect"]["p50_us"].as_u64() > Some(0), "{figures}");
    assert_eq!(objects(&place.read("out/results.jsonl")).len(), 6);
    let page = place.read("out/compare.html");
    for outside in ["http", "src=", "@import", "url(", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    contains(&page, &["<svg", "cut", "healthy", "squall compare scenarios"]);
}

#[test]
fn the_printed_object_is_the_written_one_and_the_same_each_time() {
    let place = place();
    let compare = |jobs, out| {
        let args = ["compare", "scenarios", "--seeds", "0..2", "--jobs", jobs, "--out", out, "--format", "json"];
        let printed = place.squall(&[&args[..], &["--backends", "nats"]].concat()).exits(0).objects();
        assert_eq!(printed.len(), 1);
        assert_eq!(printed[0], serde_json::from_str::<Value>(&place.read(&format!("{out}/compare.json"))).unwrap());
        printed
    };
    assert_eq!(compare("1", "one"), compare("2", "two"));
}

#[test]
fn bad_usage_runs_nothing() {
    let place = place();
    let refused = |args: &[&str], words: &[&str]| {
        place.squall(&[&["compare"], args].concat()).exits(2).complains(words);
    };
    refused(&["scenarios", "--backends", "rabbit"], &["this build has the backends", "nats"]);
    refused(&["scenarios", "--seeds", "3..3"], &["holds no seed"]);
    refused(&["nowhere"], &["nowhere"]);
    place.write("taken", "a file");
    refused(
        &["scenarios", "--backends", "nats", "--out", "taken"],
        &["cannot write taken/results.jsonl", "give --out a directory"],
    );
}

#[test]
fn a_full_disk_is_told() {
    let place = place();
    let args = ["compare", "scenarios", "--seeds", "0..1", "--backends", "nats", "--out", "out"];
    let ended = place.call(&args).stdout("/dev/full").end().exits(5);
    contains(&ended.stderr, &["cannot write to standard output: No space left"]);
    assert_eq!(object(&place.read("out/compare.json"))["complete"], true, "files come before the table");
}

#[test]
fn an_interrupted_comparison_shows_what_is_finished() {
    let place = place();
    let args = ["compare", "scenarios", "--seeds", "0..10000000", "--backends", "nats", "--out", "out"];
    let running = place.start(&args);
    running.written(&place.path("out/results.jsonl"), 20);
    running.signal_group("INT");
    let ended = running.end(AT_ONCE).leaves_no_process().exits(3);
    contains(&ended.stdout, &["Incomplete: ", "Totals on nats: 2 scenarios"]);
    let object = object(&place.read("out/compare.json"));
    let runs = object["totals"][0]["runs"]["passed"].as_u64().unwrap();
    assert_eq!(
        (object["complete"].as_bool(), runs as usize),
        (Some(false), objects(&place.read("out/results.jsonl")).len())
    );
}

#[test]
fn a_failing_run_is_named_and_decides_the_exit() {
    let place = Place::with(
        "strict.toml",
        &HEALTHY.replace("within = \"2s\" }", "within = \"2s\" }\n[[check]]\nfan-out = { p50 = \"1us\" }"),
    );
    let ended = place.squall(&["compare", "strict.toml", "--seeds", "0..2", "--backends", "nats"]).exits(1);
    contains(
        &ended.stdout,
        &["fail strict seed 0 on nats: fan-out: p50 is", "squall run strict.toml --seed 1 --backend nats"],
    );
}
