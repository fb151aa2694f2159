//! `squall replay`

use super::common::{How, build_id, complain, defect, prepare};
use super::run::{do_runs, write_trace};
use crate::failure::{self, Failure, Trust};
use crate::run::{RunOutput, RunSpec};
use squall_reports::{Exit, Verdict};
use squall_sim::Keep;
use std::fmt::Write as _;
use std::path::PathBuf;

/// Run a recorded failure again and tell its story.
///
/// The run must give the recorded digest; exit code 4 says that it did not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A failure file, as `squall run` leaves it
    #[arg(value_name = "FAILURE")]
    failure: PathBuf,
    #[command(flatten)]
    how: How,
    /// Accept a file that was edited (another plan, for example); its digest is then not compared
    #[arg(long)]
    edited: bool,
    /// Write every event of the run, packet by packet
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Exit {
    try_main(args).unwrap_or_else(|exit| exit)
}

fn try_main(args: &Args) -> Result<Exit, Exit> {
    let trust = if args.edited { Trust::Edited } else { Trust::Untouched };
    let failure = failure::read(&args.failure, trust).map_err(|error| {
        eprintln!("error: {error}");
        Exit::Usage
    })?;
    let scenario = failure.scenario.load().map_err(|error| complain(&[error]))?;
    let defects = failure.defects.iter().map(|name| defect(name)).collect::<Result<Vec<_>, _>>();
    let defects = defects.map_err(|error| {
        eprintln!("error: {}: {error}", args.failure.display());
        Exit::Usage
    })?;
    let prepared = prepare(scenario, failure.backend, defects)?;
    let plan = Some(failure.plan.clone());
    let spec = RunSpec { prepared, seed: failure.seed, plan, keep: Keep::Everything };
    let mut output = None;
    let ended = do_runs(&args.how.batch(), std::iter::once(spec), |_, result| {
        output = Some(result);
        Ok(())
    });
    let Some(output) = output else { return Err(ended.and(Exit::Broken)) };
    if let Some(path) = &args.trace {
        write_trace(path, &output.trace)?;
    }
    print!("{}", story(&failure, &output));
    Ok(compare(args, &failure, &output))
}

/// What happened, and what the checkers made of it.
fn story(failure: &Failure, output: &RunOutput) -> String {
    let mut text = format!("{} seed {} on {}\n\ntimeline\n", failure.scenario.name, failure.seed, failure.backend);
    for line in &output.timeline {
        let _infallible = writeln!(text, "  {line}");
    }
    for check in &output.checks {
        let _infallible = writeln!(text, "\n{} {}: {}", check.verdict, check.name, check.reason);
        for line in &check.evidence {
            let _infallible = writeln!(text, "  {line}");
        }
    }
    text
}

fn compare(args: &Args, failure: &Failure, output: &RunOutput) -> Exit {
    let (recorded, now) = (failure.digest, output.report.digest);
    if args.edited {
        println!("\ndigest {now} (recorded before the file was edited: {recorded})");
        return Exit::of(output.report.verdict);
    }
    if recorded == now {
        println!("\ndigest {now}, as recorded");
        return Exit::of(output.report.verdict).and(Exit::Passed);
    }
    println!("\ndigest {now}, but {recorded} was recorded");
    let build = build_id();
    if build == failure.build {
        println!("the build is the same: the run is not deterministic; `squall verify` shows where it diverges");
        return Exit::Nondeterminism;
    }
    println!("it was recorded by the build {}, this is {build}: check out that version to see the same run", failure.build);
    if output.report.verdict == Verdict::Pass { Exit::Inconclusive } else { Exit::Failed }
}
