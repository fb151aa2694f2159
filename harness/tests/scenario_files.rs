//! Scenario files: what loads, and what an author is told when one does not.

use squall_harness::nemesis::When;
use squall_harness::scenario::{
    Backend, CheckSpec, Found, Resource, Resources, Scenario, ScenarioError, WorkloadSpec, load, load_all, parse,
    schema,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const EXAMPLE: &str = include_str!("scenario_example.toml");

/// The smallest scenario; cases append to it.
const BASE: &str = "title = \"t\"\nnodes = 5\nrun = \"60s\"\n";

struct Shelf;

impl Resources for Shelf {
    fn read(&self, kind: Resource, name: &str) -> Result<Found, String> {
        let (file, text) = match (kind, name) {
            (Resource::Profile, "lan") => ("profiles/lan.toml", include_str!("../../scenarios/profiles/lan.toml")),
            (Resource::Profile, "crooked") => {
                ("profiles/crooked.toml", "latency = { min = \"2ms\", median = \"1ms\", p99 = \"3ms\", max = \"4ms\" }")
            }
            (Resource::Config, "configs/nats-documented.toml") => (name, "[cluster]\nnode-id = 1\n"),
            _ => return Err("there is no such file".to_owned()),
        };
        Ok(Found { file: file.to_owned(), text: text.to_owned() })
    }

    fn profiles(&self) -> Vec<String> {
        ["crooked", "lan", "lossy", "wan"].map(str::to_owned).to_vec()
    }
}

fn parsed(text: &str) -> Result<Scenario, ScenarioError> {
    parse("bad.toml", "bad", text, &Shelf)
}

fn graphical(error: &ScenarioError) -> String {
    let mut rendered = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::unicode_nocolor())
        .with_width(120)
        .render_report(&mut rendered, error)
        .expect("a string takes everything");
    rendered
}

#[test]
fn the_documented_example_loads() {
    let scenario = parsed(EXAMPLE).unwrap_or_else(|error| panic!("{}", error.plain()));
    assert_eq!((scenario.nodes, scenario.run, scenario.settle), (5, Duration::from_secs(60), Duration::from_secs(20)));
    assert_eq!(scenario.backends, [Backend::Nats]);
    assert_eq!((scenario.node_id(5), scenario.node_id(4)), (3, 4));
    assert_eq!((scenario.skew_ns(5), scenario.skew_ns(4)), (-250_000_000, 0));
    assert_eq!(scenario.configs.of(Backend::Nats).unwrap().path, "configs/nats-documented.toml");
    assert!(scenario.network.text.is_some());
    let [WorkloadSpec::BlockIps(blocks)] = scenario.workloads.as_slice() else { panic!("{:?}", scenario.workloads) };
    assert_eq!((blocks.rate_per_s, blocks.expiry), (2.0, Some(Duration::from_secs(600))));
    assert_eq!((blocks.from, blocks.until), (Duration::ZERO, Duration::from_secs(60)));
    assert_eq!(scenario.faults[0].when, When::At(Duration::from_secs(10)));
    assert_eq!(scenario.faults[1].kind, "kill");
    assert_eq!(
        scenario.checks,
        [
            CheckSpec::BlocklistConverges { within: Duration::from_secs(5) },
            CheckSpec::FanOut { p50: None, p99: Some(Duration::from_millis(50)), last_p99: None },
        ]
    );
}

#[test]
fn the_smallest_scenario_has_the_documented_defaults() {
    let scenario = parsed(BASE).unwrap();
    assert_eq!(scenario.backends, [Backend::Nats]);
    assert_eq!(scenario.settle, Duration::from_secs(20));
    assert_eq!(scenario.network.name.as_deref(), Some("lan"));
}

#[test]
fn every_kind_of_fault_has_an_example_that_loads() {
    let examples = [
        r#"partition = { pattern = "halves", heal-after = "5s" }"#,
        r#"partition = { pick = 2, from = "brokers", direction = "outbound" }"#,
        r#"hold = { side = [1], release-after = "5s" }"#,
        r#"loss = { ratio = 0.1, for = "10s" }"#,
        r#"slow-link = { side = [1, 2], extra = "200ms", for = "10s" }"#,
        r#"bandwidth = { limit = "1MB/s", for = "10s" }"#,
        r#"reset = { pick = 1, from = "brokers" }"#,
        r#"kill = { servers = "brokers", restart-after = "2s" }"#,
        r#"power-loss = { nodes = [3], restart-after = "10s" }"#,
        r#"pause = { pick = 1, resume-after = "8s" }"#,
        r#"skew = { pick = 1, offset = "-5m", for = "20s" }"#,
        r#"clock-jump = { nodes = [2], by = "+1h" }"#,
        r#"store-slow = { per-statement = "200ms", for = "10s" }"#,
        r#"store-serialization = { count = 3, at = "commit" }"#,
        r#"store-die = { point = "after", restart-after = "2s" }"#,
        r#"lame-duck = { restart-after = "5s" }"#,
    ];
    for example in examples {
        let text = format!("{BASE}[[fault]]\nat = \"1s\"\n{example}\n");
        assert!(parsed(&text).is_ok(), "{example}: {}", parsed(&text).unwrap_err().plain());
    }
    for kind in squall_harness::nemesis::FAULTS {
        assert!(examples.iter().any(|example| example.starts_with(&format!("{kind} "))), "{kind} has no example");
    }
}

/// What goes wrong in a scenario's text, by name.
const MISTAKES: &[(&str, &str)] = &[
    ("syntax: unclosed string", "title = \"t"),
    ("syntax: no value", "title = "),
    ("duplicate key", "title = \"t\"\ntitle = \"u\""),
    ("empty file", " \n"),
    ("missing key", "title = \"t\"\nrun = \"1s\""),
    ("unknown key", "title = \"t\"\nnods = 5"),
    ("unknown table", "title = \"t\"\nnodes = 5\nrun = \"1s\"\n[[fautl]]\nat = \"1s\""),
    ("wrong type", "title = \"t\"\nnodes = \"five\""),
    ("table where a list is due", "title = \"t\"\nnodes = 5\nrun = \"1s\"\n[fault]\nat = \"1s\""),
    ("no nodes", "title = \"t\"\nnodes = 0\nrun = \"1s\""),
    ("negative nodes", "title = \"t\"\nnodes = -5\nrun = \"1s\""),
    ("empty title", "title = \" \"\nnodes = 5\nrun = \"1s\""),
    ("time without unit", "title = \"t\"\nnodes = 5\nrun = \"60\""),
    ("time as number", "title = \"t\"\nnodes = 5\nrun = 60"),
    ("negative time", "title = \"t\"\nnodes = 5\nrun = \"-60s\""),
    ("time overflow", "title = \"t\"\nnodes = 5\nrun = \"9999999d\""),
    ("no time", "title = \"t\"\nnodes = 5\nrun = \"0s\""),
];

/// The same below [`BASE`].
const MISTAKES_BELOW: &[(&str, &str)] = &[
    ("unknown backend", "backends = [\"natz\"]"),
    (
        "backend without its configuration",
        "backends = [\"nats\", \"kafka\"]\nconfig = { nats = \"configs/nats-documented.toml\" }",
    ),
    ("configurations of no backend", "config = {}"),
    ("configuration of an unknown backend", "config = { natz = \"configs/nats-documented.toml\" }"),
    ("configuration of a wrong type", "config = 3"),
    ("no brokers", "brokers = 0"),
    ("too many brokers", "brokers = 100"),
    ("backend twice", "backends = [\"nats\", \"nats\"]"),
    ("no backend", "backends = []"),
    ("unknown profile", "network = \"lam\""),
    ("profile path", "network = \"../lan\""),
    ("profile of a wrong type", "network = 3"),
    ("profile with a mistake of its own", "network = \"crooked\""),
    ("inline network without latency", "network = { loss = 0.1 }"),
    (
        "fraction above 1",
        "network = { loss = 20, latency = { min = \"1ms\", median = \"1ms\", p99 = \"1ms\", max = \"1ms\" } }",
    ),
    ("missing configuration", "config = \"configs/none.toml\""),
    ("unknown defect", "defect = \"no-resinc\""),
    ("unknown checker", "expect = { fail = \"blocklist-converge\" }"),
    ("bad tag", "tags = [\"Fast one\"]"),
    ("node override out of range", "[[node]]\nindex = 6\nid = 1"),
    ("node override of nothing", "[[node]]\nindex = 1"),
    ("node id 0", "[[node]]\nindex = 1\nid = 0"),
    ("node override twice", "[[node]]\nindex = 1\nid = 2\n[[node]]\nindex = 1\nid = 3"),
    ("workload without kind", "[[workload]]"),
    ("unknown workload", "[[workload]]\nblock-ip = { rate = \"2/s\" }"),
    ("bad rate", "[[workload]]\nblock-ips = { rate = \"2\" }"),
    ("rate as number", "[[workload]]\nblock-ips = { rate = 2 }"),
    ("workload window", "[[workload]]\nblock-ips = { rate = \"2/s\", from = \"20s\", until = \"10s\" }"),
    ("fault without kind", "[[fault]]\nat = \"1s\""),
    ("fault with two kinds", "[[fault]]\nat = \"1s\"\nkill = { pick = 1 }\npause = { pick = 1 }"),
    ("unknown fault", "[[fault]]\nat = \"1s\"\npartitoin = { side = [1] }"),
    ("fault without time", "[[fault]]\nkill = { pick = 1 }"),
    ("fault with two times", "[[fault]]\nat = \"1s\"\nevery = \"1s\"\nkill = { pick = 1 }"),
    ("fault after the end", "[[fault]]\nat = \"60s\"\nkill = { pick = 1 }"),
    ("window of a fixed fault", "[[fault]]\nat = \"1s\"\nuntil = \"2s\"\nkill = { pick = 1 }"),
    ("policy longer than its time", "[[fault]]\nevery = \"70s\"\nkill = { pick = 1 }"),
    ("policy too often", "[[fault]]\nevery = \"1ns\"\nkill = { pick = 1 }"),
    ("node 9 of 5", "[[fault]]\nat = \"1s\"\npartition = { side = [1, 9] }"),
    ("node twice", "[[fault]]\nat = \"1s\"\npartition = { side = [1, 1] }"),
    ("empty side", "[[fault]]\nat = \"1s\"\npartition = { side = [] }"),
    ("no other side", "[[fault]]\nat = \"1s\"\npartition = { side = [1, 2, 3, 4, 5], from = \"nodes\" }"),
    ("partition without sides", "[[fault]]\nat = \"1s\"\npartition = { heal-after = \"1s\" }"),
    ("partition with two sides", "[[fault]]\nat = \"1s\"\npartition = { side = [1], pattern = \"ring\" }"),
    ("pattern with direction", "[[fault]]\nat = \"1s\"\npartition = { pattern = \"ring\", direction = \"both\" }"),
    ("unknown pattern", "[[fault]]\nat = \"1s\"\npartition = { pattern = \"halfs\" }"),
    ("no victims", "[[fault]]\nat = \"1s\"\nkill = { restart-after = \"2s\" }"),
    ("victims twice", "[[fault]]\nat = \"1s\"\nkill = { pick = 1, servers = \"store\" }"),
    ("too many victims", "[[fault]]\nat = \"1s\"\nkill = { pick = 6 }"),
    ("unknown key of a fault", "[[fault]]\nat = \"1s\"\nkill = { pick = 1, restart = \"2s\" }"),
    ("fault of no duration", "[[fault]]\nat = \"1s\"\nkill = { pick = 1, restart-after = \"0s\" }"),
    ("offset 0", "[[fault]]\nat = \"1s\"\nskew = { pick = 1, offset = \"0s\" }"),
    ("no failures", "[[fault]]\nat = \"1s\"\nstore-serialization = { count = 0, at = \"commit\" }"),
    ("bad throughput", "[[fault]]\nat = \"1s\"\nbandwidth = { limit = \"10mb\" }"),
    ("check without kind", "[[check]]"),
    ("unknown check", "[[check]]\nno-lost-blocks = {}"),
    ("check twice", "[[check]]\nno-lost-block = {}\n[[check]]\nno-lost-block = {}"),
    ("check without limit", "[[check]]\nfan-out = {}"),
    ("parameter of a plain check", "[[check]]\nno-panic = { within = \"1s\" }"),
];

#[test]
fn every_mistake_is_explained_with_its_place() {
    let mut told = String::new();
    let whole = MISTAKES.iter().map(|&(name, text)| (name, text.to_owned()));
    let below = MISTAKES_BELOW.iter().map(|&(name, text)| (name, format!("{BASE}{text}\n")));
    for (name, text) in whole.chain(below) {
        let error = parsed(&text).expect_err(name);
        assert!(names_place(&error), "{name}: {}", error.plain());
        told.push_str(&format!("# {name}\n{}\n\n", error.plain()));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_terminal_shows_the_line_at_fault() {
    let text = format!("{BASE}[[fault]]\nat = \"1s\"\npartition = {{ side = [1, 9] }}\n");
    insta::assert_snapshot!(graphical(&parsed(&text).unwrap_err()));
}

/// The errors of files in a directory, told without the directory's own path.
fn told_in(dir: &Path, paths: &[&str]) -> String {
    let paths: Vec<PathBuf> = paths.iter().map(|path| dir.join(path)).collect();
    let errors = load_all(&paths).expect_err("nothing here loads");
    let told: Vec<String> = errors.iter().map(ScenarioError::plain).collect();
    told.join("\n").replace(&*dir.to_string_lossy(), "DIR")
}

#[test]
fn files_that_cannot_be_read_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("empty")).unwrap();
    fs::write(dir.path().join("latin1.toml"), b"title = \"t\"\nwhy = \"caf\xe9\"\n").unwrap();
    fs::write(dir.path().join("huge.toml"), vec![b'#'; (1 << 20) + 1]).unwrap();
    insta::assert_snapshot!(told_in(dir.path(), &["missing.toml", "empty", "latin1.toml", "huge.toml"]));
}

#[test]
fn every_broken_file_of_a_directory_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("scenarios");
    for (path, text) in [
        ("fast/a.toml", "nods = 1"),
        ("fast/b.toml", BASE),
        ("slow/c.toml", "title = 1"),
        ("profiles/lan.toml", "x = 1"),
    ] {
        fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
        fs::write(root.join(path), text).unwrap();
    }
    insta::assert_snapshot!(told_in(dir.path(), &["scenarios"]));
    // The broken profile is b's, whose own text is fine; with a good one it loads and is named after its place.
    fs::write(root.join("profiles/lan.toml"), include_str!("../../scenarios/profiles/wan.toml")).unwrap();
    let scenario = load(&root.join("fast/b.toml")).unwrap();
    assert_eq!(scenario.name, "fast/b");
    assert_eq!(scenario.network.profile.latency.median, Duration::from_millis(20), "the directory's profile wins");
}

#[test]
fn a_directory_is_loaded_in_the_order_of_names() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b", "a/z", "c", "a/y"] {
        let path = dir.path().join("scenarios").join(format!("{name}.toml"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, BASE).unwrap();
    }
    let names: Vec<String> =
        load_all(&[dir.path().to_owned()]).unwrap().into_iter().map(|scenario| scenario.name).collect();
    assert_eq!(names, ["a/y", "a/z", "b", "c"]);
}

#[test]
#[cfg(unix)]
fn links_that_lead_back_up_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.toml"), BASE).unwrap();
    for link in ["one", "two", "three"] {
        std::os::unix::fs::symlink(dir.path(), dir.path().join(link)).unwrap();
    }
    assert_eq!(load_all(&[dir.path().to_owned()]).unwrap().len(), 1);
}

#[test]
fn ten_megabytes_of_noise_are_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("noise.toml");
    fs::write(&path, vec![0xa5; 10 << 20]).unwrap();
    let started = Instant::now();
    assert!(load(&path).is_err());
    assert!(started.elapsed() < Duration::from_millis(500), "{:?}", started.elapsed());
}

#[test]
fn nesting_does_not_overflow_the_stack() {
    for text in
        ["a=".to_owned() + &"[".repeat(1 << 19), "a.".repeat(1 << 18) + "b=1", "a=".to_owned() + &"{a=".repeat(1 << 18)]
    {
        let error = parsed(&text).unwrap_err();
        assert!(names_place(&error) && error.plain().len() < 2_000, "{}", error.plain().len());
    }
}

#[test]
fn the_schema_knows_every_fault_and_check() {
    let schema = schema().to_string();
    let names = squall_harness::nemesis::FAULTS.iter().chain(squall_harness::scenario::CHECKERS);
    for name in names.chain(&["block-ips", "settle", "heal-after"]) {
        assert!(schema.contains(&format!("\"{name}\"")), "{name}");
    }
}

/// Both renderings start their story with `FILE:LINE:COLUMN`.
fn names_place(error: &ScenarioError) -> bool {
    let place = format!("{}:{}:{}", error.file(), error.line(), error.column());
    let position = format!(":{}:{}", error.line(), error.column());
    error.line() > 0 && error.column() > 0 && error.plain().starts_with(&place) && graphical(error).contains(&position)
}
