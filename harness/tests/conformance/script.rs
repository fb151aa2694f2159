//! A script, its stage, what it notes.

use crate::server::{Disk, Server};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What one actor after another saw, in order.
pub(crate) type Notes = BTreeMap<String, Vec<String>>;
/// How a script ends: an error is a fault of the script or of the server, never a finding.
pub(crate) type Played = Result<(), Box<dyn Error + Send + Sync>>;

/// Real time that one script may take on one side.
const PATIENCE: Duration = Duration::from_secs(40);

/// What clients do to one server.
#[derive(Clone, Copy)]
pub(crate) struct Script {
    /// As in the table.
    pub(crate) name: &'static str,
    /// What it looks at.
    pub(crate) about: &'static str,
    /// Arguments for `squall serve`.
    pub(crate) simulated: &'static [&'static str],
    /// The same for the real server: lines of its configuration file.
    pub(crate) real: &'static [&'static str],
    play: fn(Stage) -> Pin<Box<dyn Future<Output = Played> + Send>>,
}

impl Script {
    /// A script for a server as it comes.
    pub(crate) const fn new(
        name: &'static str,
        about: &'static str,
        play: fn(Stage) -> Pin<Box<dyn Future<Output = Played> + Send>>,
    ) -> Self {
        Self { name, about, simulated: &[], real: &[], play }
    }

    /// The same, for a server with these settings.
    pub(crate) const fn with(mut self, simulated: &'static [&'static str], real: &'static [&'static str]) -> Self {
        self.simulated = simulated;
        self.real = real;
        self
    }

    /// Plays it against a server and returns what was noted.
    pub(crate) async fn play(&self, server: Server) -> Result<Notes, String> {
        let port = server.port();
        let stage = Stage { server: Arc::new(tokio::sync::Mutex::new(server)), port, notes: Arc::default() };
        let notes = Arc::clone(&stage.notes);
        let server = Arc::clone(&stage.server);
        let played = tokio::time::timeout(PATIENCE, (self.play)(stage)).await;
        let noted = std::mem::take(&mut *notes.lock().unwrap());
        let complaint = match played {
            Ok(Ok(())) => return Ok(noted),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("not over after {PATIENCE:?}"),
        };
        Err(format!("{complaint}; noted so far: {noted:#?}; the server says:\n{}", server.lock().await.log()))
    }
}

/// A running server, and a place for notes.
#[derive(Clone)]
pub(crate) struct Stage {
    server: Arc<tokio::sync::Mutex<Server>>,
    port: u16,
    notes: Arc<Mutex<Notes>>,
}

impl Stage {
    /// The port of the server.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The server's address.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Notes what somebody saw.
    pub(crate) fn note(&self, who: &str, what: impl Display) {
        let what = what.to_string().replace(&self.port.to_string(), "PORT");
        self.notes.lock().unwrap().entry(who.to_owned()).or_default().push(what);
    }

    /// Kills the server's process, with no farewell.
    pub(crate) async fn kill(&self) {
        self.server.lock().await.kill();
    }

    /// Starts the server again on its port, with an empty disk.
    pub(crate) async fn start(&self) {
        self.server.lock().await.start(Disk::Empty).await;
    }

    /// Kills the server and starts it again.
    pub(crate) async fn restart(&self, disk: Disk) {
        self.server.lock().await.restart(disk).await;
    }

    /// Sends the server a signal.
    pub(crate) async fn signal(&self, name: &str) {
        self.server.lock().await.signal(name);
    }
}
