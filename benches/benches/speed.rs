//! How fast whole runs are: `cargo bench -p squall-benches --bench speed [-- [--rounds K] [N…]]`.
//!
//! Runs `scenarios/bench/nats-N.toml` as `squall run` does, each in a forked child, and reports what the child cost.
//! Fails when a run does not pass, or when two runs of one seed differ.

mod child;

use child::{Failed, fix_layout, limits, measure};
use squall_benches::{Arguments, Effort, Spread, Table, milliseconds};
use squall_harness::run::{Prepared, RunOutput, RunSpec, execute};
use squall_harness::scenario::{Backend, load};
use squall_interpose::pool::Pool;
use squall_reports::{Digest, RunReport, Verdict};
use squall_sim::Keep;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SIZES: [u16; 7] = [5, 20, 25, 100, 200, 500, 1024];
const ROUNDS: usize = 7;
/// The same in all rounds: what differs between them is the machine.
const SEED: u64 = 1;
/// Real time that one run may take.
const TIME_LIMIT: Duration = Duration::from_secs(300);

/// Runs of five nodes whose throughput is measured, each time.
const THROUGHPUT_RUNS: usize = 400;
const THROUGHPUT_NODES: u16 = 5;
/// Runs a second and core to reach.
const THROUGHPUT_TARGET: f64 = 300.0;

/// What is to be reached with so many nodes.
struct Target {
    nodes: u16,
    /// Simulated seconds in a second of CPU time.
    ratio: f64,
    memory_mib: Option<f64>,
}

const TARGETS: [Target; 5] = [
    Target { nodes: 5, ratio: 5_000.0, memory_mib: Some(50.0) },
    Target { nodes: 20, ratio: 2_500.0, memory_mib: None },
    Target { nodes: 25, ratio: 2_500.0, memory_mib: None },
    Target { nodes: 500, ratio: 50.0, memory_mib: None },
    Target { nodes: 1024, ratio: 10.0, memory_mib: Some(512.0) },
];

fn main() -> ExitCode {
    fix_layout();
    let measured = Arguments::parse(std::env::args().skip(1), &SIZES, ROUNDS).and_then(|arguments| {
        print!("{}", single_runs(&arguments)?);
        println!();
        print!("{}", throughput(&arguments)?);
        Ok(())
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A run of the benchmark's scenario with so many nodes.
fn spec(nodes: u16, seed: u64, keep: Keep) -> Result<RunSpec, String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../scenarios/bench/nats-{nodes}.toml"));
    let scenario = load(&file).map_err(|error| format!("{error}; numbers of nodes are those of scenarios/bench"))?;
    let prepared = Prepared::new(scenario, Backend::Nats, Vec::new()).map_err(|error| error.to_string())?;
    Ok(RunSpec { prepared: Arc::new(prepared), seed, plan: None, keep })
}

/// A result as it crosses the pipe between `squall run` and its children.
fn encode(output: &RunOutput) -> Vec<u8> {
    serde_json::to_vec(output).expect("a result has only strings, numbers and lists")
}

fn decode(output: &[u8]) -> Result<RunReport, String> {
    let output: RunOutput = serde_json::from_slice(output).map_err(|error| error.to_string())?;
    let report = output.report;
    if report.verdict == Verdict::Pass {
        return Ok(report);
    }
    let reasons: Vec<String> = report.culprits().map(|check| format!("{}: {}", check.name, check.reason)).collect();
    Err(format!("{} with seed {}: {}", report.scenario, report.seed, reasons.join("; ")))
}

fn failed(nodes: u16, failed: &Failed) -> String {
    match failed {
        Failed::TimedOut => format!("{nodes} nodes took more than {} s", TIME_LIMIT.as_secs()),
        Failed::Broke(how) => format!("the run with {nodes} nodes ended without a result: {how}"),
    }
}

/// How many versions of the block list took effect on a node because a broadcast brought them; and the run's digest.
/// Counted in a run of its own, which keeps what the measured ones need not.
fn count_deliveries(nodes: u16) -> Result<(u32, Digest), String> {
    let spec = spec(nodes, SEED, Keep::Everything)?;
    let count = || {
        let output = execute(&spec);
        let delivered = |line: &&String| line.contains(" applies ") && line.ends_with(" by Broadcast");
        let deliveries = output.timeline.iter().filter(delivered).count();
        format!("{deliveries} {}", output.report.digest.0).into_bytes()
    };
    let counted = measure(TIME_LIMIT, count).map_err(|error| failed(nodes, &error))?;
    let text = String::from_utf8_lossy(&counted.output);
    let parsed = text.split_once(' ').and_then(|(n, digest)| Some((n.parse().ok()?, Digest(digest.parse().ok()?))));
    parsed.filter(|(n, _)| *n > 0).ok_or_else(|| format!("the run with {nodes} nodes delivered nothing"))
}

/// The rounds of one size.
struct Runs {
    nodes: u16,
    deliveries: u32,
    digest: Digest,
    report: Option<RunReport>,
    cpu_s: Vec<f64>,
    wall_s: Vec<f64>,
    rss_mib: Vec<f64>,
}

impl Runs {
    fn new(nodes: u16) -> Result<Self, String> {
        let (deliveries, digest) = count_deliveries(nodes)?;
        let (cpu_s, wall_s, rss_mib) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { nodes, deliveries, digest, report: None, cpu_s, wall_s, rss_mib })
    }

    fn once(&mut self) -> Result<(), String> {
        let spec = spec(self.nodes, SEED, Keep::Digest)?;
        let one = measure(TIME_LIMIT, || encode(&execute(&spec))).map_err(|error| failed(self.nodes, &error))?;
        let report = decode(&one.output)?;
        if report.digest != self.digest {
            return Err(format!("two runs with {} nodes and seed {SEED} differ", self.nodes));
        }
        self.report = Some(report);
        self.cpu_s.push(one.cpu.as_secs_f64());
        self.wall_s.push(one.wall.as_secs_f64());
        self.rss_mib.push(one.peak_rss_kib as f64 / 1_024.0);
        Ok(())
    }

    fn row(&self) -> Option<[String; 12]> {
        let report = self.report.as_ref()?;
        let (cpu, wall) = (Spread::of(self.cpu_s.iter().copied())?, Spread::of(self.wall_s.iter().copied())?);
        let rss = Spread::of(self.rss_mib.iter().copied())?;
        let target = TARGETS.iter().find(|target| target.nodes == self.nodes);
        let sim_s = report.sim_ms as f64 / 1_000.0;
        let us = cpu.median * 1e6;
        let memory_target = target.and_then(|target| target.memory_mib);
        Some([
            self.nodes.to_string(),
            format!("{sim_s:.1}"),
            cpu.show(milliseconds),
            wall.show(milliseconds),
            format!("{:.0}×", sim_s / cpu.median),
            target.map_or_else(String::new, |t| judge(format!("≥ {}×", t.ratio), sim_s / cpu.median >= t.ratio)),
            report.events.to_string(),
            self.deliveries.to_string(),
            format!("{:.1}", us / f64::from(self.deliveries)),
            format!("{:.1}", us / report.events as f64),
            format!("{:.0}", rss.max),
            memory_target.map_or_else(String::new, |mib| judge(format!("≤ {mib}"), rss.max <= mib)),
        ])
    }
}

fn judge(target: String, reached: bool) -> String {
    if reached { format!("{target} met") } else { format!("{target} MISSED") }
}

/// What single runs cost. Sizes take turns, so that a busy spell of the machine does not hit one of them alone.
fn single_runs(arguments: &Arguments) -> Result<Table<12>, String> {
    let mut sizes = arguments.sizes.iter().map(|nodes| Runs::new(*nodes)).collect::<Result<Vec<_>, _>>()?;
    for _ in 0..arguments.rounds {
        for runs in &mut sizes {
            runs.once()?;
        }
    }
    let mut table = Table::new([
        "nodes",
        "simulated, s",
        "CPU, ms",
        "wall, ms",
        "simulated/CPU",
        "target",
        "events",
        "deliveries",
        "µs CPU/delivery",
        "µs CPU/event",
        "peak RSS, MiB",
        "target",
    ]);
    for row in sizes.iter().filter_map(Runs::row) {
        table.row(row);
    }
    println!("every run passed all its checks; {} rounds, median (least–greatest)\n", arguments.rounds);
    Ok(table)
}

/// CPU time of this process without its children, from the scheduler's own account.
fn own_cpu() -> Duration {
    let account = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let ns = account.split_whitespace().next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.unwrap_or(0))
}

/// Does runs of the smallest scenario, `jobs` at a time; returns runs a second of CPU time and of real time.
fn many_runs(jobs: usize, runs: usize) -> Result<(f64, f64), String> {
    let first = spec(THROUGHPUT_NODES, 0, Keep::Digest)?;
    let mut seeds = (0..runs).map(|seed| RunSpec { seed: seed as u64, ..first.clone() }).enumerate();
    let mut pool = Pool::new();
    let (began, own_before) = (Instant::now(), own_cpu());
    let mut cpu = Duration::ZERO;
    loop {
        while pool.len() < jobs {
            let Some((tag, spec)) = seeds.next() else { break };
            pool.start(tag, limits(TIME_LIMIT), || encode(&execute(&spec))).map_err(|error| error.to_string())?;
        }
        if pool.is_empty() {
            break;
        }
        let Some(ended) = pool.wait().map_err(|error| error.to_string())? else { continue };
        decode(&ended.output).map_err(|error| format!("{error} ({:?})", ended.exit))?;
        cpu += ended.cpu;
    }
    let wall = began.elapsed();
    cpu += own_cpu().saturating_sub(own_before);
    Ok((runs as f64 / cpu.as_secs_f64(), runs as f64 / wall.as_secs_f64()))
}

/// How many short runs there are in a second, as `squall run --seeds` does them.
fn throughput(arguments: &Arguments) -> Result<Table<5>, String> {
    let (runs, rounds) = match arguments.effort {
        Effort::Full => (THROUGHPUT_RUNS, arguments.rounds.div_ceil(2)),
        Effort::Trial => (2, 1),
    };
    let jobs = [1, 2];
    let mut rates = jobs.map(|_| (Vec::new(), Vec::new()));
    for _ in 0..rounds {
        for (jobs, rates) in jobs.iter().zip(&mut rates) {
            let (per_cpu_s, per_wall_s) = many_runs(*jobs, runs)?;
            rates.0.push(per_cpu_s);
            rates.1.push(per_wall_s);
        }
    }
    let mut table = Table::new(["jobs", "runs", "runs per CPU second", "runs per second", "target a second and core"]);
    for (jobs, (per_cpu_s, per_wall_s)) in jobs.iter().zip(rates) {
        let (Some(cpu), Some(wall)) = (Spread::of(per_cpu_s), Spread::of(per_wall_s)) else { continue };
        let whole = |rate: f64| format!("{rate:.0}");
        let target = judge(format!("≥ {THROUGHPUT_TARGET}"), cpu.median >= THROUGHPUT_TARGET);
        table.row([jobs.to_string(), runs.to_string(), cpu.show(whole), wall.show(whole), target]);
    }
    Ok(table)
}
