//! `squall replay`

use super::common::{How, build_id, complain, defect, prepare};
use super::output;
use super::results::expect;
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
        output::error(error);
        Exit::Usage
    })?;
    let scenario = failure.scenario.load().map_err(|error| complain(&[error]))?;
    let defects = failure.defects.iter().map(|name| defect(name)).collect::<Result<Vec<_>, _>>();
    let defects = defects.map_err(|error| {
        output::error(format_args!("{}: {error}", args.failure.display()));
        Exit::Usage
    })?;
    let prepared = prepare(scenario, failure.backend, defects)?;
    let plan = Some(failure.plan.clone());
    let spec = RunSpec { prepared, seed: failure.seed, plan, keep: Keep::Everything };
    let mut done = None;
    let ended = do_runs(&args.how.batch(), std::iter::once(spec), |spec, mut result| {
        expect(spec, &mut result);
        done = Some(result);
        Ok(())
    });
    let Some(done) = done else { return Err(if ended == Exit::Passed { Exit::Broken } else { ended }) };
    let (conclusion, exit) = compare(args, &failure, &done);
    output::print(&format!("{}\n{conclusion}\n", story(&failure, &done)))?;
    if let Some(path) = &args.trace {
        write_trace(path, &done.trace)?;
    }
    Ok(exit)
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

/// Whether the recorded run happened again, in words and as an exit code.
fn compare(args: &Args, failure: &Failure, output: &RunOutput) -> (String, Exit) {
    let (recorded, now) = (failure.digest, output.report.digest);
    let verdict = Exit::of(output.report.verdict);
    if args.edited {
        return (format!("digest {now} (recorded before the file was edited: {recorded})"), verdict);
    }
    if recorded == now {
        return (format!("digest {now}, as recorded"), verdict);
    }
    let differs = format!("digest {now}, but {recorded} was recorded");
    let build = build_id();
    if build == failure.build {
        let advice = "the build is the same: the run is not deterministic; `squall verify` shows where it diverges";
        return (format!("{differs}\n{advice}"), Exit::Nondeterminism);
    }
    let advice = format!(
        "it was recorded by the build {}, this is {build}: check out that version to see the same run",
        failure.build
    );
    let exit = if output.report.verdict == Verdict::Pass { Exit::Inconclusive } else { Exit::Failed };
    (format!("{differs}\n{advice}"), exit)
}
