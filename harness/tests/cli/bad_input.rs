//! Files that cannot be run: `run` and `check` say where, what was expected, and what to write instead.

use crate::support::{HEALTHY, Place, contains};
use std::fs::File;
use std::time::{Duration, Instant};

/// The complaint about this file, which `run` and `check` share.
fn complaint(name: &str, bytes: impl AsRef<[u8]>) -> String {
    let place = Place::new();
    place.write(name, bytes);
    let checked = place.squall(&["check", name]).exits(2);
    let run = place.squall(&["run", name, "--seed", "0"]).exits(2);
    assert_eq!((&run.stderr, run.stdout.as_str()), (&checked.stderr, ""));
    checked.stderr
}

/// The healthy scenario with one part replaced.
fn spoiled(part: &str, by: &str) -> String {
    assert!(HEALTHY.contains(part), "{part}");
    HEALTHY.replace(part, by)
}

#[test]
fn an_unknown_key_is_underlined_and_the_nearest_offered() {
    insta::assert_snapshot!(complaint("keys.toml", spoiled("settle = ", "setle = ")));
}

#[test]
fn a_quantity_without_its_unit_is_told_the_units() {
    insta::assert_snapshot!(complaint("unit.toml", spoiled("\"5s\"", "\"5 sec\"")));
}

#[test]
fn a_negative_time_is_not_a_time() {
    let text = complaint("negative.toml", spoiled("run = \"5s\"", "run = \"-5s\""));
    contains(&text, &["negative.toml:4:7", "-5s", "a number with a unit"]);
}

#[test]
fn a_node_that_does_not_exist_is_named() {
    let text = HEALTHY.replace("nodes = 3", "nodes = 5") + "\n[[fault]]\nat = \"2s\"\nkill = { nodes = [9] }\n";
    insta::assert_snapshot!(complaint("nodes.toml", text));
}

#[test]
fn an_empty_file_is_told_where_to_find_examples() {
    insta::assert_snapshot!(complaint("empty.toml", ""));
}

#[test]
fn a_file_that_is_not_utf_8_is_told_the_byte() {
    let text = complaint("latin.toml", b"title = \"caf\xe9\"\nnodes = 3\n");
    contains(&text, &["latin.toml:1:13", "not UTF-8", "0xe9", "save the file as UTF-8"]);
}

#[test]
fn ten_megabytes_of_noise_are_refused_at_once() {
    let mut state = 1_u32;
    let mut byte = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let noise: Vec<u8> = (0..10 << 20).map(|_| byte()).collect();
    let began = Instant::now();
    let text = complaint("noise.toml", noise);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    contains(&text, &["noise.toml:1:1", "larger than 1 MiB"]);
    assert!(text.len() < 1_000, "{text}");
}

#[test]
fn noise_of_bearable_size_does_not_reach_the_terminal() {
    let text = complaint("noise.toml", vec![0x1b_u8; 1 << 19]);
    contains(&text, &["noise.toml:1:"]);
    assert!(!text.contains('\x1b') && text.len() < 2_000, "{}", text.len());
}

#[test]
fn a_backend_of_another_build_is_not_silently_replaced() {
    let text = complaint("backend.toml", spoiled("nodes = 3", "nodes = 3\nbackends = [\"carrier-pigeon\"]"));
    contains(&text, &["backend.toml:4:13", "carrier-pigeon", "nats"]);
}

#[test]
fn an_unknown_checker_and_an_unknown_defect_get_the_nearest_name() {
    let text = complaint("check.toml", spoiled("blocklist-converges", "blocklist-converge"));
    contains(&text, &["check.toml:11:1", "did you mean `blocklist-converges`?"]);
    let text = complaint("defect.toml", spoiled("nodes = 3", "nodes = 3\ndefect = \"no-resink\""));
    contains(&text, &["defect.toml:4:10", "did you mean `no-resync`?"]);
}

#[test]
fn a_configuration_that_is_wrong_is_found_before_anything_runs() {
    let place = Place::with("scenario.toml", &spoiled("nodes = 3", "nodes = 3\nconfig = \"node.toml\""));
    place.squall(&["check", "scenario.toml"]).exits(2).complains(&["scenario.toml:4:10", "node.toml"]);
    place.write("node.toml", "[cluster]\nnode-id = \"one\"\n");
    let checked = place.squall(&["check", "scenario.toml"]).exits(2).complains(&["node.toml", "node-id"]);
    let run = place.squall(&["run", "scenario.toml", "--seed", "0"]).exits(2);
    assert_eq!(run.stderr, checked.stderr);
}

#[test]
fn every_broken_file_of_a_directory_is_reported() {
    let place = Place::with("scenarios/fine.toml", HEALTHY);
    place.write("scenarios/one.toml", "title = 1\n");
    place.write("scenarios/deep/two.toml", "");
    let ended = place.squall(&["check", "scenarios"]).exits(2);
    contains(&ended.stderr, &["scenarios/one.toml:1:9", "scenarios/deep/two.toml:1:1"]);
    assert!(!ended.stderr.contains("fine.toml"), "{}", ended.stderr);
}

#[test]
fn what_is_not_a_file_with_a_scenario_is_explained() {
    let place = Place::with("empty/readme.txt", "no scenario");
    place.squall(&["run", "missing.toml"]).exits(2).complains(&["missing.toml", "there is no such file"]);
    place.squall(&["run", "empty"]).exits(2).complains(&["empty", "no scenarios here", ".toml"]);
    place.squall(&["run", "/dev/zero"]).exits(2).complains(&["/dev/zero", "not a regular file"]);
}

#[test]
fn two_scenarios_of_one_name_would_overwrite_each_other() {
    let place = Place::with("one/healthy.toml", HEALTHY);
    place.write("two/healthy.toml", HEALTHY);
    let ended = place.squall(&["run", "one", "two"]).exits(2);
    contains(&ended.stderr, &["one/healthy.toml", "two/healthy.toml", "both called `healthy`"]);
}

#[test]
fn a_complaint_that_nobody_can_hear_is_still_an_exit_code() {
    let place = Place::with("empty.toml", "");
    assert!(File::options().write(true).open("/dev/full").is_ok(), "the test needs /dev/full");
    place.call(&["run", "empty.toml"]).stderr("/dev/full").end().exits(2);
    place.call(&["replay", "empty.toml"]).stderr("/dev/full").end().exits(2);
}
