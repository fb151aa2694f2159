//! Failure files that something happened to: each is named, with what to do.

use crate::failing::failed;
use crate::support::Place;

fn refused(text: impl AsRef<[u8]>, words: &[&str]) {
    let place = Place::new();
    place.write("broken.json", text);
    let ended =
        place.squall(&["replay", "broken.json"]).exits(2).complains(&["error: ", "broken.json"]).complains(words);
    assert_eq!(ended.stdout, "", "nothing was run");
}

#[test]
fn a_truncated_file_is_refused_wherever_it_ends() {
    let (place, failure) = failed();
    let text = place.read(failure);
    for share in [10, 50, 90] {
        refused(&text[..text.len() * share / 100], &["truncated", "copy it again"]);
    }
}

#[test]
fn one_changed_byte_of_the_plan_is_noticed() {
    let (place, failure) = failed();
    let text = place.read(failure);
    assert!(text.contains("\"at_ns\": 2000000000,"), "{text}");
    refused(text.replacen("\"at_ns\": 2000000000,", "\"at_ns\": 2000000001,", 1), &["changed", "pass --edited"]);
}

#[test]
fn a_file_that_was_only_laid_out_anew_is_what_it_was() {
    let (place, failure) = failed();
    let json: serde_json::Value = serde_json::from_str(&place.read(failure)).unwrap();
    place.write("compact.json", json.to_string());
    place.squall(&["replay", "compact.json"]).exits(1);
}

#[test]
fn another_format_is_refused_although_the_rest_would_do() {
    let (place, failure) = failed();
    let text = place.read(failure);
    assert!(text.contains("\"format\": 2,"), "{text}");
    refused(text.replacen("\"format\": 2,", "\"format\": 1,", 1), &["format 1", "format 2"]);
}

#[test]
fn what_is_no_failure_file_is_refused() {
    refused("title = \"a scenario\"\n", &["not a failure file", "squall run"]);
    refused("{}", &["not a failure file", "format"]);
    refused("[1, 2]", &["not a failure file"]);
    refused("", &["truncated", "line 1"]);
    refused([0xff, 0xfe, 0x00], &["not a failure file"]);
    refused(vec![b'['; 1 << 20], &["not a failure file"]);
}

#[test]
fn what_cannot_be_read_is_refused() {
    let place = Place::with("dir/file", "");
    place.squall(&["replay", "missing.json"]).exits(2).complains(&["missing.json", "no such file", "squall run"]);
    place.squall(&["replay", "dir"]).exits(2).complains(&["dir", "not a regular file", "squall run"]);
    place.squall(&["replay", "/dev/zero"]).exits(2).complains(&["/dev/zero", "not a regular file"]);
}

#[test]
fn a_scenario_that_this_build_does_not_accept_is_refused_with_its_place() {
    let (place, failure) = failed();
    let mut json: serde_json::Value = serde_json::from_str(&place.read(failure)).unwrap();
    json["failure"]["scenario"]["text"] = "title = \"t\"\nnodes = 3\nrun = \"5 parsecs\"\n".into();
    place.write("edited.json", json.to_string());
    place.squall(&["replay", "--edited", "edited.json"]).exits(2).complains(&["cut.toml:3:7", "5 parsecs"]);
}

#[test]
fn a_defect_that_this_build_does_not_know_is_refused() {
    let (place, failure) = failed();
    let mut json: serde_json::Value = serde_json::from_str(&place.read(failure)).unwrap();
    json["failure"]["defects"][0] = "no-resink".into();
    place.write("edited.json", json.to_string());
    place
        .squall(&["replay", "--edited", "edited.json"])
        .exits(2)
        .complains(&["edited.json", "did you mean `no-resync`"]);
}
