//! The phases of a run: boot, chaos, quiet, final reads, verdict.

use super::cluster::{Cluster, hosts};
use super::observe::RUNNING;
use super::{Measuring, Prepared, RunOutput, RunSpec, timeline};
use crate::checker::{self, Checker, NoLivelock};
use crate::record::{AppliedFault, FinalState, Life, LifeEvent, Panic, RunRecord, WorldFacts};
use crate::scenario::CheckSpec;
use crate::workload::{self, Ops};
use crate::{build, nemesis};
use squall_cluster::blocklist::Entry;
use squall_cluster::defects;
use squall_cluster::observe::NodeEvent;
use squall_cluster::store::{READ_ALL, StoredRow};
use squall_interpose::pool;
use squall_reports::{Digest, FanOut, RunReport};
use squall_sim::entropy::{Subsystem, stream};
use squall_sim::fault::{Fault, PlannedFault};
use squall_sim::servers::postgres::Disk;
use squall_sim::world::{self, Facts, Finished};
use squall_sim::{HostCosts, HostId, World, WorldConfig};
use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long nodes may take to become ready before the chaos begins without them.
const BOOT_MAX: Duration = Duration::from_secs(10);
/// Between two looks at who is ready.
const BOOT_LOOK: Duration = Duration::from_millis(10);

/// Runs one world to its verdict, in this process.
///
/// # Panics
/// When the plan names hosts that the scenario does not have, or SQLite gets no memory: both are checked before.
#[must_use]
pub fn execute(spec: &RunSpec) -> RunOutput {
    let began = Instant::now();
    let prepared = &*spec.prepared;
    defects::activate(&prepared.defects);
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(spec.clone());
    let plan = spec.plan.clone().unwrap_or_else(|| {
        let mut rng = stream(spec.seed, Subsystem::Nemesis);
        nemesis::resolve(&prepared.scenario, &prepared.topology, &mut rng)
    });
    let mut config = WorldConfig::new(spec.seed);
    let epoch_ms = config.epoch_ms;
    config.network = (&prepared.scenario.network.profile).into();
    config.costs = costs(prepared);
    config.keep = spec.keep;
    config.on_livelock = livelocked;
    let (hosts, cluster, control) = hosts(prepared, spec.seed).expect("an in-memory database opens");
    let finished = world::run(config, hosts, |world| {
        world.set_control(Box::new(control));
        drive(world, spec, &plan, &cluster)
    });
    conclude(spec, plan, &cluster, epoch_ms, finished, began)
}

/// What packets cost the hosts on this backend, as far as the network's profile knows.
fn costs(prepared: &Prepared) -> BTreeMap<String, HostCosts> {
    let Some(costs) = prepared.scenario.network.profile.costs.get(&prepared.backend) else { return BTreeMap::new() };
    let topology = &prepared.topology;
    let nodes = topology.nodes.iter().map(|name| (name.clone(), (&costs.node).into()));
    nodes.chain(topology.brokers.iter().map(|name| (name.clone(), (&costs.broker).into()))).collect()
}

/// Ends a run in which time stands still: its tasks would never let it reach a verdict.
fn livelocked() -> ! {
    let text = world::livelock_text();
    let spec = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    let world = WorldFacts { livelock: Some(text.clone()), ..WorldFacts::default() };
    let record = RunRecord { world, end_ns: squall_sim::now_ns(), ..RunRecord::default() };
    let check = NoLivelock.check(&record);
    let output = spec.map(|spec| RunOutput::ended_early(&spec, check));
    pool::finish_with(&output.map_or_else(|| text.into_bytes(), |output| super::batch::encode(&output)))
}

/// What the harness itself saw, in the run.
struct Driven {
    chaos_from_ns: u64,
    healed_ns: u64,
    ready_tasks: Vec<usize>,
    end_tasks: Vec<usize>,
    operations: Ops,
    faults: Vec<(u64, PlannedFault, Option<usize>)>,
    effects: Vec<u64>,
    finals: Vec<FinalState>,
}

async fn drive(world: World, spec: &RunSpec, plan: &[PlannedFault], cluster: &Cluster) -> Driven {
    let scenario = &spec.prepared.scenario;
    let nodes: Vec<HostId> = spec.prepared.topology.nodes.iter().filter_map(|name| world.host(name)).collect();
    boot(nodes.len(), cluster).await;
    let tasks = || nodes.iter().map(|host| world.tasks(*host)).collect::<Vec<_>>();
    let ready_tasks = tasks();
    let chaos_from_ns = squall_sim::now_ns();
    world.note(None, &"chaos begins", || "chaos begins".to_owned());
    let operations = Ops::default();
    let load = workload::start(world, spec, &nodes, &cluster.nodes, &operations);
    let faults = wreak(world, plan, chaos_from_ns).await;
    sleep_until_ns(chaos_from_ns + ns(scenario.run)).await;
    for task in &load {
        task.abort();
    }
    let healed_ns = squall_sim::now_ns();
    world.note(None, &"quiet begins", || "all healed, quiet begins".to_owned());
    sleep(scenario.settle).await;
    let effects = faults.iter().map(|(_, _, applied)| applied.map_or(0, |number| world.effects(number))).collect();
    let finals = (1..).zip(&nodes).zip(&cluster.nodes).map(|((node, host), slot)| {
        let running = world.incarnation(*host).and_then(|_| slot.get());
        let (incarnation, entries) = running.map_or((None, Vec::new()), |(inc, node)| (Some(inc), node.entries()));
        FinalState { node, incarnation, entries }
    });
    let finals = finals.collect();
    Driven { chaos_from_ns, healed_ns, ready_tasks, end_tasks: tasks(), operations, faults, effects, finals }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

async fn sleep_until_ns(at_ns: u64) {
    sleep(Duration::from_nanos(at_ns.saturating_sub(squall_sim::now_ns()))).await;
}

/// Waits until every node has reached both its backends.
async fn boot(nodes: usize, cluster: &Cluster) {
    let is_ready = |event: &NodeEvent| matches!(event, NodeEvent::Ready { coordinated: true, stored: true });
    let mut waited = Duration::ZERO;
    loop {
        let mut ready: Vec<u16> =
            cluster.log.with(|seen| seen.iter().filter(|o| is_ready(&o.event)).map(|o| o.node).collect());
        ready.sort_unstable();
        ready.dedup();
        if ready.len() >= nodes || waited >= BOOT_MAX {
            return;
        }
        sleep(BOOT_LOOK).await;
        waited += BOOT_LOOK;
    }
}

/// Follows the plan to its end.
async fn wreak(world: World, plan: &[PlannedFault], from_ns: u64) -> Vec<(u64, PlannedFault, Option<usize>)> {
    let mut applied = Vec::with_capacity(plan.len());
    for planned in plan {
        sleep_until_ns(from_ns + planned.at_ns).await;
        let number = world.apply(&planned.fault);
        if let Err(error) = &number {
            world.note(None, &"fault failed", || format!("could not apply {}: {error}", planned.fault));
        }
        applied.push((squall_sim::now_ns(), planned.clone(), number.ok()));
    }
    applied
}

fn conclude(
    spec: &RunSpec,
    plan: Vec<PlannedFault>,
    cluster: &Cluster,
    epoch_ms: u64,
    finished: Finished<Driven>,
    began: Instant,
) -> RunOutput {
    let scenario = &spec.prepared.scenario;
    let Finished { result: driven, recording, facts, end_ns } = finished;
    let names = &spec.prepared.topology.nodes;
    let record = RunRecord {
        backend: Some(spec.prepared.backend),
        nodes: scenario.nodes,
        chaos_from_ns: driven.chaos_from_ns,
        healed_ns: driven.healed_ns,
        end_ns,
        epoch_ms,
        operations: driven.operations.take(),
        observations: cluster.log.take(),
        receptions: cluster.log.take_receptions(),
        lives: lives(&facts, names.len()),
        fault_entries: scenario.faults.len(),
        inapplicable: nemesis::inapplicable(scenario, &spec.prepared.topology),
        faults: boot_skews(spec).chain(applied(driven.faults, &driven.effects)).collect(),
        finals: driven.finals,
        stored: stored(&cluster.disk),
        panics: facts.panics.iter().map(|p| panic_of(p, &host_names(spec))).collect(),
        world: WorldFacts {
            polls_after_death: facts.polls_after_death,
            sockets_after_death: facts.sockets_after_death,
            escaped_spawns: facts.escaped_spawns,
            tasks: (1..).zip(driven.ready_tasks).zip(driven.end_tasks).map(|((n, r), e)| (n, r, e)).collect(),
            livelock: None,
        },
    };
    let (checks, spread) = checker::judge(&checkers(&scenario.checks), &record);
    let mut report = RunReport::new(scenario.name.clone(), spec.seed, spec.prepared.backend.name(), checks.clone())
        .with_digest(Digest(recording.digest))
        .with_cost(end_ns / 1_000_000, elapsed_ms(began), recording.events);
    if spread.deliveries > 0 {
        let (p50_us, p99_us, last_p99_us) = (spread.p50_us, spread.p99_us, spread.last_p99_us);
        report = report.with_fan_out(FanOut { p50_us, p99_us, last_p99_us });
    }
    let names = host_names(spec);
    let name = |host: HostId| names[host.index()].clone();
    let measures = (spec.prepared.measuring == Measuring::On).then(|| checker::measure(&record));
    RunOutput {
        report,
        checks,
        plan,
        measures,
        timeline: timeline(&recording.trace, name),
        trace: recording.trace.iter().map(|event| event.line(name)).collect(),
    }
}

fn elapsed_ms(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

fn host_names(spec: &RunSpec) -> Vec<String> {
    let topology = &spec.prepared.topology;
    topology.nodes.iter().chain(&topology.brokers).chain([&topology.store]).cloned().collect()
}

fn checkers(specs: &[CheckSpec]) -> Vec<Box<dyn Checker>> {
    let mut checkers: Vec<Box<dyn Checker>> = specs.iter().filter_map(build::checker).collect();
    checkers.extend(checker::always_on());
    checkers
}

fn lives(facts: &Facts, nodes: usize) -> Vec<Life> {
    let of_nodes = facts.lives.iter().filter(|life| life.host.index() < nodes);
    let life = |life: &world::Life| Life {
        at_ns: life.at_ns,
        node: u16::try_from(life.host.index() + 1).unwrap_or(u16::MAX),
        incarnation: life.incarnation,
        event: match life.event {
            world::LifeEvent::Booted => LifeEvent::Booted,
            world::LifeEvent::Died => LifeEvent::Died,
            world::LifeEvent::Paused => LifeEvent::Paused,
            world::LifeEvent::Resumed => LifeEvent::Resumed,
        },
    };
    of_nodes.map(life).collect()
}

/// Clocks that were off from the start: no entry of the scenario's faults, but checkers must know.
fn boot_skews(spec: &RunSpec) -> impl Iterator<Item = AppliedFault> + '_ {
    let prepared = &spec.prepared;
    let skewed = prepared.scenario.overrides.iter().filter(|node| node.skew_ns != 0);
    skewed.map(|node| {
        let host = prepared.topology.nodes[usize::from(node.index) - 1].clone();
        let fault = Fault::Skew { host, offset_ns: node.skew_ns };
        let planned = PlannedFault { at_ns: 0, entry: usize::MAX, undo: true, fault };
        AppliedFault { at_ns: 0, planned, effects: 0 }
    })
}

fn applied<'a>(
    faults: Vec<(u64, PlannedFault, Option<usize>)>,
    effects: &'a [u64],
) -> impl Iterator<Item = AppliedFault> + 'a {
    let fault = |((at_ns, planned, _), effects): ((u64, PlannedFault, Option<usize>), &u64)| AppliedFault {
        at_ns,
        planned,
        effects: *effects,
    };
    faults.into_iter().zip(effects).map(fault)
}

fn panic_of(panicked: &world::Panicked, names: &[String]) -> Panic {
    let host = panicked.host.map_or_else(|| "the harness".to_owned(), |host| names[host.index()].clone());
    Panic { at_ns: panicked.at_ns, host, message: panicked.message.clone() }
}

/// What the store holds, past its server.
fn stored(disk: &Disk) -> Vec<Entry> {
    let read = disk.read(|connection| {
        let mut statement = connection.prepare(&READ_ALL.replace("$1", "?1"))?;
        let rows = statement.query_map([i64::MIN], |row| {
            Ok(StoredRow {
                net: row.get(0)?,
                wall_ms: row.get(1)?,
                counter: row.get(2)?,
                incarnation: row.get(3)?,
                blocked: row.get(4)?,
                reason: row.get(5)?,
                expires_ms: row.get(6)?,
            })
        })?;
        rows.collect::<Result<Vec<_>, _>>()
    });
    // No table: no node ever reached the store.
    let rows = read.and_then(|rows| rows).unwrap_or_default();
    let mut entries: Vec<Entry> = rows.into_iter().filter_map(|row| Entry::try_from(row).ok()).collect();
    entries.sort_by_key(|entry| entry.net);
    entries
}
