//! `squall schema`

use super::output;
use crate::scenario::schema;
use squall_reports::{Exit, RunReport};

/// Print the JSON Schema of scenario files, or of what `--format json` prints.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What to describe
    #[arg(value_enum, default_value_t = Subject::Scenario)]
    subject: Subject,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Subject {
    /// Scenario files
    Scenario,
    /// The object that `run --format json` prints for each run
    Report,
}

pub(super) fn main(args: &Args) -> Exit {
    let schema = match args.subject {
        Subject::Scenario => schema(),
        Subject::Report => schemars::schema_for!(RunReport).to_value(),
    };
    output::print_line(format_args!("{schema:#}")).err().unwrap_or(Exit::Passed)
}
