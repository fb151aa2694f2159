//! The invariants of ARCHITECTURE.md that the crate graph can show.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

use cargo_metadata::{DependencyKind, MetadataCommand};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which crates of the workspace each of them may use in its product code.
const ALLOWED: [(&str, &[&str]); 10] = [
    ("squall-hook", &[]),
    ("squall-interpose", &[]),
    ("pnet_datalink", &["squall-hook"]),
    ("tokio", &["squall-hook"]),
    ("zenoh-runtime", &["squall-hook", "tokio"]),
    ("squall-sim", &["squall-hook", "squall-interpose", "tokio"]),
    ("squall-cluster", &["tokio"]),
    ("squall-reports", &[]),
    ("squall-harness", &["squall-cluster", "squall-interpose", "squall-reports", "squall-sim", "tokio"]),
    ("squall-benches", &["squall-harness", "squall-sim", "tokio"]),
];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().unwrap();
    let names: BTreeSet<String> = metadata.packages.iter().map(|p| p.name.to_string()).collect();
    let of = |package: &cargo_metadata::Package| {
        let normal = package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal);
        // The shim's own dependency on the real tokio has the same package name.
        let ours = normal.filter(|d| d.rename.as_deref() != Some("real_tokio") && names.contains(&d.name));
        ours.map(|d| d.name.clone()).collect()
    };
    metadata.packages.iter().map(|p| (p.name.to_string(), of(p))).collect()
}

#[test]
fn crates_depend_on_each_other_only_as_the_architecture_says() {
    let found = dependencies();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ALLOWED.iter().map(|(name, deps)| (*name, deps.iter().copied().collect())).collect();
    assert_eq!(
        found.keys().map(String::as_str).collect::<Vec<_>>(),
        allowed.keys().copied().collect::<Vec<_>>(),
        "a crate of the workspace is not in ARCHITECTURE.md's table, or the other way round"
    );
    for (name, deps) in &found {
        for dep in deps {
            assert!(allowed[name.as_str()].contains(dep.as_str()), "{name} must not depend on {dep}");
        }
    }
}

#[test]
fn unsafe_code_is_in_the_shims_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut offenders = Vec::new();
    for dir in ["cluster", "sim/src", "reports", "harness/src", "benches"] {
        visit(&root.join(dir), &mut |path, text| {
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            if code.into_iter().any(|line| line.contains("unsafe ") || line.contains("unsafe{")) {
                offenders.push(path.display().to_string());
            }
        });
    }
    assert!(offenders.is_empty(), "unsafe outside sim/shims: {offenders:?}");
}

#[test]
fn nothing_is_switched_off_by_allow() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let needle = ["#[al", "low("].concat();
    let mut offenders = Vec::new();
    for dir in ["cluster", "sim", "reports", "harness", "benches"] {
        visit(&root.join(dir), &mut |path, text| {
            if text.contains(&needle) {
                offenders.push(path.display().to_string());
            }
        });
    }
    assert!(offenders.is_empty(), "use #[expect(…, reason = …)] instead: {offenders:?}");
}

fn visit(dir: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, look);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
