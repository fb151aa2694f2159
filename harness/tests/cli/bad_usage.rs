//! Arguments that make no sense: exit code 2, what was expected, and nothing was run.

use crate::support::{HEALTHY, Place};

fn refused(args: &[&str], words: &[&str]) -> String {
    let place = Place::with("healthy.toml", HEALTHY);
    let ended = place.squall(args).exits(2).complains(words);
    assert_eq!(ended.stdout, "", "nothing was run");
    ended.stderr
}

#[test]
fn a_range_that_is_none_is_explained() {
    let run = |seeds| refused(&["run", "healthy.toml", "--seeds", seeds], &["--seeds", seeds]);
    for empty in ["5..5", "9..3"] {
        assert!(run(empty).contains("holds no seed; write the smaller number first"));
    }
    for odd in ["a..b", "1", "1..", "..", "0..=5", "0..18446744073709551616"] {
        assert!(run(odd).contains("expected two numbers such as `0..100`"));
    }
}

#[test]
fn the_largest_seed_is_refused_instead_of_running_nothing() {
    refused(&["run", "healthy.toml", "--seed", "18446744073709551615"], &["--seed"]);
    Place::with("healthy.toml", HEALTHY).squall(&["run", "healthy.toml", "--seed", "18446744073709551614"]).exits(0);
}

#[test]
fn one_seed_and_a_range_contradict_each_other() {
    refused(&["run", "healthy.toml", "--seed", "1", "--seeds", "0..3"], &["--seed", "cannot be used with"]);
}

#[test]
fn a_trace_takes_a_single_run() {
    refused(
        &["run", "healthy.toml", "--seeds", "0..3", "--trace", "t"],
        &["--trace takes a single run, and this is 3"],
    );
}

#[test]
fn an_unknown_defect_gets_the_nearest_name() {
    refused(&["run", "healthy.toml", "--defect", "no-resink"], &["did you mean `no-resync`?", "squall defects --list"]);
}

#[test]
fn an_unknown_backend_gets_those_of_this_build() {
    refused(&["run", "healthy.toml", "--backend", "carrier-pigeon"], &["carrier-pigeon", "this build has", "nats"]);
}

#[test]
fn limits_that_nothing_can_keep_are_refused() {
    refused(&["run", "healthy.toml", "--jobs", "0"], &["--jobs", "1..=512"]);
    refused(&["run", "healthy.toml", "--jobs", "100000"], &["--jobs", "1..=512"]);
    for limit in ["--memory-limit", "--time-limit"] {
        for value in ["0", "18446744073709551615", "many"] {
            refused(&["run", "healthy.toml", limit, value], &[limit, value]);
        }
    }
}

#[test]
fn no_arguments_show_what_there_is() {
    refused(&[], &["Usage: squall <COMMAND>", "replay", "verify"]);
    for command in ["run", "replay", "verify", "check"] {
        refused(&[command], &["required", "Usage: squall"]);
    }
}

#[test]
fn an_unknown_command_gets_the_nearest_name() {
    refused(&["reply"], &["unrecognized subcommand 'reply'", "replay"]);
}

#[test]
fn a_place_for_results_that_is_none_is_refused_before_anything_runs() {
    refused(&["run", "healthy.toml", "--out", "healthy.toml"], &["healthy.toml/results.jsonl", "--out"]);
    refused(&["run", "healthy.toml", "--junit", "/dev/full/x.xml"], &["/dev/full/x.xml", "cannot write"]);
}
