//! Memory and real time: a run beyond its limit is a failed run, and the others go on.

use crate::support::{ENDLESS, HEALTHY, Place, contains};
use serde_json::Value;

fn reason(object: &Value) -> &str {
    assert_eq!(object["verdict"], "fail", "{object}");
    object["checks"][0]["reason"].as_str().unwrap()
}

#[test]
fn every_seed_is_tried_although_none_has_enough_memory() {
    let place = Place::with("healthy.toml", HEALTHY);
    let args = ["run", "healthy.toml", "--seeds", "0..3", "--memory-limit", "16", "--format", "json"];
    let done = place.squall(&args).exits(1).objects();
    assert_eq!(done.len(), 3);
    for object in &done {
        contains(reason(object), &["16 MiB", "--memory-limit"]);
    }
}

#[test]
fn memory_that_runs_out_in_the_middle_of_a_run_is_told_likewise() {
    let place = Place::new();
    place.write("scenarios/a.toml", ENDLESS);
    place.write("scenarios/b.toml", HEALTHY);
    let args = ["run", "scenarios", "--seed", "0", "--memory-limit", "100", "--time-limit", "50", "--format", "json"];
    let done = place.squall(&args).exits(1).objects();
    assert_eq!(done.len(), 2);
    contains(reason(&done[0]), &["100 MiB", "--memory-limit"]);
    assert_eq!(done[1]["verdict"], "pass");
}

#[test]
fn a_run_that_takes_too_long_is_killed_and_the_others_go_on() {
    let place = Place::new();
    place.write("scenarios/a.toml", HEALTHY);
    place.write("scenarios/b.toml", ENDLESS);
    place.write("scenarios/c.toml", HEALTHY);
    let args = ["run", "scenarios", "--seed", "0", "--time-limit", "1", "--jobs", "2", "--format", "json"];
    let done = place.squall(&args).exits(1).objects();
    let verdicts: Vec<&Value> = done.iter().map(|object| &object["verdict"]).collect();
    assert_eq!(verdicts, ["pass", "fail", "pass"]);
    contains(reason(&done[1]), &["no verdict after 1 s of real time", "--time-limit"]);
}

#[test]
fn a_run_beyond_its_limits_is_reproduced_by_running_it_again() {
    let place = Place::with("endless.toml", ENDLESS);
    let ended = place.squall(&["run", "endless.toml", "--seed", "4", "--time-limit", "1"]).exits(1);
    contains(&ended.stdout, &["reproduce: squall run endless.toml --seed 4 --backend nats\n"]);
}
