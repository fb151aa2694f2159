//! `squall`: the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    squall_harness::cli::main()
}
