//! Everything that does not simulate: list, check, schema, defects, help.

use crate::support::{Call, HEALTHY, Place, contains, home};
use serde_json::Value;
use squall_cluster::defects::Defect;
use std::fs;

const COMMANDS: [&str; 9] = ["run", "replay", "verify", "list", "check", "schema", "defects", "compare", "serve"];

#[test]
fn list_says_what_each_scenario_claims() {
    let place =
        Place::with("scenarios/fast/healthy.toml", &HEALTHY.replace("nodes = 3", "nodes = 3\ntags = [\"tiny\"]"));
    let ended = place.squall(&["list"]).exits(0);
    contains(&ended.stdout, &["fast/healthy     3 nodes     8 s  nats        Three nodes agree", "tags: tiny"]);
    assert!(!ended.stdout.contains("The smallest world."), "{}", ended.stdout);
    contains(&place.squall(&["list", "--why"]).exits(0).stdout, &["why: The smallest world."]);
}

#[test]
fn list_knows_every_scenario_of_this_repository() {
    let listed = Call::new(&home(), &["list"]).end().exits(0).stdout;
    contains(&listed, &["fast/partition-minority ", "defects/no-resync ", "bench/nats-1024 "]);
    assert!(!listed.contains("profiles/") && !listed.contains("configs/"), "{listed}");
}

#[test]
fn check_accepts_the_scenarios_of_this_repository() {
    let checked = Call::new(&home(), &["check", "scenarios"]).end().exits(0);
    let (count, words) = checked.stdout.trim_end().split_once(' ').unwrap();
    assert_eq!(words, "scenarios are fine");
    let listed = Call::new(&home(), &["list"]).end().exits(0).stdout;
    let titles = listed.lines().filter(|line| line.contains(" nodes ")).count();
    assert_eq!(count.parse(), Ok(titles));
}

/// What a reference in the schema stands for.
fn resolved<'a>(root: &'a Value, mut schema: &'a Value) -> &'a Value {
    while let Some(reference) = schema["$ref"].as_str() {
        schema = root.pointer(reference.trim_start_matches('#')).unwrap_or_else(|| panic!("{reference} leads nowhere"));
    }
    schema
}

/// Where a value has a key or a type that the schema does not know.
fn strangers(root: &Value, schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let schema = resolved(root, schema);
    let choices = ["anyOf", "oneOf"].iter().find_map(|key| schema[key].as_array());
    if let Some(choices) = choices {
        let each = choices.iter().map(|choice| strangers(root, choice, value, path));
        return each.min_by_key(Vec::len).unwrap_or_default();
    }
    let fits = |kind: &Value| match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        other => panic!("{path}: the schema has the type {other:?}"),
    };
    let fits = match &schema["type"] {
        Value::Null => true,
        Value::Array(kinds) => kinds.iter().any(fits),
        kind => fits(kind),
    };
    if !fits {
        return vec![format!("{path}: {value} is not of type {}", schema["type"])];
    }
    if let Some(allowed) = schema["enum"].as_array() {
        return if allowed.contains(value) {
            Vec::new()
        } else {
            vec![format!("{path}: {value} is none of {allowed:?}")]
        };
    }
    match value {
        Value::Object(entries) => entries
            .iter()
            .flat_map(|(key, value)| match schema["properties"].get(key) {
                Some(schema) => strangers(root, schema, value, &format!("{path}.{key}")),
                None => vec![format!("{path}.{key} is unknown")],
            })
            .collect(),
        Value::Array(items) => {
            items.iter().flat_map(|item| strangers(root, &schema["items"], item, &format!("{path}[]"))).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn the_schema_knows_every_key_of_every_scenario_of_this_repository() {
    let schema: Value = serde_json::from_str(&Place::new().squall(&["schema"]).exits(0).stdout).unwrap();
    let scenarios = squall_harness::scenario::load_all(&[home().join("scenarios")]).unwrap();
    assert!(scenarios.len() > 20, "{}", scenarios.len());
    for scenario in scenarios {
        let value: Value = toml::from_str(&scenario.text).unwrap();
        assert_eq!(strangers(&schema, &schema, &value, &scenario.name), Vec::<String>::new());
        for required in schema["required"].as_array().unwrap() {
            assert!(value.get(required.as_str().unwrap()).is_some(), "{}: no {required}", scenario.name);
        }
    }
    // The walk itself must be able to find something.
    let wrong = serde_json::json!({ "title": 1, "fault": [{ "kill": { "nods": [1] } }], "colour": "red" });
    assert_eq!(strangers(&schema, &schema, &wrong, "x").len(), 3);
}

#[test]
fn the_schema_of_reports_knows_every_key_of_a_report() {
    let place = Place::with("healthy.toml", HEALTHY);
    let schema: Value = serde_json::from_str(&place.squall(&["schema", "report"]).exits(0).stdout).unwrap();
    let report = place.squall(&["run", "healthy.toml", "--seed", "0", "--format", "json"]).exits(0).objects().remove(0);
    assert_eq!(strangers(&schema, &schema, &report, "report"), Vec::<String>::new());
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&schema["properties"]), keys(&report));
}

#[test]
fn defects_lists_the_catalogue() {
    let listed = Place::new().squall(&["defects", "--list"]).exits(0).stdout;
    assert_eq!(listed.lines().count(), Defect::ALL.len());
    for (line, defect) in listed.lines().zip(Defect::ALL) {
        let mut words = line.split_whitespace();
        assert_eq!((words.next(), words.next()), (Some(defect.name()), Some(defect.expected_checker())));
        assert!(line.ends_with(defect.summary()), "{line}");
    }
}

#[test]
fn a_planted_defect_is_hunted_down() {
    let place = Place::new();
    for name in ["no-resync", "unblock-not-announced"] {
        let file = home().join(format!("scenarios/defects/{name}.toml"));
        place.write(&format!("planted/{name}.toml"), fs::read(file).unwrap());
    }
    let args = ["defects", "planted", "--seeds", "0..10", "--format", "json"];
    // The others are not planted here, so not every defect is caught.
    let found = place.squall(&args).exits(1).objects();
    let of = |name: &str| found.iter().find(|object| object["defect"] == name).unwrap();
    assert_eq!(of("no-resync")["caught_by"], "blocklist-converges");
    assert_eq!(of("unblock-not-announced")["caught_by"], "no-resurrected-block");
    assert!(of("no-resync")["seeds_to_detect_p50"].as_u64().unwrap() <= 10);
    assert_eq!(of("ambient-entropy")["caught_by"], Value::Null);
    let fields = ["caught_by", "defect", "expected_checker", "seeds_to_detect_p50", "seeds_to_detect_p90"];
    assert_eq!(of("no-resync").as_object().unwrap().keys().collect::<Vec<_>>(), fields);
}

#[test]
fn help_is_short_and_complete() {
    insta::assert_snapshot!(Place::new().squall(&["--help"]).exits(0).stdout);
    contains(&Place::new().squall(&["--version"]).exits(0).stdout, &["squall ", env!("CARGO_PKG_VERSION")]);
}

#[test]
fn every_option_of_every_command_is_described() {
    for command in COMMANDS {
        let help = Place::new().squall(&[command, "--help"]).exits(0).stdout;
        assert!(!help.starts_with("Usage:"), "squall {command} has no description:\n{help}");
        let lines: Vec<&str> = help.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let words = line.trim_start();
            if !line.starts_with("  ")
                || !(words.starts_with("--") || words.starts_with("-h") || words.starts_with('<'))
            {
                continue;
            }
            // Beside it after two spaces, or on the next line.
            let beside = words.contains("  ");
            let below =
                lines.get(index + 1).is_some_and(|next| next.starts_with("          ") && !next.trim().is_empty());
            assert!(beside || below, "squall {command}: `{words}` has no description:\n{help}");
        }
        let named = Call::new(&home(), &["help", command]).end().exits(0).stdout;
        assert_eq!(named, help);
    }
}
