//! `squall verify`

use crate::support::{CUT, HEALTHY, Place, contains};

#[test]
fn runs_repeat_in_another_process_and_environment() {
    let place = Place::new();
    place.write("scenarios/cut.toml", CUT);
    place.write("scenarios/healthy.toml", HEALTHY);
    let ended = place.squall(&["verify", "scenarios", "--seeds", "0..5"]).exits(0);
    contains(&ended.stdout, &["10 runs, each done twice in separate processes: 0 differences"]);
    assert!(!place.path("squall-out").exists(), "verify leaves nothing behind");
}

#[test]
fn runs_that_fail_their_checks_repeat_too() {
    let place = Place::with("cut.toml", CUT);
    let ended = place.squall(&["verify", "cut.toml", "--seeds", "0..2", "--defect", "no-resync"]).exits(0);
    contains(&ended.stdout, &["0 differences (0 of the runs pass their checks)"]);
}

#[test]
fn entropy_from_outside_is_found_and_its_first_event_named() {
    let place = Place::with("healthy.toml", HEALTHY);
    let args = ["verify", "healthy.toml", "--seeds", "0..2", "--defect", "ambient-entropy"];
    let ended = place.squall(&args).exits(4);
    contains(&ended.stdout, &["2 runs, each done twice in separate processes: 2 differences"]);
    contains(&ended.stdout, &["healthy seed 0 on nats: digests ", "the first event that diverges is number "]);
    let event = |kind: &str| ended.stdout.lines().find(|line| line.trim_start().starts_with(kind)).unwrap();
    let (one, other) = (event("one "), event("other "));
    assert!(one.contains("node-") && other.contains("node-"), "{one}\n{other}");
    assert_ne!(one.trim_start_matches(" one"), other.trim_start_matches(" other"));
}

#[test]
fn a_second_process_that_is_refused_the_input_is_not_needed_to_say_so() {
    let place = Place::with("bad.toml", "title = \"t\"\n");
    let ended = place.squall(&["verify", "bad.toml"]).exits(2);
    assert_eq!(ended.stderr.matches("× bad.toml:").count(), 1, "{}", ended.stderr);
}
