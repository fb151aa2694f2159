//! A run in which time stands still ends with the name of the node that never let it pass.

use std::process::Command;

const SCENARIO: &str = r#"
title  = "The broker dies"
nodes  = 3
run    = "20s"
settle = "5s"

[[workload]]
block-ips = { rate = "1/s" }

[[fault]]
at = "5s"
kill = { servers = "brokers", restart-after = "5s" }

[[check]]
no-livelock = {}
"#;

#[test]
fn a_spinning_node_is_named() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("spin.toml"), SCENARIO).unwrap();
    let run = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(["run", "spin.toml", "--seed", "1", "--defect", "spin-while-disconnected"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stdout);
    assert_eq!(run.status.code(), Some(1), "{text}");
    assert!(text.contains("no-livelock: time stood still") && text.contains("the last one of node-"), "{text}");
}
