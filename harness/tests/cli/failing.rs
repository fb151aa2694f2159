//! Runs that fail: failure files and their replays.

use crate::support::{CUT, Ended, HEALTHY, Place, contains};
use serde_json::Value;
use std::fs;

/// A place with a failure, and where.
pub(crate) fn failed() -> (Place, &'static str) {
    let place = Place::with("cut.toml", CUT);
    let args = ["run", "cut.toml", "--seed", "3", "--defect", "no-resync", "--out", "out"];
    let ended = place.squall(&args).exits(1);
    let failure = "out/failures/cut-3-nats.json";
    contains(
        &ended.stdout,
        &["failed (1)", "cut, seed 3, nats", "blocklist-converges: ", &format!("reproduce: squall replay {failure}\n")],
    );
    (place, failure)
}

/// Writes the failure again, changed.
fn edit(place: &Place, failure: &str, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_str(&place.read(failure)).unwrap();
    change(&mut json);
    place.write("edited.json", json.to_string());
}

fn digest_lines(ended: &Ended) -> String {
    ended.stdout.lines().filter(|line| line.starts_with("digest ")).collect()
}

#[test]
fn a_failure_replays_to_the_bit_and_tells_its_story() {
    let (place, failure) = failed();
    let recorded: Value = serde_json::from_str(&place.read(failure)).unwrap();
    let ended = place.squall(&["replay", failure]).exits(1);
    assert_eq!(
        digest_lines(&ended),
        format!("digest {}, as recorded", recorded["failure"]["digest"].as_str().unwrap())
    );
    let story = [
        "cut seed 3 on nats",
        "cut node-1 -> node-2,node-3,nats1,store",
        "mend node-1 -> node-2,node-3,nats1,store",
        "coordinator link: disconnected",
        "fail blocklist-converges: ",
        "pass no-panic: ",
    ];
    contains(&ended.stdout, &story);
}

#[test]
fn a_failure_file_needs_no_other_file() {
    let (place, failure) = failed();
    let elsewhere = Place::new();
    elsewhere.write("moved.json", place.read(failure));
    let ended = elsewhere.squall(&["replay", "moved.json"]).exits(1);
    contains(&digest_lines(&ended), &[", as recorded"]);
}

#[test]
fn a_replay_leaves_a_trace_when_asked() {
    let (place, failure) = failed();
    place.squall(&["replay", failure, "--trace", "packets.trace"]).exits(1);
    contains(&place.read("packets.trace"), &["PUB squall.cluster", "cut node-1"]);
}

#[test]
fn without_its_plan_an_edited_failure_no_longer_fails() {
    let (place, failure) = failed();
    edit(&place, failure, |json| json["failure"]["plan"] = Value::Array(Vec::new()));
    place.squall(&["replay", "edited.json"]).exits(2).complains(&["edited.json", "--edited"]);
    // That the scenario's faults never struck is for `faults-were-effective` to say.
    let ended = place.squall(&["replay", "--edited", "edited.json"]).exits(3);
    contains(
        &ended.stdout,
        &["unknown faults-were-effective: ", "pass blocklist-converges: ", "(recorded before the file was edited: "],
    );
}

#[test]
fn without_its_defect_an_edited_failure_passes() {
    let (place, failure) = failed();
    edit(&place, failure, |json| json["failure"]["defects"] = Value::Array(Vec::new()));
    place.squall(&["replay", "--edited", "edited.json"]).exits(0);
}

#[test]
fn an_edited_failure_that_names_no_host_of_its_scenario_is_refused() {
    let (place, failure) = failed();
    edit(&place, failure, |json| {
        json["failure"]["plan"][0]["fault"]["cut"]["from"][0] = Value::from("node-9");
    });
    let ended = place.squall(&["replay", "--edited", "edited.json"]);
    let code = ended.status.code();
    assert!(matches!(code, Some(1 | 2)), "{ended:?}");
    contains(&(ended.stdout + &ended.stderr), &["node-9"]);
}

#[test]
fn every_seed_has_a_failure_file_of_its_own() {
    let place = Place::with("cut.toml", CUT);
    place.squall(&["run", "cut.toml", "--seeds", "0..3", "--defect", "no-resync", "--jobs", "2"]).exits(1);
    let files = fs::read_dir(place.path("squall-out/failures")).unwrap();
    let mut names: Vec<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["cut-0-nats.json", "cut-1-nats.json", "cut-2-nats.json"]);
}

#[test]
fn a_planted_defect_that_nobody_catches_is_a_failure_that_replays_as_one() {
    let place = Place::with("toothless.toml", HEALTHY);
    let planted = "defect = \"no-resync\"\nexpect = { fail = \"blocklist-converges\" }\n\n[[workload]]";
    place.write("toothless.toml", HEALTHY.replace("[[workload]]", planted));
    let ended = place.squall(&["run", "toothless.toml", "--seed", "0"]).exits(1);
    contains(&ended.stdout, &["expected-failure: blocklist-converges should have failed"]);
    let ended = place.squall(&["replay", "squall-out/failures/toothless-0-nats.json"]).exits(1);
    contains(&ended.stdout, &["fail expected-failure: ", ", as recorded"]);
}
