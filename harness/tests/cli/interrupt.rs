//! Ctrl-C: what was finished is reported, the rest is not run.

use crate::support::{CUT, ENDLESS, Ended, HEALTHY, Place, contains, objects};
use quick_junit::Report;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// Between the signal and the end.
const AT_ONCE: Duration = Duration::from_secs(10);
const INTERRUPT: i32 = 2;

/// A batch that would take hours, interrupted after some of its runs.
fn interrupted(place: &Place, args: &[&str], signal: &str) -> Ended {
    let args = [&["run", "healthy.toml", "--seeds", "0..10000000", "--jobs", "2"], args].concat();
    let running = place.start(&args);
    running.printed(20);
    match signal {
        "TERM" => running.signal("TERM"),
        signal => running.signal_group(signal),
    }
    running.end(AT_ONCE).leaves_no_process()
}

#[test]
fn an_interrupted_batch_leaves_whole_lines() {
    for signal in ["INT", "TERM"] {
        let place = Place::with("healthy.toml", HEALTHY);
        let ended = interrupted(&place, &["--format", "json", "--junit", "junit.xml", "--out", "out"], signal).exits(3);
        assert_eq!(ended.stderr, "interrupted: what was finished is reported, the rest was not run\n");
        let done = ended.objects();
        assert!(done.len() >= 20, "{}", done.len());
        assert!(done.iter().all(|object| object["verdict"] == "pass"), "no run counts as failed for the signal");
        assert_eq!(objects(&place.read("out/results.jsonl")), done);
        assert_eq!(Report::deserialize_from_str(&place.read("junit.xml")).unwrap().tests, done.len());
    }
}

#[test]
fn an_interrupted_batch_in_text_shows_the_table_so_far() {
    let place = Place::with("healthy.toml", HEALTHY);
    // Nothing is printed before the end; results.jsonl shows that runs are done.
    let args = ["run", "healthy.toml", "--seeds", "0..10000000", "--out", "out"];
    let running = place.start(&args);
    running.written(&place.path("out/results.jsonl"), 20);
    running.signal_group("INT");
    let ended = running.end(AT_ONCE).leaves_no_process().exits(3);
    let done = objects(&place.read("out/results.jsonl")).len();
    assert!(done >= 20, "{done}");
    contains(&ended.stdout, &["scenario  backend", " undecided\n", ": "]);
    let totals = ended.stdout.lines().last().unwrap().replace(',', "");
    assert!(totals.starts_with(&format!("{done} runs: {done} passed")), "{done}: {totals}");
}

#[test]
fn a_failure_before_the_interrupt_is_not_forgotten() {
    let place = Place::with("cut.toml", CUT);
    let args = ["run", "cut.toml", "--seeds", "0..10000000", "--defect", "no-resync", "--format", "json"];
    let running = place.start(&args);
    running.printed(3);
    running.signal("INT");
    running.end(AT_ONCE).leaves_no_process().exits(1).complains(&["interrupted: "]);
    place.squall(&["replay", "squall-out/failures/cut-0-nats.json"]).exits(1);
}

#[test]
fn a_run_that_takes_long_is_cut_short() {
    let place = Place::with("endless.toml", ENDLESS);
    place.write("healthy.toml", HEALTHY);
    let running =
        place.start(&["run", "healthy.toml", "endless.toml", "--seed", "0", "--jobs", "1", "--format", "json"]);
    running.printed(1);
    std::thread::sleep(Duration::from_millis(100));
    running.signal("INT");
    let ended = running.end(AT_ONCE).leaves_no_process().exits(3).complains(&["interrupted: "]);
    assert_eq!(ended.objects().len(), 1);
}

#[test]
fn a_second_interrupt_ends_the_program_where_it_stands() {
    let place = Place::with("endless.toml", ENDLESS);
    place.write("healthy.toml", HEALTHY);
    // In this process the first interrupt waits for the run's end, which is weeks away.
    let args = ["run", "healthy.toml", "endless.toml", "--seed", "0", "--in-process", "--format", "json"];
    let running = place.start(&args);
    running.printed(1);
    std::thread::sleep(Duration::from_millis(100));
    running.signal("INT");
    // Sooner it would count as the same wish.
    std::thread::sleep(Duration::from_millis(700));
    running.signal("INT");
    let ended = running.end(AT_ONCE).leaves_no_process();
    assert_eq!(ended.status.signal(), Some(INTERRUPT), "{ended:?}");
    assert_eq!(ended.objects().len(), 1);
}

#[test]
fn an_interrupted_replay_is_inconclusive() {
    let place = Place::with("cut.toml", CUT);
    place.squall(&["run", "cut.toml", "--seed", "0", "--defect", "no-resync"]).exits(1);
    let mut json: serde_json::Value = serde_json::from_str(&place.read("squall-out/failures/cut-0-nats.json")).unwrap();
    json["failure"]["scenario"]["text"] = ENDLESS.into();
    json["failure"]["plan"] = serde_json::json!([]);
    place.write("endless.json", json.to_string());
    let running = place.start(&["replay", "--edited", "endless.json"]);
    running.has_children();
    std::thread::sleep(Duration::from_millis(200));
    running.signal("INT");
    running.end(AT_ONCE).leaves_no_process().exits(3).complains(&["interrupted: "]);
}

#[test]
fn an_interrupted_verify_does_not_claim_differences() {
    for to_all in [true, false] {
        let place = Place::with("healthy.toml", HEALTHY);
        let running = place.start(&["verify", "healthy.toml", "--seeds", "0..10000000"]);
        running.has_children();
        if to_all {
            running.signal_group("INT")
        } else {
            running.signal("INT")
        }
        let ended = running.end(AT_ONCE).leaves_no_process().exits(3).complains(&["interrupted: nothing can be said"]);
        assert_eq!(ended.stdout, "");
    }
}
