//! The world: hosts with incarnations on one runtime, the faults that befall them, what they left.

use crate::engine::{self, try_with_net, with_net};
use crate::entropy::{self, Subsystem};
use crate::fault::Fault;
use crate::net::{Closing, Fabric, HostId, Net, NetworkProfile, Provider};
use crate::record::{Keep, Recorder, Recording};
use squall_interpose::{clock, guard};
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::gate;
use tokio::runtime::{Builder, RngSeed};
use tokio::task::JoinHandle;

/// What a host runs; called at every boot. When it returns, the process has exited.
pub type Program = Arc<dyn Fn(Boot) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// Which boot of which host a program is.
#[derive(Clone, Debug)]
pub struct Boot {
    /// The host.
    pub host: HostId,
    /// 0 for its first boot.
    pub incarnation: u32,
}

/// One machine before the world begins. Hosts get the addresses 10.0.0.1, 10.0.0.2, … in order.
pub struct HostSpec {
    /// Its name, which resolves to its address.
    pub name: String,
    /// What it runs.
    pub program: Program,
    /// Its wall clock's offset from true time at first boot, nanoseconds.
    pub wall_offset_ns: i64,
}

/// What a world is made from, besides its hosts.
#[derive(Clone, Copy, Debug)]
pub struct WorldConfig {
    /// Decides everything that is random.
    pub seed: u64,
    /// True wall time at world time 0, milliseconds since the Unix epoch.
    pub epoch_ms: u64,
    /// How links behave while no fault is on.
    pub network: NetworkProfile,
    /// How much of the run to keep.
    pub keep: Keep,
    /// Task polls at one instant after which the world counts as livelocked.
    pub poll_limit: u64,
    /// What ends a livelocked run; [`livelock_text`] describes it. It must not return to the world.
    pub on_livelock: fn() -> !,
}

/// Task polls at one instant that no healthy run comes near.
pub const DEFAULT_POLL_LIMIT: u64 = 5_000_000;

impl WorldConfig {
    /// The defaults for a seed: a quiet local network, the digest only, a panic on a livelock.
    ///
    /// # Panics
    /// Never; what it sets as `on_livelock` does, when called.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            epoch_ms: 1_750_000_000_000,
            network: NetworkProfile::default(),
            keep: Keep::Digest,
            poll_limit: DEFAULT_POLL_LIMIT,
            on_livelock: || panic!("{}", livelock_text()),
        }
    }
}

/// A change in a host's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LifeEvent {
    /// A new incarnation runs.
    Booted,
    /// Its process is gone: killed, or out of power, or it returned.
    Died,
    /// Stopped as by SIGSTOP.
    Paused,
    /// Continued.
    Resumed,
}

/// When a host came or went.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// Nanoseconds since the world began.
    pub at_ns: u64,
    /// Who.
    pub host: HostId,
    /// Which boot, 0-based.
    pub incarnation: u32,
    /// What.
    pub event: LifeEvent,
}

/// A panic of simulated code, which ended one of its tasks.
#[derive(Clone, Debug)]
pub struct Panicked {
    /// Nanoseconds since the world began.
    pub at_ns: u64,
    /// Where; `None` in the harness's own code.
    pub host: Option<HostId>,
    /// Message and source position.
    pub message: String,
}

/// What the world saw of its programs beside their traffic.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Polls of tasks whose incarnation was dead.
    pub polls_after_death: u64,
    /// Sockets that were still open after their process died.
    pub sockets_after_death: u64,
    /// Tasks spawned past the gate that scopes them to a host.
    pub escaped_spawns: u64,
    /// Lives, by time.
    pub lives: Vec<Life>,
    /// Panics, by time.
    pub panics: Vec<Panicked>,
}

struct Host {
    name: String,
    program: Program,
    /// The gate's number of the running incarnation; `None` while down.
    running: Option<u32>,
    boots: u32,
    paused: bool,
    wall_offset_ns: i64,
    wall_reads: u64,
}

#[derive(Default)]
struct State {
    hosts: Vec<Host>,
    /// The host of each incarnation the gate knows; 0 is the harness.
    incarnations: Vec<Option<HostId>>,
    /// Dead incarnations and how often they had been polled.
    dead: Vec<(u32, u64)>,
    facts: Facts,
    effects: Vec<EffectSource>,
    control: Option<Box<dyn Control>>,
}

/// Applies the faults that only a simulated server can: a slow store, a lame duck.
pub trait Control {
    /// Applies `fault`; returns who counts how often it mattered, or `None` if it is not a server's.
    fn apply(&self, fault: &Fault) -> Option<EffectCounter>;

    /// Takes back what was to happen to the server on this host and has not yet: it is started again.
    fn disarm(&self, host: &str);
}

/// Tells how often a fault has mattered so far.
pub type EffectCounter = Box<dyn Fn() -> u64>;

enum EffectSource {
    Fabric(usize),
    Fixed(u64),
    /// A server counts for the fault of this kind.
    Counter {
        kind: &'static str,
        count: EffectCounter,
    },
    /// Polls refused to a paused incarnation since this count.
    Refused {
        incarnation: u32,
        before: u64,
    },
    /// Wall-clock reads of a host since this count.
    WallReads {
        host: HostId,
        before: u64,
    },
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

fn with_state<R>(work: impl FnOnce(&mut State) -> R) -> R {
    STATE.with(|state| work(&mut state.borrow_mut()))
}

/// The host whose task is running; `None` in the harness.
#[must_use]
pub fn current_host() -> Option<HostId> {
    host_of(gate::current())
}

fn host_of(incarnation: u32) -> Option<HostId> {
    STATE.try_with(|s| s.try_borrow().ok()?.incarnations.get(incarnation as usize).copied().flatten()).ok().flatten()
}

/// By how much the running host's wall clock is off, nanoseconds.
fn wall_offset_ns() -> i64 {
    let Some(host) = current_host() else { return 0 };
    let read = |state: &RefCell<State>| {
        let mut state = state.try_borrow_mut().ok()?;
        let host = &mut state.hosts[host.index()];
        host.wall_reads += 1;
        Some(host.wall_offset_ns)
    };
    STATE.try_with(read).ok().flatten().unwrap_or(0)
}

/// Nanoseconds since the world began.
///
/// # Panics
/// Outside a world.
#[must_use]
pub fn now_ns() -> u64 {
    with_net(|net| net.now_ns)
}

/// Records something the running program did: `what` in the digest, `text` in a full trace.
pub fn note(what: &impl Hash, text: impl FnOnce() -> String) {
    let host = current_host();
    try_with_net(|net| net.recorder.note(net.now_ns, host, what, text));
}

/// What stood still where, for the verdict on a livelocked run.
#[must_use]
pub fn livelock_text() -> String {
    let at_ns = try_with_net(|net| net.now_ns).unwrap_or(0);
    let host = current_host().map(|h| with_state(|s| s.hosts[h.index()].name.clone()));
    let seconds = at_ns / 1_000_000_000;
    let who = host.unwrap_or_else(|| "the harness".to_owned());
    format!(
        "tasks kept running at {seconds}.{:09} s without the clock moving, last one of {who}",
        at_ns % 1_000_000_000
    )
}

/// The running world: a handle for the harness's own code, which belongs to no host. It names the world of the
/// thread it is used on.
#[derive(Clone, Copy, Debug)]
pub struct World {
    _private: (),
}

/// Why a fault cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// The plan names a host that is not there.
    #[error("no host is named `{0}`; the world has {1}")]
    NoSuchHost(String, String),
    /// No simulated server of this world knows the fault.
    #[error("no server of this world can do `{0}`")]
    NoSuchServer(&'static str),
}

/// What a run of a world left.
#[derive(Debug)]
pub struct Finished<R> {
    /// What the harness's own code returned.
    pub result: R,
    /// Digest and trace.
    pub recording: Recording,
    /// Lives, panics, leaks.
    pub facts: Facts,
    /// When it ended, nanoseconds since the world began.
    pub end_ns: u64,
}

/// Stack of a world's thread, bytes; as a main thread usually has.
const STACK_BYTES: usize = 8 << 20;

/// Runs a world: every host boots, then `main` runs as the harness until it returns.
///
/// The world has a thread of its own, since thread-locals outlive a world: the hash keys of the standard library, for
/// one, count up with every map. Libraries that keep statics still make a second world in one process differ from the
/// first; run each in a process of its own ([`squall_interpose::pool`]) where digests are compared.
///
/// # Panics
/// If the system has no thread left, or `main` panics.
pub fn run<R: Send, F: Future<Output = R>>(
    config: WorldConfig,
    hosts: Vec<HostSpec>,
    main: impl FnOnce(World) -> F + Send,
) -> Finished<R> {
    let world = std::thread::Builder::new().name("world".to_owned()).stack_size(STACK_BYTES);
    std::thread::scope(|scope| {
        let world = world.spawn_scoped(scope, || run_here(config, hosts, main)).expect("the system has a thread left");
        world.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Runs a world on this thread, which must be fresh.
fn run_here<R, F: Future<Output = R>>(
    config: WorldConfig,
    hosts: Vec<HostSpec>,
    main: impl FnOnce(World) -> F,
) -> Finished<R> {
    enter_simulation(&config);
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .rng_seed(RngSeed::from_bytes(&entropy::derive(config.seed, Subsystem::Executor).to_le_bytes()))
        .on_thread_park(engine::idle)
        .on_thread_unpark(engine::sync)
        .on_task_spawn(|_| gate::note_spawn())
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    squall_hook::install(Arc::new(Provider));
    let result = runtime.block_on(async {
        let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
        let addresses = (1..).map(address);
        let names: Vec<(String, Ipv4Addr)> = hosts.iter().map(|h| h.name.clone()).zip(addresses).collect();
        let fabric = Fabric::new(config.network, entropy::stream(config.seed, Subsystem::Network), hosts.len());
        engine::install(Net::new(fabric, Recorder::new(config.keep), &names), waker);
        let world = World::current();
        with_state(|s| s.hosts = hosts.into_iter().map(Host::new).collect());
        for host in world.hosts() {
            world.boot(host);
        }
        main(world).await
    });
    let facts = collect_facts();
    leave_simulation();
    // Dropping it would run the destructors of everything that still lives in the world.
    std::mem::forget(runtime);
    let mut engine = engine::uninstall().expect("the engine was installed above");
    let finished = Finished { result, recording: engine.net.recorder.finish(), facts, end_ns: engine.net.now_ns };
    std::mem::forget(engine);
    finished
}

fn address(number: u32) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0000 + number)
}

fn enter_simulation(config: &WorldConfig) {
    squall_interpose::entropy::seed(entropy::derive(config.seed, Subsystem::Processes));
    clock::set_wall_offset(wall_offset_ns);
    clock::start(config.epoch_ms);
    squall_hook::set_helper_scope(|| {
        let (entropy, clock) = (squall_interpose::entropy::inherit(), clock::inherit());
        Box::new(move || {
            entropy();
            clock();
        })
    });
    squall_hook::set_exemption(|work| guard::exempt(work));
    gate::reset();
    gate::set_poll_limit(config.poll_limit, config.on_livelock);
    with_state(|s| *s = State { incarnations: vec![None], ..State::default() });
    record_panics();
    guard::arm();
}

/// Panics of simulated code belong to the run's record; all others are reported as before.
fn record_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match current_host() {
            Some(host) => {
                let panicked =
                    Panicked { at_ns: engine::now_ns_if_free(), host: Some(host), message: info.to_string() };
                let _inside_state = STATE.try_with(|s| s.try_borrow_mut().map(|mut s| s.facts.panics.push(panicked)));
            }
            None => report(info),
        }));
    });
}

fn leave_simulation() {
    guard::disarm();
    for incarnation in with_state(|s| s.hosts.iter().filter_map(|h| h.running).collect::<Vec<_>>()) {
        gate::kill(incarnation);
    }
    with_state(|s| s.incarnations.clear());
    squall_hook::uninstall();
    clock::stop();
    squall_interpose::entropy::unseed();
}

fn collect_facts() -> Facts {
    let refusals = guard::take_refusals();
    let at_ns = now_ns();
    with_state(|s| {
        let mut facts = std::mem::take(&mut s.facts);
        facts.polls_after_death = s.dead.iter().map(|(inc, polls)| gate::polls(*inc) - polls).sum();
        facts.escaped_spawns = gate::escaped();
        let down = (0..).map(HostId).zip(&s.hosts).filter(|(_, h)| h.running.is_none());
        let open = |id| try_with_net(|net| net.open_sockets(id)).unwrap_or(0) as u64;
        facts.sockets_after_death += down.map(|(id, _)| open(id)).sum::<u64>();
        let refused = |what: &&str| Panicked { at_ns, host: None, message: format!("simulated code asked for {what}") };
        facts.panics.extend(refusals.iter().map(refused));
        facts
    })
}

impl Host {
    fn new(spec: HostSpec) -> Self {
        Self {
            name: spec.name,
            program: spec.program,
            running: None,
            boots: 0,
            paused: false,
            wall_offset_ns: spec.wall_offset_ns,
            wall_reads: 0,
        }
    }
}

impl World {
    /// The world of this thread, for a server's own callbacks.
    #[must_use]
    pub fn current() -> Self {
        Self { _private: () }
    }

    /// All hosts, in order.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..u32::try_from(with_state(|s| s.hosts.len())).unwrap_or(0)).map(HostId)
    }

    /// The host with this name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<HostId> {
        with_net(|net| net.host_named(name))
    }

    /// A host's name.
    #[must_use]
    pub fn name(&self, host: HostId) -> String {
        with_state(|s| s.hosts[host.index()].name.clone())
    }

    /// Which boot of the host runs, 0-based; `None` while it is down.
    #[must_use]
    pub fn incarnation(&self, host: HostId) -> Option<u32> {
        with_state(|s| s.hosts[host.index()].running.map(|_| s.hosts[host.index()].boots - 1))
    }

    /// Whether the host is stopped as by SIGSTOP.
    #[must_use]
    pub fn is_paused(&self, host: HostId) -> bool {
        with_state(|s| s.hosts[host.index()].paused)
    }

    /// Live tasks of the host.
    #[must_use]
    pub fn tasks(&self, host: HostId) -> usize {
        with_state(|s| s.hosts[host.index()].running).map_or(0, gate::tasks)
    }

    /// Names the servers of this world to [`World::apply`].
    pub fn set_control(&self, control: Box<dyn Control>) {
        with_state(|s| s.control = Some(control));
    }

    /// Starts a host that is down; a running one goes on.
    pub fn boot(&self, host: HostId) {
        let incarnation = gate::new_incarnation();
        let started = with_state(|s| {
            s.incarnations.push(Some(host));
            let h = &mut s.hosts[host.index()];
            if h.running.is_some() {
                return None;
            }
            h.running = Some(incarnation);
            h.paused = false;
            h.boots += 1;
            Some((Arc::clone(&h.program), Boot { host, incarnation: h.boots - 1 }))
        });
        let Some((program, boot)) = started else { return };
        with_net(|net| net.kernel(host).up = true);
        self.live(host, boot.incarnation, LifeEvent::Booted);
        let _scope = gate::enter(incarnation);
        let _runs_until_killed = tokio::spawn(async move {
            program(boot).await;
            World::current().end(host, Closing::Orderly);
        });
    }

    /// Ends the host's process. Returns whether there was one.
    fn end(&self, host: HostId, closing: Closing) -> bool {
        let Some(incarnation) = with_state(|s| s.hosts[host.index()].running.take()) else {
            with_net(|net| net.close_all(host, closing));
            return false;
        };
        gate::kill(incarnation);
        let leaked = with_net(|net| {
            net.close_all(host, closing);
            net.open_sockets(host) as u64
        });
        let boot = with_state(|s| {
            s.facts.sockets_after_death += leaked;
            s.dead.push((incarnation, gate::polls(incarnation)));
            s.hosts[host.index()].boots - 1
        });
        self.live(host, boot, LifeEvent::Died);
        true
    }

    /// Ends the host's process as by SIGKILL.
    pub fn kill(&self, host: HostId) -> bool {
        self.end(host, Closing::Orderly)
    }

    fn live(&self, host: HostId, incarnation: u32, event: LifeEvent) {
        let at_ns = with_net(|net| {
            let text = || format!("{event:?} (incarnation {incarnation})").to_lowercase();
            net.recorder.note(net.now_ns, Some(host), &(incarnation, event), text);
            net.now_ns
        });
        with_state(|s| s.facts.lives.push(Life { at_ns, host, incarnation, event }));
    }

    /// Runs `work` as a task of the host. `None` while it is down; the handle ends with an error when it dies.
    pub fn spawn<T: Send + 'static>(
        &self,
        host: HostId,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let incarnation = with_state(|s| s.hosts[host.index()].running)?;
        let _scope = gate::enter(incarnation);
        Some(tokio::spawn(work))
    }

    /// Records something the harness did.
    pub fn note(&self, host: Option<HostId>, what: &impl Hash, text: impl FnOnce() -> String) {
        with_net(|net| net.recorder.note(net.now_ns, host, what, text));
    }

    /// Applies a fault. The number it returns asks [`World::effects`] how often it mattered.
    ///
    /// # Errors
    /// When the fault names what this world does not have.
    pub fn apply(&self, fault: &Fault) -> Result<usize, FaultError> {
        let source = self.take_effect(fault)?;
        self.note(None, &format!("{fault:?}"), || fault.to_string());
        Ok(with_state(|s| {
            s.effects.push(source);
            s.effects.len() - 1
        }))
    }

    /// From now on these faults have mattered as often as they have by now: they were undone.
    fn freeze(&self, which: impl Fn(&EffectSource) -> bool) {
        let matching = with_state(|s| (0..s.effects.len()).filter(|i| which(&s.effects[*i])).collect::<Vec<_>>());
        for applied in matching {
            let times = self.effects(applied);
            with_state(|s| s.effects[applied] = EffectSource::Fixed(times));
        }
    }

    /// How often the fault with this number has mattered so far: packets, polls, clock reads, connections.
    #[must_use]
    pub fn effects(&self, applied: usize) -> u64 {
        with_state(|s| match &s.effects[applied] {
            EffectSource::Fabric(fault) => with_net(|net| net.fabric.effects(*fault)),
            EffectSource::Fixed(times) => *times,
            EffectSource::Counter { count, .. } => count(),
            EffectSource::Refused { incarnation, before } => gate::polls_refused(*incarnation) - before,
            EffectSource::WallReads { host, before } => s.hosts[host.index()].wall_reads - before,
        })
    }

    pub(crate) fn named(&self, name: &str) -> Result<HostId, FaultError> {
        self.host(name).ok_or_else(|| {
            let all: Vec<String> = with_state(|s| s.hosts.iter().map(|h| h.name.clone()).collect());
            FaultError::NoSuchHost(name.to_owned(), all.join(", "))
        })
    }
}

mod apply;
