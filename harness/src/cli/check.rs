//! `squall check`

use super::common::{complain, prepare};
use super::output;
use crate::scenario::load_all;
use squall_reports::Exit;
use std::path::PathBuf;

/// Validate scenario files, and what they name, without running them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or directories with scenario files
    #[arg(value_name = "SCENARIO|DIR", required = true)]
    paths: Vec<PathBuf>,
}

pub(super) fn main(args: &Args) -> Exit {
    let scenarios = match load_all(&args.paths) {
        Ok(scenarios) => scenarios,
        Err(errors) => return complain(&errors),
    };
    let count = scenarios.len();
    let mut exit = Exit::Passed;
    for scenario in scenarios {
        for backend in scenario.backends.clone() {
            if let Err(bad) = prepare(scenario.clone(), backend, Vec::new()) {
                exit = exit.and(bad);
            }
        }
    }
    if exit != Exit::Passed {
        return exit;
    }
    let are = if count == 1 { "scenario is" } else { "scenarios are" };
    output::print_line(format_args!("{count} {are} fine")).err().unwrap_or(exit)
}
