//! `squall check`

use super::common::complain;
use super::output;
use crate::run::Prepared;
use crate::scenario::load_all;
use squall_reports::Exit;
use std::collections::BTreeSet;
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
    // Scenarios may share a node configuration, whose mistakes are told once.
    let mut told = BTreeSet::new();
    for scenario in scenarios {
        for backend in scenario.backends.clone() {
            if let Err(error) = Prepared::new(scenario.clone(), backend, Vec::new())
                && told.insert(error.to_string())
            {
                output::note(format_args!("{:?}", miette::Report::new(error)));
            }
        }
    }
    if !told.is_empty() {
        return Exit::Usage;
    }
    let are = if count == 1 { "scenario is" } else { "scenarios are" };
    output::print_line(format_args!("{count} {are} fine")).err().unwrap_or(Exit::Passed)
}
