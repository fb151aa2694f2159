//! `squall verify`

use super::common::Which;
use super::output;
use super::progress::Progress;
use crate::scenario::load_all;
use squall_interpose::signals;
use squall_reports::{Exit, RunReport, Verdict};
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

/// Do every run twice, in separate processes with a different environment and another number of jobs, and compare.
///
/// A difference is exit code 4, and the first event that diverges is named.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
}

/// One of the two surroundings of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Surroundings {
    /// The caller's environment, one run at a time.
    AsCalled,
    /// Nothing of it, and kilobytes of other variables, which move the stack; several runs at a time.
    Foreign,
}

/// How often a differing run is traced in the hope that it differs again.
const TRACE_TRIES: u32 = 5;
/// Lines before the divergence that are shown.
const COMMON_LINES: usize = 3;
/// SIGINT and SIGTERM.
const INTERRUPTS: [i32; 2] = [2, 15];
/// Differing runs that are traced.
const TRACED_MAX: usize = 3;

pub(super) fn main(args: &Args) -> Exit {
    try_main(args).unwrap_or_else(|exit| exit)
}

fn try_main(args: &Args) -> Result<Exit, Exit> {
    // Says what is wrong with the input once, before two processes would.
    let prepared = args.which.prepare()?;
    let seeds = args.which.seeds();
    let runs = (seeds.end - seeds.start).saturating_mul(prepared.len() as u64);
    let scratch =
        tempfile::tempdir().map_err(|error| broken(&format!("cannot make a directory for traces: {error}")))?;
    let mut progress = Progress::new(runs * 2);
    let (send, receive) = mpsc::channel();
    let (first, second) = std::thread::scope(|scope| {
        let worker = |surroundings| {
            let send = send.clone();
            let scratch = scratch.path();
            scope.spawn(move || all_runs(args, surroundings, scratch, &send))
        };
        let workers = (worker(Surroundings::AsCalled), worker(Surroundings::Foreign));
        drop(send);
        for report in receive {
            progress.done(&report);
        }
        (workers.0.join(), workers.1.join())
    });
    progress.clear();
    let (Ok(first), Ok(second)) = (first, second) else { return Err(broken("a thread that reads results died")) };
    let cut_short = [&first, &second].iter().any(|done| matches!(done, Err(Exit::Inconclusive)));
    if cut_short || signals::interrupted() {
        output::note("interrupted: nothing can be said before every run was done twice");
        return Err(Exit::Inconclusive);
    }
    let (first, second) = (first?, second?);
    if first.len() != second.len() || first.len() as u64 != runs {
        return Err(broken(&format!("{runs} runs were asked for, {} and {} were done", first.len(), second.len())));
    }
    conclude(args, &first, &second, scratch.path())
}

fn broken(message: &str) -> Exit {
    output::error(message);
    Exit::Broken
}

/// The command for some runs in these surroundings.
fn command(surroundings: Surroundings) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("run").stdin(Stdio::null());
    if surroundings == Surroundings::Foreign {
        command.env_clear().env("TZ", "Pacific/Chatham").env("LANG", "tr_TR.UTF-8").env("RUST_BACKTRACE", "1");
        for i in 0..40 {
            command.env(format!("SQUALL_PADDING_{i}"), "x".repeat(100 + i));
        }
    }
    command
}

fn all_runs(
    args: &Args,
    surroundings: Surroundings,
    scratch: &Path,
    send: &mpsc::Sender<RunReport>,
) -> Result<Vec<RunReport>, Exit> {
    let jobs = match surroundings {
        Surroundings::AsCalled => "1",
        Surroundings::Foreign => "3",
    };
    let seeds = args.which.seeds();
    let mut command = command(surroundings);
    command.args(&args.which.paths).args(["--format", "json", "--jobs", jobs]);
    command.arg("--seeds").arg(format!("{}..{}", seeds.start, seeds.end));
    command.arg("--out").arg(scratch.join(jobs));
    if let Some(backend) = args.which.backend {
        command.arg("--backend").arg(backend.name());
    }
    for defect in &args.which.defects {
        command.arg("--defect").arg(defect.name());
    }
    let child = command.stdout(Stdio::piped()).spawn();
    let mut child: Child = child.map_err(|error| broken(&format!("cannot start a second squall: {error}")))?;
    let Some(output) = child.stdout.take() else { return Err(broken("a process without output")) };
    let mut reports = Vec::new();
    // An interrupt that only this process got ends the other with the pipe that it writes to.
    for line in BufReader::new(output).lines().take_while(|_| !signals::interrupted()) {
        let report = line.map_err(|e| e.to_string());
        let report: RunReport = report
            .and_then(|line| serde_json::from_str(&line).map_err(|e| e.to_string()))
            .map_err(|error| broken(&format!("a result could not be read: {error}")))?;
        let _nobody_watches = send.send(report.clone());
        reports.push(report);
    }
    let status = child.wait().map_err(|error| broken(&format!("cannot wait for a squall: {error}")))?;
    match status.code() {
        // The other process may hear of it before this one does.
        _ if signals::interrupted() || status.signal().is_some_and(|signal| INTERRUPTS.contains(&signal)) => {
            Err(Exit::Inconclusive)
        }
        // Whether checks passed is not the question here.
        Some(0 | 1 | 3) => Ok(reports),
        _ => Err(broken(&format!("a squall ended with {status}"))),
    }
}

fn conclude(args: &Args, first: &[RunReport], second: &[RunReport], scratch: &Path) -> Result<Exit, Exit> {
    let differing: Vec<_> = first.iter().zip(second).filter(|(a, b)| !same(a, b)).collect();
    let passed = first.iter().filter(|report| report.verdict == Verdict::Pass).count();
    output::print_line(format_args!(
        "{} runs, each done twice in separate processes: {} differences ({passed} of the runs pass their checks)",
        first.len(),
        differing.len()
    ))?;
    for (a, b) in differing.iter().take(TRACED_MAX) {
        output::print_line(format_args!(
            "\n{} seed {} on {}: digests {} and {}",
            a.scenario, a.seed, a.backend, a.digest, b.digest
        ))?;
        for line in divergence(args, a, scratch)? {
            output::print_line(format_args!("  {line}"))?;
        }
    }
    Ok(if differing.is_empty() { Exit::Passed } else { Exit::Nondeterminism })
}

/// Everything but real time must agree.
fn same(a: &RunReport, b: &RunReport) -> bool {
    RunReport { wall_ms: 0, ..a.clone() } == RunReport { wall_ms: 0, ..b.clone() }
}

/// Traces a differing run in both surroundings and finds the first event that is not the same.
fn divergence(args: &Args, report: &RunReport, scratch: &Path) -> Result<Vec<String>, Exit> {
    let scenarios = load_all(&args.which.paths).map_err(|errors| super::common::complain(&errors))?;
    let Some(scenario) = scenarios.iter().find(|s| s.name == report.scenario) else {
        return Ok(vec!["its scenario file is gone".to_owned()]);
    };
    for _ in 0..TRACE_TRIES {
        let traces = [Surroundings::AsCalled, Surroundings::Foreign].map(|surroundings| {
            let path = scratch.join(format!("{surroundings:?}.trace"));
            let mut command = command(surroundings);
            command.arg(&scenario.file).arg("--trace").arg(&path).args(["--format", "json"]);
            command.args(["--seed", &report.seed.to_string(), "--backend", &report.backend]);
            command.arg("--out").arg(scratch.join("trace"));
            for defect in &args.which.defects {
                command.arg("--defect").arg(defect.name());
            }
            let _verdict_is_known = command.stdout(Stdio::null()).status();
            std::fs::read_to_string(path).unwrap_or_default()
        });
        let [a, b] = traces.each_ref().map(|text| text.lines().collect::<Vec<_>>());
        let longest = a.len().max(b.len());
        let Some(at) = (0..longest).find(|i| a.get(*i) != b.get(*i)) else { continue };
        let mut lines = vec![format!("the first event that diverges is number {}:", at + 1)];
        lines.extend(a[at.saturating_sub(COMMON_LINES)..at].iter().map(|line| format!("  both  {line}")));
        lines.push(format!("  one   {}", a.get(at).unwrap_or(&"(the run ends)")));
        lines.push(format!("  other {}", b.get(at).unwrap_or(&"(the run ends)")));
        return Ok(lines);
    }
    Ok(vec![format!("{TRACE_TRIES} further pairs agreed, so the event cannot be named: the cause acts now and then")])
}
