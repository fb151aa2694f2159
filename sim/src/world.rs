//! The world: hosts with incarnations on one runtime, the faults that befall them, what they left.

mod apply;
mod handle;
mod helper;
mod scope;

use crate::engine::{self, try_with_net, with_net};
use crate::entropy::{self, Subsystem};
use crate::fault::Fault;
use crate::net::{Fabric, HostCosts, HostId, Net, NetworkProfile, Processors, Provider};
use crate::record::{Keep, Recorder, Recording};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::gate;
use tokio::runtime::{Builder, RngSeed};

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
#[derive(Clone, Debug)]
pub struct WorldConfig {
    /// Decides everything that is random.
    pub seed: u64,
    /// True wall time at world time 0, milliseconds since the Unix epoch.
    pub epoch_ms: u64,
    /// How links behave while no fault is on.
    pub network: NetworkProfile,
    /// What packets cost hosts, by name; of the others nothing.
    pub costs: BTreeMap<String, HostCosts>,
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
            costs: BTreeMap::new(),
            keep: Keep::Digest,
            poll_limit: DEFAULT_POLL_LIMIT,
            on_livelock: || panic!("time stood still while tasks kept running: {}", livelock_text()),
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
    /// On a helper thread: whose work it does. Everything else is empty there.
    on_helper: Option<helper::OnHelper>,
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
    let look = |state: &RefCell<State>| {
        let state = state.try_borrow().ok()?;
        match state.on_helper {
            Some(helper) => helper.host,
            None => state.incarnations.get(incarnation as usize).copied().flatten(),
        }
    };
    STATE.try_with(look).ok().flatten()
}

/// By how much the running host's wall clock is off, nanoseconds.
fn wall_offset_ns() -> i64 {
    let Some(host) = current_host() else { return 0 };
    let read = |state: &RefCell<State>| {
        let mut state = state.try_borrow_mut().ok()?;
        if let Some(helper) = state.on_helper {
            return Some(helper.wall_offset_ns);
        }
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

/// When time stood still and who ran last, for the verdict on a livelocked run.
#[must_use]
pub fn livelock_text() -> String {
    let at_ns = try_with_net(|net| net.now_ns).unwrap_or(0);
    let host = current_host().map(|h| with_state(|s| s.hosts[h.index()].name.clone()));
    let seconds = at_ns / 1_000_000_000;
    let who = host.unwrap_or_else(|| "the harness".to_owned());
    format!("at {seconds}.{:09} s, the last one of {who}", at_ns % 1_000_000_000)
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
    scope::enter(&config);
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
        let costs = hosts.iter().map(|host| config.costs.get(&host.name).copied().unwrap_or_default());
        let rng = entropy::stream(config.seed, Subsystem::Network);
        let fabric = Fabric::new(config.network, Processors::new(costs), rng, hosts.len());
        engine::install(Net::new(fabric, Recorder::new(config.keep), &names), waker);
        let world = World::current();
        with_state(|s| s.hosts = hosts.into_iter().map(Host::new).collect());
        for host in world.hosts() {
            world.boot(host);
        }
        main(world).await
    });
    let facts = scope::facts();
    scope::leave();
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
