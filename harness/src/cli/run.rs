//! `squall run`

use super::common::{How, Which};
use super::output;
use super::progress::Progress;
use super::results::{Format, Results};
use crate::run::{Batch, Ended, RunOutput, RunSpec};
use squall_reports::{Exit, write_atomically};
use squall_sim::Keep;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Run scenarios over a range of seeds and judge them.
///
/// Every failure leaves a file below `--out` (default: squall-out/failures) that `squall replay` runs again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    how: How,
    /// Directory for results.jsonl and failure files
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Write a JUnit report
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Write every event of the run, packet by packet; takes a single run
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Exit {
    try_main(args).unwrap_or_else(|exit| exit)
}

fn try_main(args: &Args) -> Result<Exit, Exit> {
    let prepared = args.which.prepare()?;
    let seeds = args.which.seeds();
    let runs = (seeds.end - seeds.start).saturating_mul(prepared.len() as u64);
    if args.trace.is_some() && runs != 1 {
        output::error(format_args!(
            "--trace takes a single run, and this is {runs}; give one scenario file, --seed and --backend"
        ));
        return Err(Exit::Usage);
    }
    let keep = if args.trace.is_some() { Keep::Everything } else { Keep::Digest };
    let mut results = Results::open(args.format, args.out.as_deref(), args.junit.as_deref())?;
    let specs = prepared.into_iter().flat_map(|prepared| {
        seeds.clone().map(move |seed| RunSpec { prepared: prepared.clone(), seed, plan: None, keep })
    });
    let mut progress = Progress::new(runs);
    let ended = do_runs(&args.how.batch(), specs, |spec, output| {
        let (report, trace) = results.receive(spec, output)?;
        progress.done(&report);
        // The result comes first: it must not be lost with a trace that cannot be written.
        args.trace.as_ref().map_or(Ok(()), |path| write_trace(path, &trace).map_err(|_| ()))
    });
    progress.clear();
    Ok(results.finish().and(ended))
}

/// Does the runs; says so when they did not all end.
pub(super) fn do_runs(
    batch: &Batch,
    specs: impl Iterator<Item = RunSpec>,
    mut receive: impl FnMut(&RunSpec, RunOutput) -> Result<(), ()>,
) -> Exit {
    let receive = |spec: &RunSpec, output| match receive(spec, output) {
        Ok(()) => ControlFlow::Continue(()),
        Err(()) => ControlFlow::Break(()),
    };
    match batch.run(specs, receive) {
        Ok(Ended::Completed) => Exit::Passed,
        Ok(Ended::Stopped) => Exit::Broken,
        Ok(Ended::Interrupted) => {
            output::note("interrupted: what was finished is reported, the rest was not run");
            Exit::Inconclusive
        }
        Err(error) => {
            output::error(error);
            Exit::Broken
        }
    }
}

pub(super) fn write_trace(path: &Path, lines: &[String]) -> Result<(), Exit> {
    let mut text = lines.join("\n");
    text.push('\n');
    write_atomically(path, text.as_bytes()).map_err(|error| {
        output::error(error);
        Exit::Broken
    })
}
