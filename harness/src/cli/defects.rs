//! `squall defects`

use super::common::{How, Seeds, complain, prepare};
use super::output;
use super::run::do_runs;
use crate::run::{Prepared, RunSpec};
use crate::scenario::{Scenario, load_all, supported};
use squall_cluster::defects::Defect;
use squall_reports::{Exit, Verdict};
use squall_sim::Keep;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Plant each defect of the catalogue and see which checker catches it, and after how many seeds.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or directories with scenario files, that plant defects
    #[arg(value_name = "SCENARIO|DIR", default_value = "scenarios/defects")]
    paths: Vec<PathBuf>,
    /// Seeds from A up to, but without, B, in disjoint groups of up to 20
    #[arg(long, value_name = "A..B", default_value = "0..20")]
    seeds: Seeds,
    #[command(flatten)]
    how: How,
    /// What to print
    #[arg(long, value_enum, default_value_t = super::results::Format::Text)]
    format: super::results::Format,
    /// Only list the catalogue
    #[arg(long)]
    list: bool,
}

/// Seeds in which a defect has to be found.
const GROUP: u64 = 20;

/// What became of one defect.
#[derive(serde::Serialize)]
struct Found {
    defect: &'static str,
    expected_checker: &'static str,
    caught_by: Option<String>,
    seeds_to_detect_p50: Option<u64>,
    seeds_to_detect_p90: Option<u64>,
}

pub(super) fn main(args: &Args) -> Exit {
    let ended = if args.list { list() } else { try_main(args) };
    ended.unwrap_or_else(|exit| exit)
}

fn list() -> Result<Exit, Exit> {
    for defect in Defect::ALL {
        let (name, checker) = (defect.name(), defect.expected_checker());
        output::print_line(format_args!("{name:<32} {checker:<22} {}", defect.summary()))?;
    }
    Ok(Exit::Passed)
}

fn try_main(args: &Args) -> Result<Exit, Exit> {
    let scenarios = load_all(&args.paths).map_err(|errors| complain(&errors))?;
    let mut exit = Exit::Passed;
    if args.format == super::results::Format::Text {
        let [defect, expected, caught] = ["defect", "expected checker", "caught by"];
        output::print_line(format_args!("{defect:<32} {expected:<22} {caught:<22} seeds to detect (p50, p90)"))?;
    }
    for defect in Defect::ALL {
        let planted: Vec<&Scenario> = scenarios.iter().filter(|s| s.defect == Some(defect)).collect();
        let found = hunt(args, defect, &planted)?;
        let caught = found.caught_by.as_deref() == Some(found.expected_checker);
        exit = exit.and(if caught { Exit::Passed } else { Exit::Failed });
        print(args, &found, planted.is_empty())?;
    }
    Ok(exit)
}

fn print(args: &Args, found: &Found, unplanted: bool) -> Result<(), Exit> {
    if args.format == super::results::Format::Json {
        return output::print_line(serde_json::to_string(found).expect("names and numbers have a JSON form"));
    }
    let missing = if unplanted { "not caught: no scenario plants it" } else { "not caught" };
    let caught_by = found.caught_by.as_deref().unwrap_or(missing);
    let seeds = |seeds: Option<u64>| seeds.map_or("-".to_owned(), |n| n.to_string());
    let (p50, p90) = (seeds(found.seeds_to_detect_p50), seeds(found.seeds_to_detect_p90));
    let (defect, expected) = (found.defect, found.expected_checker);
    output::print_line(format_args!("{defect:<32} {expected:<22} {caught_by:<22} {p50}, {p90}"))
}

fn groups(seeds: &Range<u64>) -> Vec<Range<u64>> {
    let starts = (seeds.start..seeds.end).step_by(GROUP as usize);
    starts.map(|start| start..(start + GROUP).min(seeds.end)).collect()
}

fn hunt(args: &Args, defect: Defect, planted: &[&Scenario]) -> Result<Found, Exit> {
    let expected = defect.expected_checker();
    let mut counts = Vec::new();
    let mut culprits: BTreeMap<String, usize> = BTreeMap::new();
    for scenario in planted {
        if expected == "verify" {
            let (caught, seeds) = (diverges(scenario, &args.seeds.0)?, 1);
            if caught {
                counts.push(seeds);
                *culprits.entry(expected.to_owned()).or_default() += 1;
            }
            continue;
        }
        let backend = scenario.backends.first().or(supported().first()).copied();
        let Some(backend) = backend else { continue };
        let prepared = prepare((*scenario).clone(), backend, Vec::new())?;
        for group in groups(&args.seeds.0) {
            if let Some((seeds, checkers)) = first_failure(args, &prepared, group, expected)? {
                counts.push(seeds);
                for checker in checkers {
                    *culprits.entry(checker).or_default() += 1;
                }
            }
        }
    }
    counts.sort_unstable();
    let caught_by = if culprits.contains_key(expected) {
        Some(expected.to_owned())
    } else {
        culprits.into_iter().max_by_key(|(_, times)| *times).map(|(name, _)| name)
    };
    Ok(Found {
        defect: defect.name(),
        expected_checker: expected,
        caught_by,
        seeds_to_detect_p50: quantile(&counts, 50),
        seeds_to_detect_p90: quantile(&counts, 90),
    })
}

/// The nearest-rank quantile of sorted counts.
fn quantile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

/// How many seeds it took until the expected checker failed (or, if it never did, another one), and all that failed then.
fn first_failure(
    args: &Args,
    prepared: &Arc<Prepared>,
    seeds: Range<u64>,
    expected: &str,
) -> Result<Option<(u64, Vec<String>)>, Exit> {
    let mut first = None;
    let mut other = None;
    let start = seeds.start;
    let specs = seeds.map(|seed| RunSpec { prepared: prepared.clone(), seed, plan: None, keep: Keep::Digest });
    let ended = do_runs(&args.how.batch(), specs, |spec, output| {
        let failed: Vec<String> =
            output.checks.iter().filter(|c| c.verdict == Verdict::Fail).map(|c| c.name.clone()).collect();
        let found = (spec.seed - start + 1, failed);
        if found.1.iter().any(|name| name == expected) {
            first = Some(found);
            return Err(());
        }
        if !found.1.is_empty() && other.is_none() {
            other = Some(found);
        }
        Ok(())
    });
    match ended {
        // Stopped is what finding it does.
        Exit::Passed => Ok(first.or(other)),
        Exit::Broken if first.is_some() => Ok(first),
        broken => Err(broken),
    }
}

/// Whether `squall verify` finds the scenario nondeterministic.
fn diverges(scenario: &Scenario, seeds: &Range<u64>) -> Result<bool, Exit> {
    let mut verify = Command::new("/proc/self/exe");
    verify.arg("verify").arg(&scenario.file).args(["--seed", &seeds.start.to_string()]);
    let status = verify.stdout(Stdio::null()).stdin(Stdio::null()).status().map_err(|error| {
        output::error(format_args!("cannot start squall verify: {error}"));
        Exit::Broken
    })?;
    Ok(status.code() == Some(i32::from(Exit::Nondeterminism.code())))
}
