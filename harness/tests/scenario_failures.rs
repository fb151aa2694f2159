//! Failure files: what was written is what is read, and nothing else passes for it.

use proptest::prelude::*;
use squall_harness::failure::{Failure, FailureError, RecordedScenario, Trust, read, write};
use squall_harness::scenario::{Backend, load};
use squall_reports::{Check, Digest, Verdict};
use squall_sim::fault::{Fault, PlannedFault};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

const SCENARIO: &str = "title = \"t\"\nnodes = 3\nrun = \"60s\"\nnetwork = \"odd\"\nconfig = \"configs/n.toml\"\n";

fn failure(dir: &Path) -> Failure {
    let root = dir.join("scenarios");
    for (path, text) in [
        ("fast/kill.toml", SCENARIO),
        ("profiles/odd.toml", include_str!("../../scenarios/profiles/wan.toml")),
        ("configs/n.toml", "[cluster]\nnode-id = 1\n"),
    ] {
        fs::create_dir_all(root.join(path).parent().expect("a fresh directory takes files"))
            .expect("a fresh directory takes files");
        fs::write(root.join(path), text).expect("a fresh directory takes files");
    }
    let scenario = load(&root.join("fast/kill.toml")).expect("a fresh directory takes files");
    Failure {
        squall: "0.1.0".into(),
        build: "abc123".into(),
        scenario: RecordedScenario::of(&scenario),
        seed: u64::MAX,
        backend: Backend::Nats,
        defects: vec!["no-resync".into()],
        digest: Digest(0xfeed),
        checks: vec![Check {
            name: "no-lost-block".into(),
            verdict: Verdict::Fail,
            reason: "lost".into(),
            evidence: vec!["1.5s node-1 blocked 203.0.113.9".into()],
        }],
        plan: vec![PlannedFault {
            at_ns: 5,
            entry: 0,
            undo: false,
            fault: Fault::Cut { from: vec!["node-1".into()], to: vec!["store".into()] },
        }],
    }
}

fn written() -> (tempfile::TempDir, Failure, PathBuf) {
    let dir = tempfile::tempdir().expect("a fresh directory takes files");
    let failure = failure(dir.path());
    let path = write(&dir.path().join("out"), &failure).expect("a fresh directory takes files");
    (dir, failure, path)
}

#[test]
fn what_was_written_is_what_is_read() {
    let (_dir, failure, path) = written();
    assert_eq!(path.file_name().unwrap(), "fast.kill-18446744073709551615-nats.json");
    assert_eq!(read(&path, Trust::Untouched).unwrap(), failure);
}

#[test]
fn the_scenario_comes_back_without_the_files_it_came_from() {
    let (dir, _, path) = written();
    fs::remove_dir_all(dir.path().join("scenarios")).unwrap();
    let scenario = read(&path, Trust::Untouched).unwrap().scenario.load().unwrap();
    assert_eq!(scenario.name, "fast/kill");
    assert_eq!(scenario.network.name.as_deref(), Some("odd"));
    assert_eq!(scenario.configs.files().next().unwrap().text, "[cluster]\nnode-id = 1\n");
}

#[test]
fn an_edited_plan_is_run_when_that_is_asked_for() {
    let (_dir, _, path) = written();
    let text = fs::read_to_string(&path).unwrap().replace("\"at_ns\": 5", "\"at_ns\": 9");
    fs::write(&path, text).unwrap();
    assert!(matches!(read(&path, Trust::Untouched), Err(FailureError::Tampered { .. })));
    assert_eq!(read(&path, Trust::Edited).unwrap().plan[0].at_ns, 9);
}

#[test]
fn white_space_is_not_an_edit() {
    let (_dir, failure, path) = written();
    let text = fs::read_to_string(&path).unwrap().replace('\n', "\r\n\t");
    fs::write(&path, text).unwrap();
    assert_eq!(read(&path, Trust::Untouched).unwrap(), failure);
}

#[test]
fn every_way_in_which_a_file_can_be_wrong_is_explained() {
    let (dir, _, path) = written();
    let good = fs::read_to_string(&path).unwrap();
    let cases = [
        ("empty", String::new()),
        ("truncated", good[..good.len() / 2].to_owned()),
        ("not JSON", "title = \"a scenario\"".to_owned()),
        ("other JSON", "{\"a\": 1}".to_owned()),
        ("later format", good.replace("\"format\": 2", "\"format\": 3")),
        ("tampered digest", good.replace("000000000000feed", "000000000000beef")),
        ("tampered seed", good.replace("18446744073709551615", "7")),
        ("unknown key", good.replace("\"build\"", "\"buidl\"")),
        ("unknown fault", good.replace("\"cut\"", "\"cat\"")),
        ("bad digest", good.replace("000000000000feed", "feed")),
    ];
    let mut told = String::new();
    let bad = dir.path().join("bad.json");
    for (name, text) in cases {
        fs::write(&bad, text).unwrap();
        let error = read(&bad, Trust::Untouched).expect_err(name);
        told.push_str(&format!("# {name}\n{error}\n\n"));
    }
    fs::remove_file(&bad).unwrap();
    told.push_str(&format!("# missing\n{}\n\n", read(&bad, Trust::Untouched).unwrap_err()));
    told.push_str(&format!("# directory\n{}\n", read(dir.path(), Trust::Untouched).unwrap_err()));
    insta::assert_snapshot!(told.replace(&*dir.path().to_string_lossy(), "DIR"));
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let failure = failure(dir.path());
    fs::write(dir.path().join("file"), "").unwrap();
    let error = write(&dir.path().join("file"), &failure).unwrap_err().to_string();
    assert!(error.starts_with("cannot write") && error.contains("fast.kill"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn no_damage_goes_unnoticed(at: prop::sample::Index, bits in 1..=255_u8, cut: bool) {
        let (failure, bytes) = &*WRITTEN;
        let mut bytes = bytes.clone();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= bits }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("damaged.json");
        fs::write(&path, &bytes).unwrap();
        // White space may change; the content may not.
        if let Ok(read) = read(&path, Trust::Untouched) {
            prop_assert_eq!(&read, failure);
        }
        // With the checksum ignored, damage must still not panic.
        let _ = read(&path, Trust::Edited);
    }
}

/// A failure and its file, written once: syncing a file for each case would take seconds.
static WRITTEN: LazyLock<(Failure, Vec<u8>)> = LazyLock::new(|| {
    let (_dir, failure, path) = written();
    let bytes = fs::read(path).expect("it was just written");
    (failure, bytes)
});
