//! Output that cannot be written: exit code 5, a clear error, no panic.

use crate::support::{CUT, Call, HEALTHY, Place, contains, home, objects};
use quick_junit::{Report, TestCaseStatus};

/// Takes every write and refuses it for lack of space.
const FULL: &str = "/dev/full";

#[test]
fn a_full_disk_ends_the_batch_with_an_error() {
    let place = Place::with("healthy.toml", HEALTHY);
    for format in ["json", "text"] {
        let args = ["run", "healthy.toml", "--seeds", "0..4", "--format", format];
        let ended = place.call(&args).stdout(FULL).end().exits(5);
        assert_eq!(ended.stderr, "error: cannot write to standard output: No space left on device (os error 28)\n");
    }
}

#[test]
fn what_a_full_disk_refuses_is_still_in_the_files() {
    let place = Place::with("cut.toml", CUT);
    let args = ["run", "cut.toml", "--seeds", "0..2", "--defect", "no-resync", "--out", "out", "--junit", "junit.xml"];
    place.call(&args).stdout(FULL).end().exits(5);
    assert_eq!(objects(&place.read("out/results.jsonl")).len(), 2);
    place.squall(&["replay", "out/failures/cut-1-nats.json"]).exits(1);
    assert_eq!(Report::deserialize_from_str(&place.read("junit.xml")).unwrap().tests, 2);
}

#[test]
fn no_command_panics_on_a_full_disk() {
    let place = Place::with("cut.toml", CUT);
    place.squall(&["run", "cut.toml", "--seed", "0", "--defect", "no-resync"]).exits(1);
    let commands: [&[&str]; 7] = [
        &["replay", "squall-out/failures/cut-0-nats.json"],
        &["verify", "cut.toml", "--seed", "0"],
        &["list", "cut.toml"],
        &["check", "cut.toml"],
        &["schema"],
        &["schema", "report"],
        &["defects", "--list"],
    ];
    for args in commands {
        let ended = place.call(args).stdout(FULL).end().exits(5);
        contains(&ended.stderr, &["error: cannot write to standard output: No space left"]);
    }
    let args = ["defects", "scenarios/defects/no-resync.toml", "--seeds", "0..1"];
    Call::new(&home(), &args).stdout(FULL).end().exits(5);
}

#[test]
fn a_failure_file_that_cannot_be_written_is_told_and_the_batch_goes_on() {
    let place = Place::with("cut.toml", CUT);
    place.write("out/failures", "a file where a directory should be");
    let args = ["run", "cut.toml", "--seeds", "0..3", "--defect", "no-resync", "--out", "out", "--format", "json"];
    let ended = place.squall(&args).exits(5).complains(&["warning: no failure file: ", "cut-0-nats.json"]);
    assert_eq!(ended.objects().len(), 3);
}

#[test]
fn a_trace_that_cannot_be_written_does_not_cost_the_result() {
    let place = Place::with("healthy.toml", HEALTHY);
    let args = ["run", "healthy.toml", "--seed", "0", "--trace", "/dev/full/x", "--format", "json"];
    let ended = place.squall(&args).exits(5).complains(&["cannot write /dev/full/x"]);
    assert_eq!(ended.objects().len(), 1);
}

#[test]
fn junit_counts_every_run() {
    let place = Place::new();
    place.write("scenarios/cut.toml", CUT);
    place.write("scenarios/healthy.toml", HEALTHY.replace("nodes = 3", "nodes = 4"));
    let args = ["run", "scenarios", "--seeds", "0..3", "--defect", "no-resync", "--junit", "deep/junit.xml"];
    place.squall(&args).exits(1);
    let report = Report::deserialize_from_str(&place.read("deep/junit.xml")).unwrap();
    assert_eq!((report.tests, report.failures, report.errors), (6, 3, 0));
    let suites: Vec<&str> = report.test_suites.iter().map(|suite| suite.name.as_str()).collect();
    assert_eq!(suites, ["cut on nats", "healthy on nats"]);
    for case in &report.test_suites[0].test_cases {
        let TestCaseStatus::NonSuccess { message, .. } = &case.status else { panic!("{case:?}") };
        assert!(message.as_ref().is_some_and(|message| message.contains("misses")), "{case:?}");
    }
}

#[test]
fn an_old_junit_report_is_not_taken_for_the_new_batch() {
    let place = Place::with("healthy.toml", HEALTHY);
    place.write("junit.xml", "stale");
    place
        .call(&["run", "healthy.toml", "--seed", "0", "--format", "json", "--junit", "junit.xml"])
        .stdout(FULL)
        .end()
        .exits(5);
    assert_eq!(Report::deserialize_from_str(&place.read("junit.xml")).unwrap().tests, 1);
}
