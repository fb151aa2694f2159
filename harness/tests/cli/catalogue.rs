//! The scenarios of this repository, and the defects that they plant.

use crate::support::{Call, contains, home};
use squall_cluster::defects::Defect;
use squall_harness::scenario::{ALWAYS_ON, CHECKERS, Scenario, load_all};
use std::collections::BTreeMap;

fn scenarios() -> Vec<Scenario> {
    load_all(&[home().join("scenarios")]).unwrap_or_else(|errors| panic!("{errors:?}"))
}

#[test]
fn every_scenario_says_what_it_claims_and_why() {
    for Scenario { name, title, why, .. } in scenarios() {
        assert!(title.len() > 20, "{name}: the title {title:?} is no claim");
        assert!(why.len() > 20, "{name}: {why:?} does not say why it matters");
    }
}

#[test]
fn no_two_scenarios_share_a_file_name() {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for scenario in scenarios() {
        let stem = scenario.name.rsplit('/').next().unwrap().to_owned();
        if let Some(other) = names.insert(stem, scenario.name.clone()) {
            panic!("{other} and {} have one file name", scenario.name);
        }
    }
}

#[test]
fn every_check_is_known_and_something_is_checked() {
    for Scenario { name, text, .. } in scenarios() {
        let table: toml::Table = toml::from_str(&text).unwrap();
        let checks =
            table.get("check").and_then(toml::Value::as_array).unwrap_or_else(|| panic!("{name} checks nothing"));
        for check in checks {
            let kinds: Vec<&String> = check.as_table().unwrap().keys().collect();
            assert!(matches!(kinds[..], [kind] if CHECKERS.contains(&kind.as_str())), "{name}: {kinds:?}");
        }
    }
    assert!(ALWAYS_ON.iter().all(|name| CHECKERS.contains(name)));
}

#[test]
fn every_defect_is_planted_where_its_checker_must_catch_it() {
    for defect in Defect::ALL {
        let planted: Vec<Scenario> = scenarios().into_iter().filter(|s| s.defect == Some(defect)).collect();
        assert!(!planted.is_empty(), "no scenario plants {}", defect.name());
        for Scenario { name, expected_failure, .. } in planted {
            assert!(name.starts_with("defects/"), "{name} plants {} outside scenarios/defects", defect.name());
            assert_eq!(expected_failure.as_deref(), Some(defect.expected_checker()), "{name}");
        }
    }
    for Scenario { name, defect, expected_failure, .. } in scenarios() {
        assert_eq!(
            defect.is_some(),
            expected_failure.is_some(),
            "{name}: a defect and an expected failure go together"
        );
        assert_eq!(defect.is_some(), name.starts_with("defects/"), "{name}");
    }
}

#[test]
fn a_planted_defect_counts_as_a_pass_when_it_is_caught() {
    let args = ["run", "scenarios/defects", "--seed", "0", "--format", "json", "--out"];
    let out = tempfile::tempdir().unwrap();
    let args = [&args[..], &[out.path().to_str().unwrap()]].concat();
    let ended = Call::new(&home(), &args).end();
    for object in ended.objects() {
        if object["scenario"] == "defects/ambient-entropy" {
            assert_eq!(object["verdict"], "pass", "one run cannot show that another differs: {object}");
            continue;
        }
        assert_eq!(object["checks"][0]["name"], "expected-failure", "{object}");
        let caught = object["checks"][0]["verdict"] == "pass";
        assert_eq!(object["verdict"] == "pass", caught, "{object}");
        if caught {
            contains(object["checks"][0]["reason"].as_str().unwrap(), &["caught the planted defect"]);
        }
    }
}
