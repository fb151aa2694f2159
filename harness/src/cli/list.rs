//! `squall list`

use super::common::complain;
use super::output;
use crate::scenario::load_all;
use squall_reports::Exit;
use std::fmt::Write;
use std::path::PathBuf;

/// List scenarios: name, nodes, backends, simulated time, tags, and what each claims.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or directories with scenario files
    #[arg(value_name = "SCENARIO|DIR", default_value = "scenarios")]
    paths: Vec<PathBuf>,
    /// Also say why each scenario matters
    #[arg(long)]
    why: bool,
}

pub(super) fn main(args: &Args) -> Exit {
    let scenarios = match load_all(&args.paths) {
        Ok(scenarios) => scenarios,
        Err(errors) => return complain(&errors),
    };
    let width = scenarios.iter().map(|s| s.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for scenario in &scenarios {
        let backends: Vec<&str> = scenario.backends.iter().map(|b| b.name()).collect();
        let simulated_s = (scenario.run + scenario.settle).as_secs();
        let _infallible = writeln!(
            text,
            "{:width$}  {:>4} nodes  {:>4} s  {:<10}  {}",
            scenario.name,
            scenario.nodes,
            simulated_s,
            backends.join(","),
            scenario.title
        );
        if !scenario.tags.is_empty() {
            let _infallible = writeln!(text, "{:width$}  tags: {}", "", scenario.tags.join(", "));
        }
        if args.why && !scenario.why.is_empty() {
            let _infallible = writeln!(text, "{:width$}  why: {}", "", scenario.why);
        }
    }
    output::print(&text).err().unwrap_or(Exit::Passed)
}
