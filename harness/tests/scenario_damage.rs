//! Damaged scenario files: they load or are refused with the place, and nothing panics.

use proptest::prelude::*;
use squall_harness::scenario::{Found, Resource, Resources, ScenarioError, load, parse};
use std::fs;

const EXAMPLE: &str = include_str!("scenario_example.toml");

struct Shelf;

impl Resources for Shelf {
    fn read(&self, kind: Resource, name: &str) -> Result<Found, String> {
        let text = match (kind, name) {
            (Resource::Profile, "lan") => include_str!("../../scenarios/profiles/lan.toml"),
            (Resource::Config, "configs/nats-documented.toml") => "[cluster]\nnode-id = 1\n",
            _ => return Err("there is no such file".to_owned()),
        };
        Ok(Found { file: name.to_owned(), text: text.to_owned() })
    }

    fn profiles(&self) -> Vec<String> {
        vec!["lan".to_owned()]
    }
}

fn graphical(error: &ScenarioError) -> String {
    let mut rendered = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_width(120)
        .render_report(&mut rendered, error)
        .expect("a string takes everything");
    rendered
}

/// Both renderings start their story with `FILE:LINE:COLUMN`.
fn names_place(error: &ScenarioError) -> bool {
    let place = format!("{}:{}:{}", error.file(), error.line(), error.column());
    let position = format!(":{}:{}", error.line(), error.column());
    error.line() > 0 && error.column() > 0 && error.plain().starts_with(&place) && graphical(error).contains(&position)
}

/// One way to damage a file.
#[derive(Clone, Debug)]
enum Damage {
    Flip(prop::sample::Index, u8),
    Delete(prop::sample::Index, usize),
    Duplicate(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
    Insert(prop::sample::Index, String),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        (place(), 1..=255_u8).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        (place(), 1..40_usize).prop_map(|(at, count)| Damage::Delete(at, count)),
        (place(), 1..80_usize).prop_map(|(at, count)| Damage::Duplicate(at, count)),
        place().prop_map(Damage::Truncate),
        (place(), "[\\[\\]{}=\"'.,#\\-0-9a-z\n é]{1,6}").prop_map(|(at, text)| Damage::Insert(at, text)),
    ]
}

fn damaged(damages: &[Damage]) -> Vec<u8> {
    let mut bytes = EXAMPLE.as_bytes().to_vec();
    for damage in damages {
        let size = bytes.len() + 1;
        match damage {
            Damage::Flip(at, bits) => {
                let at = at.index(size);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
            }
            Damage::Delete(at, count) => {
                let at = at.index(size);
                bytes.drain(at..(at + count).min(bytes.len()));
            }
            Damage::Duplicate(at, count) => {
                let at = at.index(size);
                let copy = bytes[at..(at + count).min(bytes.len())].to_vec();
                bytes.splice(at..at, copy);
            }
            Damage::Truncate(at) => bytes.truncate(at.index(size)),
            Damage::Insert(at, text) => {
                let at = at.index(size);
                bytes.splice(at..at, text.bytes());
            }
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn a_damaged_file_loads_or_is_refused_with_its_place(damages in prop::collection::vec(damage(), 1..4)) {
        let text = String::from_utf8_lossy(&damaged(&damages)).into_owned();
        if let Err(error) = parse("bad.toml", "bad", &text, &Shelf) {
            prop_assert!(names_place(&error), "{}", error.plain());
            // Beyond the end by at most the line that is missing.
            prop_assert!(error.file() != "bad.toml" || error.line() <= text.matches('\n').count() + 1);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn a_damaged_file_on_disk_never_panics(damages in prop::collection::vec(damage(), 1..4)) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("scenarios/x.toml");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, damaged(&damages)).unwrap();
        if let Err(error) = load(&path) {
            prop_assert!(names_place(&error), "{}", error.plain());
        }
    }
}
