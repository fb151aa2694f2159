//! Both sides of all scripts of a backend, and the differences.

use crate::document;
use crate::record::{Record, updating};
use crate::script::{Notes, Script};
use crate::server::{Programs, Server, Side};
use futures_util::StreamExt;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Scripts on stage at one time; most of their time they wait.
const STAGES: usize = 4;

/// A backend: how its servers are started, and what is played against them.
pub(crate) struct Backend {
    /// Its servers.
    pub(crate) programs: Programs,
    /// Its scripts, by file.
    pub(crate) scripts: &'static [&'static [Script]],
}

impl Backend {
    fn scripts(&self) -> impl Iterator<Item = &'static Script> {
        self.scripts.iter().copied().flatten()
    }
}

/// An entry of `differences.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explanation {
    backend: String,
    script: String,
    who: String,
    /// Why the sides differ, and why that changes nothing for the cluster.
    pub(crate) because: String,
}

#[derive(Deserialize)]
struct Explanations {
    difference: Vec<Explanation>,
}

/// What somebody saw on one side and not on the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) script: &'static str,
    pub(crate) who: String,
    pub(crate) simulated: Vec<String>,
    pub(crate) real: Vec<String>,
}

/// Plays all scripts of a backend on both sides; fails on a difference that nothing explains, and on an explanation
/// without its difference.
pub(crate) fn backend(backend: &Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let name = backend.programs.name;
    let simulated = runtime.block_on(play(backend, Side::Simulated));
    let recorded = Record::read(name);
    let real = match backend.programs.version() {
        Some(version) => {
            let script = runtime.block_on(play(backend, Side::Real));
            judge_record(name, &recorded, Record { version, script })
        }
        None => {
            eprintln!(
                "SKIPPED: the comparison with a live {} (get it by scripts/install-brokers); compared with what {} was \
                 recorded to do",
                backend.programs.real, recorded.version
            );
            recorded
        }
    };
    let scripts: Vec<&Script> = backend.scripts().collect();
    let differences = differences(&scripts, &simulated, &real.script);
    let explanations = explanations(name);
    let explained = judge(&differences, &explanations);
    document::judge(name, &real.version, &scripts, &explained);
}

/// Plays the scripts, some at a time.
async fn play(backend: &Backend, side: Side) -> BTreeMap<String, Notes> {
    let programs = backend.programs;
    let plays = backend.scripts().map(|script| async move {
        let server = Server::launch(programs, side, *script).await;
        (script.name, script.play(server).await)
    });
    let played: Vec<_> = futures_util::stream::iter(plays).buffer_unordered(STAGES).collect().await;
    let broken: Vec<String> =
        played.iter().filter_map(|(script, notes)| Some(format!("{script}: {}", notes.as_ref().err()?))).collect();
    assert!(broken.is_empty(), "scripts broke on the {side:?} {}:\n{}", programs.name, broken.join("\n"));
    played.into_iter().map(|(script, notes)| (script.to_owned(), notes.unwrap())).collect()
}

/// Keeps the record up to date, or says that it is not.
fn judge_record(name: &str, recorded: &Record, real: Record) -> Record {
    if updating() {
        real.write(name);
    } else if recorded.version == real.version {
        let changed: Vec<&String> = real
            .script
            .iter()
            .filter(|(script, notes)| recorded.script.get(*script) != Some(notes))
            .map(|(s, _)| s)
            .collect();
        for script in &changed {
            eprintln!("{script}: recorded {:#?}\nand now {:#?}", recorded.script.get(*script), real.script[*script]);
        }
        assert!(
            changed.is_empty(),
            "the real {name} no longer does what is recorded ({changed:?}); UPDATE_CONFORMANCE=1 records it"
        );
    } else {
        eprintln!("the record is of {}, and here is {}", recorded.version, real.version);
        return Record { version: recorded.version.clone(), ..real };
    }
    real
}

/// What differs, in the order of the scripts.
fn differences(
    scripts: &[&'static Script],
    simulated: &BTreeMap<String, Notes>,
    real: &BTreeMap<String, Notes>,
) -> Vec<Difference> {
    let mut found = Vec::new();
    let nothing = Notes::new();
    for script in scripts {
        let (simulated, real) = (&simulated[script.name], real.get(script.name).unwrap_or(&nothing));
        let mut who: Vec<&String> = simulated.keys().chain(real.keys()).collect();
        who.sort();
        who.dedup();
        for who in who {
            let seen = |notes: &Notes| notes.get(who).cloned().unwrap_or_default();
            let (simulated, real) = without_common_ends(seen(simulated), seen(real));
            if simulated != real {
                found.push(Difference { script: script.name, who: who.clone(), simulated, real });
            }
        }
    }
    found
}

/// Two lists without what both begin and end with.
fn without_common_ends(mut a: Vec<String>, mut b: Vec<String>) -> (Vec<String>, Vec<String>) {
    let start = a.iter().zip(&b).take_while(|(a, b)| a == b).count();
    a.drain(..start);
    b.drain(..start);
    while a.last().is_some() && a.last() == b.last() {
        a.pop();
        b.pop();
    }
    (a, b)
}

fn explanations(backend: &str) -> Vec<Explanation> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/differences.toml");
    let all: Explanations = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    all.difference.into_iter().filter(|entry| entry.backend == backend).collect()
}

/// Pairs each difference with its explanation.
fn judge(differences: &[Difference], explanations: &[Explanation]) -> Vec<(Difference, Explanation)> {
    let explains = |e: &Explanation, d: &Difference| e.script == d.script && e.who == d.who;
    let unexplained: Vec<&Difference> =
        differences.iter().filter(|d| !explanations.iter().any(|e| explains(e, d))).collect();
    assert!(
        unexplained.is_empty(),
        "differences that tests/conformance/differences.toml does not explain: {unexplained:#?}"
    );
    let stale: Vec<&Explanation> =
        explanations.iter().filter(|e| !differences.iter().any(|d| explains(e, d))).collect();
    assert!(stale.is_empty(), "explanations of differences that are gone: {stale:#?}");
    let explanation = |d: &Difference| explanations.iter().find(|e| explains(e, d)).unwrap().clone();
    differences.iter().map(|d| (d.clone(), explanation(d))).collect()
}

#[test]
fn a_difference_without_an_explanation_fails() {
    let difference = Difference { script: "s", who: "w".into(), simulated: vec!["a".into()], real: vec!["b".into()] };
    let caught = std::panic::catch_unwind(|| judge(&[difference], &[]));
    assert!(caught.is_err());
}

#[test]
fn only_what_differs_is_shown() {
    let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (a, b) = without_common_ends(list("1 2 3 4"), list("1 x y 4"));
    assert_eq!((a, b), (list("2 3"), list("x y")));
    let (a, b) = without_common_ends(list("1 1"), list("1 1 1"));
    assert_eq!((a, b), (vec![], list("1")));
}
