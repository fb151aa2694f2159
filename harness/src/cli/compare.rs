//! `squall compare`

use super::common::{How, Seeds, build_id, complain, distinct};
use super::output;
use super::progress::Progress;
use super::results::Format;
use super::run::do_runs;
use crate::compare::{entrant, node_plan};
use crate::run::{Measuring, Prepared, RunOutput, RunSpec};
use crate::scenario::{Backend, Scenario, load_all, supported};
use squall_reports::compare::{Collector, Comparison, Contest, FORMAT, Header, Outcome};
use squall_reports::{
    Colour, Exit, FAILURES_LISTED, JsonLines, ReportError, Verdict, compare_line, run_line, write_atomically,
};
use squall_sim::Keep;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Run the same scenarios, seeds and faults on several backends and say which is better at what.
///
/// With `--out`, the directory gets compare.json, compare.html (one page that loads nothing) and results.jsonl (every run).
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Scenario files, or directories with scenario files
    #[arg(value_name = "SCENARIO|DIR", default_value = "scenarios/fast")]
    paths: Vec<PathBuf>,
    /// Seeds from A up to, but without, B
    #[arg(long, value_name = "A..B", default_value = "0..10")]
    seeds: Seeds,
    /// Backends to compare, separated by commas [default: all of this build]
    #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = backend)]
    backends: Vec<Backend>,
    #[command(flatten)]
    how: How,
    /// Directory for compare.json, compare.html and results.jsonl
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What to print: tables, or the object of compare.json on one line
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

fn backend(name: &str) -> Result<Backend, String> {
    supported().iter().copied().find(|backend| backend.name() == name).ok_or_else(|| {
        let names: Vec<&str> = supported().iter().map(|backend| backend.name()).collect();
        format!("this build has the backends {}", names.join(", "))
    })
}

pub(super) fn main(args: &Args) -> Exit {
    try_main(args).unwrap_or_else(|exit| exit)
}

fn try_main(args: &Args) -> Result<Exit, Exit> {
    let backends = args.chosen();
    let scenarios = distinct(load_all(&args.paths).map_err(|errors| complain(&errors))?)?;
    let field = Field::new(scenarios, &backends)?;
    let mut kept = args.out.as_deref().map(keep).transpose()?;
    let seeds = args.seeds.0.clone();
    let mut collector = Collector::new(args.header(&backends), field.contests);
    let mut failures = Failures::default();
    let mut exit = Exit::Passed;
    let mut progress = Progress::new((seeds.end - seeds.start).saturating_mul(field.prepared.len() as u64));
    // Seed by seed, so that an interrupted comparison has every scenario on every backend.
    let specs = seeds.flat_map(|seed| {
        let spec = move |prepared: &Arc<Prepared>| RunSpec {
            prepared: prepared.clone(),
            seed,
            plan: None,
            keep: Keep::Digest,
        };
        field.prepared.iter().map(spec)
    });
    let ended = do_runs(&args.how.batch(), specs, |spec, output| {
        progress.done(&output.report);
        exit = exit.and(Exit::of(output.report.verdict));
        failures.note(spec, &output);
        let written = kept.as_mut().map_or(Ok(()), |kept| kept.write(&output.report));
        let (contest, entrant) = field.places[&key(spec)];
        collector.add(Outcome {
            contest,
            entrant,
            seed: spec.seed,
            verdict: output.report.verdict,
            node_plan: node_plan(&output.plan, spec.prepared.topology()),
            measures: output.measures,
        });
        written.map_err(|error: ReportError| output::error(error))
    });
    progress.clear();
    let told = tell(args, &collector.finish(), &failures).err().unwrap_or(Exit::Passed);
    Ok(exit.and(ended).and(told))
}

impl Args {
    /// In the order of the build, each once.
    fn chosen(&self) -> Vec<Backend> {
        let wanted = |backend: &Backend| self.backends.is_empty() || self.backends.contains(backend);
        supported().iter().copied().filter(wanted).collect()
    }

    fn header(&self, backends: &[Backend]) -> Header {
        let names: Vec<String> = backends.iter().map(|backend| backend.name().to_owned()).collect();
        Header {
            format: FORMAT,
            squall: build_id(),
            command: compare_line(&self.paths, &self.seeds.0, &names),
            backends: names,
            first_seed: self.seeds.0.start,
            end_seed: self.seeds.0.end,
        }
    }
}

/// Everything that is to be run for each seed.
struct Field {
    contests: Vec<Contest>,
    prepared: Vec<Arc<Prepared>>,
    /// The contest and entrant of each scenario and backend.
    places: BTreeMap<(String, Backend), (usize, usize)>,
}

fn key(spec: &RunSpec) -> (String, Backend) {
    (spec.prepared.scenario.name.clone(), spec.prepared.backend)
}

impl Field {
    fn new(scenarios: Vec<Scenario>, backends: &[Backend]) -> Result<Self, Exit> {
        let mut field = Self { contests: Vec::new(), prepared: Vec::new(), places: BTreeMap::new() };
        for scenario in scenarios {
            let (name, title) = (scenario.name.clone(), scenario.title.clone());
            let mut entrants = Vec::new();
            for backend in backends.iter().copied().filter(|backend| scenario.runs_on.contains(backend)) {
                let prepared = Prepared::new(scenario.clone(), backend, Vec::new());
                let prepared = prepared.map_err(|error| {
                    output::note(format_args!("{:?}", miette::Report::new(error)));
                    Exit::Usage
                })?;
                field.places.insert((name.clone(), backend), (field.contests.len(), entrants.len()));
                entrants.push(entrant(&prepared));
                field.prepared.push(Arc::new(prepared.measuring(Measuring::On)));
            }
            if !entrants.is_empty() {
                field.contests.push(Contest { scenario: name, title, backends: entrants });
            }
        }
        if field.contests.is_empty() {
            output::error("none of these scenarios runs on any of these backends: their `backends` leave them out");
            return Err(Exit::Usage);
        }
        Ok(field)
    }
}

/// Opens the file of all runs, so that a directory that cannot be written is known before anything runs.
fn keep(dir: &Path) -> Result<JsonLines<File>, Exit> {
    let path = dir.join("results.jsonl");
    let file = std::fs::create_dir_all(dir).and_then(|()| File::create(&path)).map_err(|error| {
        let path = path.display();
        output::error(format_args!("cannot write {path}: {error}; give --out a directory that can be written"));
        Exit::Usage
    })?;
    Ok(JsonLines::new(path.display().to_string(), file))
}

/// Runs that did not pass, with the line that does each again.
#[derive(Default)]
struct Failures {
    lines: Vec<String>,
    more: usize,
}

impl Failures {
    fn note(&mut self, spec: &RunSpec, output: &RunOutput) {
        if output.report.verdict == Verdict::Pass {
            return;
        }
        if self.lines.len() == FAILURES_LISTED {
            self.more += 1;
            return;
        }
        let report = &output.report;
        let prepared = &spec.prepared;
        let culprit = report.culprits().next().map_or_else(String::new, |check| {
            // A reason quotes the tested code's own messages, which may hold anything.
            let reason: String = check.reason.chars().filter(|char| !char.is_control()).collect();
            format!(": {}: {reason}", check.name)
        });
        let again = run_line(Path::new(&prepared.scenario.file), spec.seed, prepared.backend.name());
        let (scenario, verdict) = (&report.scenario, report.verdict);
        self.lines
            .push(format!("{verdict} {scenario} seed {} on {}{culprit}\n     {again}", spec.seed, prepared.backend));
    }

    fn text(&self) -> String {
        let mut text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        if self.more > 0 {
            text.push_str(&format!("and {} more: see results.jsonl of --out\n", self.more));
        }
        text
    }
}

/// Files first: what cannot be printed must not cost them.
fn tell(args: &Args, comparison: &Comparison, failures: &Failures) -> Result<(), Exit> {
    let object = |pretty: fn(&Comparison) -> serde_json::Result<String>| {
        pretty(comparison).expect("a comparison has only strings, numbers and lists")
    };
    let written = args.out.as_deref().map_or(Ok(()), |dir| {
        let mut json = object(serde_json::to_string_pretty);
        json.push('\n');
        write_atomically(&dir.join("compare.json"), json.as_bytes())?;
        write_atomically(&dir.join("compare.html"), comparison.to_html()?.as_bytes())
    });
    let written = written.map_err(|error| {
        output::error(error);
        Exit::Broken
    });
    let printed = match args.format {
        Format::Json => output::print_line(object(serde_json::to_string)),
        Format::Text => {
            let text = failures.text();
            let gap = if text.is_empty() { "" } else { "\n" };
            let colour = Colour::for_stream(&std::io::stdout());
            output::print(&format!("{text}{gap}{}", comparison.render(colour)))
        }
    };
    written.and(printed)
}
