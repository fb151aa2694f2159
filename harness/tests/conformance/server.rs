//! A server in a process of its own: start, kill, restart.

use crate::script::Script;
use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// Real time in which a server must accept connections.
const START: Duration = Duration::from_secs(15);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// `squall serve`.
    Simulated,
    /// What it simulates.
    Real,
}

/// What a restarted server finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Nothing.
    Empty,
    /// What the life before it wrote.
    Kept,
}

/// What a server is started with.
pub(crate) struct Launch<'a> {
    /// Where it listens, on 127.0.0.1.
    pub(crate) port: u16,
    /// A directory of its own.
    pub(crate) dir: &'a Path,
    /// Its settings.
    pub(crate) script: &'a Script,
}

/// How the servers of one backend are started.
#[derive(Clone, Copy)]
pub(crate) struct Programs {
    /// As `squall serve` calls it.
    pub(crate) name: &'static str,
    /// The program of the real one.
    pub(crate) real: &'static str,
    /// The arguments of the real one.
    pub(crate) arguments: fn(&Launch<'_>) -> Vec<String>,
}

impl Programs {
    /// The real server's program, if there is one.
    pub(crate) fn find_real(&self) -> Option<PathBuf> {
        let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/brokers/bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let places = std::iter::once(ours).chain(std::env::split_paths(&path));
        places.map(|place| place.join(self.real)).find(|program| program.is_file())
    }

    /// What the real server says of its version.
    pub(crate) fn version(&self) -> Option<String> {
        let output = Command::new(self.find_real()?).arg("--version").output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        // Redis goes on about its build.
        let line = text.lines().next()?.split(" sha=").next()?;
        Some(line.trim_start_matches("nats-server: ").to_owned())
    }
}

/// A server's process. It dies with this.
pub(crate) struct Server {
    programs: Programs,
    side: Side,
    script: Script,
    port: u16,
    dir: TempDir,
    child: Option<Child>,
}

impl Server {
    /// A server that accepts connections.
    pub(crate) async fn launch(programs: Programs, side: Side, script: Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut server = Self { programs, side, script, port: free_port(), dir, child: None };
        server.start(Disk::Empty).await;
        server
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn command(&self) -> Command {
        let launch = Launch { port: self.port, dir: &self.data(), script: &self.script };
        match self.side {
            Side::Simulated => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
                command.args(["serve", self.programs.name, "--listen", &format!("127.0.0.1:{}", self.port)]);
                command.args(self.script.simulated);
                command
            }
            Side::Real => {
                let mut command = Command::new(self.programs.find_real().unwrap());
                command.args((self.programs.arguments)(&launch));
                command
            }
        }
    }

    /// Starts it and waits until it accepts connections.
    pub(crate) async fn start(&mut self, disk: Disk) {
        if disk == Disk::Empty {
            let _was_there = std::fs::remove_dir_all(self.data());
        }
        std::fs::create_dir_all(self.data()).unwrap();
        let log = File::options().create(true).append(true).open(self.log_file()).unwrap();
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(self.data());
        self.child = Some(command.spawn().unwrap());
        self.accepts().await;
    }

    async fn accepts(&mut self) {
        let deadline = Instant::now() + START;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.as_mut().and_then(|child| child.try_wait().unwrap());
            assert!(ended.is_none(), "the server of {} ended: {ended:?}\n{}", self.script.name, self.log());
            assert!(Instant::now() < deadline, "the server of {} does not listen:\n{}", self.script.name, self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Ends this life and begins another.
    pub(crate) async fn restart(&mut self, disk: Disk) {
        if self.side == Side::Real || disk == Disk::Empty {
            self.kill();
            return self.start(disk).await;
        }
        // The simulated server's disk is in its memory.
        let mut witness = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        self.signal("HUP");
        let mut rest = Vec::new();
        let _end_or_reset = witness.read_to_end(&mut rest).await;
        self.accepts().await;
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port below those that the system gives to outgoing connections: it must be free again after a kill.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = 18_000 + u16::try_from(std::process::id() % 120).unwrap() * 100;
    loop {
        let port = first + NEXT.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
