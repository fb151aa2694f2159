//! A world with a publisher and subscribers, and notes of what they did when.

use squall_sim::fault::Fault;
use squall_sim::{HostSpec, Program, World, WorldConfig, now_ns, run};
use std::future::Future;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::sleep;

pub(crate) const SERVER: &str = "server";
pub(crate) const PUBLISHER: &str = "publisher";
pub(crate) const SUBSCRIBERS: [&str; 5] = ["ann", "bob", "cid", "dot", "eve"];
/// Long enough for a server to listen, and for a client to be connected and subscribed.
pub(crate) const READY: Duration = Duration::from_millis(100);

/// Simulated seconds since the world began.
pub(crate) fn now_s() -> f64 {
    now_ns() as f64 / 1e9
}

/// A part of a second that differs between seeds, so that a fault does not always strike at the same phase of a timer.
pub(crate) fn phase(seed: u64) -> Duration {
    Duration::from_millis(seed * 137 % 1_000)
}

/// Notes that several tasks take; clones are the same notes.
pub(crate) struct Log<T>(Arc<Mutex<Vec<T>>>);

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone> Log<T> {
    pub(crate) fn add(&self, note: T) {
        self.0.lock().unwrap().push(note);
    }

    pub(crate) fn all(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn last(&self) -> Option<T> {
        self.0.lock().unwrap().last().cloned()
    }
}

/// A numbered event that a publisher's library took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) number: u64,
    /// When the call began and how long it took, seconds.
    pub(crate) at: f64,
    pub(crate) took: f64,
}

/// A numbered event that reached a subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heard {
    pub(crate) number: u64,
    pub(crate) at: f64,
}

impl Heard {
    /// Now, from the text of [`payload`].
    pub(crate) fn now(payload: &[u8]) -> Self {
        let number = std::str::from_utf8(payload).unwrap().parse().unwrap();
        Self { number, at: now_s() }
    }
}

/// 200 bytes, as in the measurements with real servers.
pub(crate) fn payload(number: u64) -> String {
    format!("{number:0200}")
}

/// Those sent within this time.
pub(crate) fn sent_in(sent: &Log<Sent>, time: Range<f64>) -> Vec<Sent> {
    sent.all().into_iter().filter(|one| time.contains(&one.at)).collect()
}

/// How many of these were never heard.
pub(crate) fn lost(sent: &[Sent], heard: &Log<Heard>) -> f64 {
    let heard: Vec<u64> = heard.all().iter().map(|one| one.number).collect();
    sent.iter().filter(|one| !heard.contains(&one.number)).count() as f64
}

/// The same as a percentage.
///
/// # Panics
/// If nothing was sent.
pub(crate) fn lost_percent(sent: &[Sent], heard: &Log<Heard>) -> f64 {
    assert!(!sent.is_empty(), "nothing was published in this time");
    100.0 * lost(sent, heard) / sent.len() as f64
}

/// When the last of these was heard.
///
/// # Panics
/// If none was.
pub(crate) fn last_heard(sent: &[Sent], heard: &Log<Heard>) -> f64 {
    let heard = heard.all().into_iter().filter(|one| sent.iter().any(|s| s.number == one.number));
    heard.map(|one| one.at).reduce(f64::max).expect("something was heard")
}

pub(crate) fn host(name: &str, program: Program) -> HostSpec {
    HostSpec { name: name.into(), program, wall_offset_ns: 0 }
}

/// Hosts that run what [`Stage::on`] starts there.
pub(crate) fn idle(names: &[&str]) -> Vec<HostSpec> {
    names.iter().map(|name| host(name, Arc::new(|_| Box::pin(std::future::pending())))).collect()
}

/// The world while a story is played.
#[derive(Clone, Copy)]
pub(crate) struct Stage(World);

impl Stage {
    /// Starts something on a host.
    pub(crate) fn on(self, host: &str, work: impl Future<Output = ()> + Send + 'static) {
        let host = self.0.host(host).unwrap();
        let _goes_on = self.0.spawn(host, work).expect("the host is up");
    }

    fn apply(self, fault: &Fault) {
        self.0.apply(fault).unwrap();
    }

    pub(crate) fn kill(self, host: &str) {
        self.apply(&Fault::Kill { host: host.into() });
    }

    pub(crate) fn start(self, host: &str) {
        self.apply(&Fault::Start { host: host.into() });
    }

    pub(crate) fn pause(self, host: &str) {
        self.apply(&Fault::Pause { host: host.into() });
    }

    /// Kills the server and starts it again after a while; when each happened.
    pub(crate) async fn outage(self, lasting: Duration) -> Range<f64> {
        let from = now_s();
        self.kill(SERVER);
        sleep(lasting).await;
        self.start(SERVER);
        from..now_s()
    }

    /// Lets everything between two hosts vanish for a while; when it began and ended.
    pub(crate) async fn blackhole(self, one: &str, other: &str, lasting: Duration) -> Range<f64> {
        let began = now_s();
        let ways = [(vec![one.to_owned()], vec![other.to_owned()]), (vec![other.to_owned()], vec![one.to_owned()])];
        for (from, to) in ways.clone() {
            self.apply(&Fault::Cut { from, to });
        }
        sleep(lasting).await;
        for (from, to) in ways {
            self.apply(&Fault::Mend { from, to });
        }
        began..now_s()
    }
}

/// Plays a story on these hosts.
pub(crate) fn play<F, T: Send>(seed: u64, hosts: Vec<HostSpec>, story: impl FnOnce(Stage) -> F + Send) -> T
where
    F: Future<Output = T>,
{
    let finished = run(WorldConfig::new(seed), hosts, |world| async move {
        sleep(READY).await;
        story(Stage(world)).await
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    finished.result
}
