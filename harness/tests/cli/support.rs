//! A directory with scenario files, and the binary bounded in real time.

use serde_json::Value;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// No call of the binary may take longer, unless a test says so.
const PATIENCE: Duration = Duration::from_secs(60);

/// Three nodes, a few blocks, no faults: a few milliseconds of real time.
pub(crate) const HEALTHY: &str = r#"title = "Three nodes agree"
why = "The smallest world."
nodes = 3
run = "5s"
settle = "3s"

[[workload]]
block-ips = { rate = "2/s", expiry = "10m" }

[[check]]
blocklist-converges = { within = "2s" }
"#;

/// A cut that is long enough for connections to break, and to be noticed.
pub(crate) const CUT: &str = r#"title = "A node that was cut off catches up"
why = "What was said during a cut must arrive after it."
nodes = 3
run = "25s"
settle = "20s"

[[workload]]
block-ips = { rate = "2/s", expiry = "10m" }

[[fault]]
at = "2s"
partition = { side = [1], heal-after = "18s" }

[[check]]
blocklist-converges = { within = "18s" }
"#;

/// Takes far more than a second of real time on any machine.
pub(crate) const ENDLESS: &str = r#"title = "A thousand nodes block for a week"
why = "Something must be running when the signal comes."
nodes = 1000
run = "7d"

[[workload]]
block-ips = { rate = "100/s" }
"#;

/// A temporary directory in which the binary runs; what it prints then holds relative paths only.
pub(crate) struct Place(TempDir);

/// A call of the binary that has not begun.
pub(crate) struct Call {
    command: Command,
    /// Where its output goes: files, since a pipe that nobody empties would block it.
    streams: TempDir,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A call of the binary that has not ended.
pub(crate) struct Running {
    child: Child,
    _streams: TempDir,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// What a call of the binary left.
#[derive(Debug)]
pub(crate) struct Ended {
    group: u32,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With one file in it.
    pub(crate) fn with(name: &str, text: &str) -> Self {
        let place = Self::new();
        place.write(name, text);
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn call(&self, args: &[&str]) -> Call {
        Call::new(self.0.path(), args)
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.call(args).start()
    }

    /// Runs `squall` with these arguments to its end.
    pub(crate) fn squall(&self, args: &[&str]) -> Ended {
        self.call(args).end()
    }
}

/// The root of this repository.
pub(crate) fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

impl Call {
    pub(crate) fn new(dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.args(args).current_dir(dir).stdin(Stdio::null());
        command.env_remove("RUST_BACKTRACE").env_remove("COLUMNS").env_remove("FORCE_COLOR").env("NO_COLOR", "1");
        // A group of its own: a signal for it must not reach the tests.
        command.process_group(0);
        let streams = tempfile::tempdir().unwrap();
        let (stdout, stderr) = (streams.path().join("stdout"), streams.path().join("stderr"));
        Self { command, streams, stdout, stderr }
    }

    /// Sends what it prints elsewhere.
    pub(crate) fn stdout(mut self, path: &str) -> Self {
        self.stdout = PathBuf::from(path);
        self
    }

    /// Sends what it complains about elsewhere.
    pub(crate) fn stderr(mut self, path: &str) -> Self {
        self.stderr = PathBuf::from(path);
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let open = |path: &Path| File::options().write(true).create(true).truncate(false).open(path).unwrap();
        self.command.stdout(open(&self.stdout)).stderr(open(&self.stderr));
        let child = self.command.spawn().unwrap();
        Running { child, _streams: self.streams, stdout: self.stdout, stderr: self.stderr }
    }

    pub(crate) fn end(self) -> Ended {
        self.start().end(PATIENCE)
    }
}

impl Running {
    /// Waits for the end.
    pub(crate) fn end(mut self, patience: Duration) -> Ended {
        let deadline = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() > deadline {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                panic!("squall did not end within {patience:?}:\n{}", printed(&self.stderr));
            }
            sleep(Duration::from_millis(2));
        };
        Ended { group: self.child.id(), status, stdout: printed(&self.stdout), stderr: printed(&self.stderr) }
    }

    /// Waits until it has printed this many lines.
    pub(crate) fn printed(&self, lines: usize) {
        self.written(&self.stdout, lines);
    }

    /// Waits until a file has this many lines.
    pub(crate) fn written(&self, path: &Path, lines: usize) {
        let deadline = Instant::now() + PATIENCE;
        while fs::read_to_string(path).unwrap_or_default().lines().count() < lines {
            assert!(Instant::now() < deadline, "fewer than {lines} lines within {PATIENCE:?}");
            sleep(Duration::from_millis(2));
        }
    }

    /// Waits until it has started a process of its own: then its signal handlers are in place as well.
    pub(crate) fn has_children(&self) {
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        let started = || {
            let mut tasks = fs::read_dir(&tasks).unwrap().flatten();
            tasks.any(|task| fs::read_to_string(task.path().join("children")).is_ok_and(|pids| !pids.is_empty()))
        };
        let deadline = Instant::now() + PATIENCE;
        while !started() {
            assert!(Instant::now() < deadline, "no child within {PATIENCE:?}");
            sleep(Duration::from_millis(2));
        }
    }

    /// Sends a signal to the process alone, as `kill` does.
    pub(crate) fn signal(&self, name: &str) {
        assert!(kill(name, &self.child.id().to_string()));
    }

    /// Sends a signal to the process and its children, as a terminal does.
    pub(crate) fn signal_group(&self, name: &str) {
        assert!(kill(name, &format!("-{}", self.child.id())));
    }
}

/// Sends a signal; whether there was somebody to get it.
fn kill(name: &str, target: &str) -> bool {
    Command::new("kill").args(["-s", name, "--", target]).stderr(Stdio::null()).status().unwrap().success()
}

/// What a stream received; nothing for a device.
fn printed(path: &Path) -> String {
    if path.starts_with("/dev") { String::new() } else { fs::read_to_string(path).unwrap() }
}

impl Ended {
    /// Checks how it ended; a panic would be 101, a signal no code at all.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        let Self { status, stdout, stderr, .. } = &self;
        assert_eq!(status.code(), Some(code), "{status}\nstdout:\n{stdout}\nstderr:\n{stderr}");
        self
    }

    /// Checks that no process of its group outlives it.
    #[track_caller]
    pub(crate) fn leaves_no_process(self) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while kill("0", &format!("-{}", self.group)) {
            assert!(Instant::now() < deadline, "a process of the group {} lives on", self.group);
            sleep(Duration::from_millis(10));
        }
        self
    }

    /// Checks that each of these is in the complaint.
    #[track_caller]
    pub(crate) fn complains(self, words: &[&str]) -> Self {
        contains(&self.stderr, words);
        self
    }

    /// The JSON objects of standard output, one on each line.
    #[track_caller]
    pub(crate) fn objects(&self) -> Vec<Value> {
        objects(&self.stdout)
    }
}

/// Checks that each of these is in the text.
#[track_caller]
pub(crate) fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "expected {word:?} in:\n{text}");
    }
}

/// The JSON objects of a text, one on each line, which must be whole.
#[track_caller]
pub(crate) fn objects(text: &str) -> Vec<Value> {
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut off: {text}");
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
    text.lines().map(parse).collect()
}

/// The objects without what real time decides.
pub(crate) fn timeless(objects: Vec<Value>) -> Vec<Value> {
    let without_wall = |mut object: Value| {
        object.as_object_mut().unwrap().remove("wall_ms").expect("every object has wall_ms");
        object
    };
    objects.into_iter().map(without_wall).collect()
}
