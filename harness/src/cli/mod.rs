//! The command line, one file per subcommand.

mod check;
mod common;
mod compare;
mod defects;
mod list;
mod output;
mod progress;
mod replay;
mod results;
mod run;
mod schema;
mod serve;
mod verify;

use clap::{Parser, Subcommand};
use squall_interpose::{layout, signals};
use squall_reports::Exit;
use std::process::ExitCode;

/// Deterministic cluster simulation and chaos testing.
///
/// Runs the coordination layer of a clustered mail server, with the real client libraries of its backends, inside a
/// seeded simulated network, breaks that network, and checks what must still hold.
///
/// Exit codes: 0 all passed, 1 a check failed, 2 bad usage or input, 3 inconclusive or interrupted, 4 nondeterminism, 5 the harness
/// itself broke.
#[derive(Debug, Parser)]
#[command(name = "squall", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Replay(replay::Args),
    Verify(verify::Args),
    List(list::Args),
    Check(check::Args),
    Schema(schema::Args),
    Defects(defects::Args),
    Compare(compare::Args),
    Serve(serve::Args),
}

/// Parses the arguments, does the work, and says how it ended.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _nowhere_left_to_say = error.print();
            // `--help` and `--version` are no errors.
            return if error.use_stderr() { Exit::Usage.into() } else { ExitCode::SUCCESS };
        }
    };
    let exit = match cli.command {
        Command::Run(args) => simulate(|| run::main(&args)),
        Command::Replay(args) => simulate(|| replay::main(&args)),
        Command::Defects(args) => simulate(|| defects::main(&args)),
        Command::Compare(args) => simulate(|| compare::main(&args)),
        Command::Verify(args) => simulate(|| verify::main(&args)),
        Command::List(args) => list::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Schema(args) => schema::main(&args),
        Command::Serve(args) => serve::main(&args),
    };
    exit.into()
}

/// Runs what simulates in a process whose addresses do not vary.
fn simulate(work: impl FnOnce() -> Exit) -> Exit {
    if let Err(error) = layout::fix() {
        output::warning(format_args!(
            "addresses stay random: {error}; a seed may give another run than on other machines. \
             Let the process call personality(2), or check with `squall verify`."
        ));
    }
    signals::catch_interrupt();
    // What libraries draw once per process, before a run forks off, must not vary either.
    squall_interpose::entropy::seed(0);
    squall_sim::settle_hash_keys();
    work()
}
