//! What several subcommands take and do.

use super::output;
use crate::run::{Batch, Isolation, Limits, Prepared};
use crate::scenario::{Backend, Scenario, ScenarioError, load_all, supported};
use clap::Args;
use squall_cluster::defects::Defect;
use squall_interpose::layout;
use squall_reports::Exit;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

/// Which runs.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Scenario files, or directories with scenario files
    #[arg(value_name = "SCENARIO|DIR", required = true)]
    pub(super) paths: Vec<PathBuf>,
    /// One seed
    #[arg(long, value_name = "N", conflicts_with = "seeds", value_parser = clap::value_parser!(u64).range(..u64::MAX))]
    pub(super) seed: Option<u64>,
    /// Seeds from A up to, but without, B
    #[arg(long, value_name = "A..B", default_value = "0..20")]
    pub(super) seeds: Seeds,
    /// A coordination backend, or `all` that a scenario can run on; without it, those that the scenario names, or NATS
    #[arg(long, value_name = "BACKEND")]
    pub(super) backend: Option<BackendChoice>,
    /// Switch a planted defect on (see `squall defects --list`); may be repeated
    #[arg(long = "defect", value_name = "NAME", value_parser = defect)]
    pub(super) defects: Vec<Defect>,
}

/// How runs are done.
#[derive(Debug, Args)]
pub(super) struct How {
    /// Runs at a time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=512))]
    pub(super) jobs: Option<u16>,
    /// Memory that one run may use, MiB
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    pub(super) memory_limit: u64,
    /// Real time that one run may take, seconds
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=31_536_000))]
    pub(super) time_limit: u64,
    /// Run in this process instead of forked children, for a debugger
    #[arg(long)]
    pub(super) in_process: bool,
}

impl How {
    pub(super) fn batch(&self) -> Batch {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let jobs = self.jobs.map_or_else(cores, usize::from);
        let isolation = if self.in_process { Isolation::InProcess } else { Isolation::Forked { jobs } };
        let real_time = Duration::from_secs(self.time_limit);
        Batch { isolation, limits: Limits { memory_bytes: self.memory_limit << 20, real_time } }
    }
}

/// A range of seeds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seeds(pub(super) Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected two numbers such as `0..100`, found `{text}`");
        let (from, to) = text.split_once("..").ok_or_else(expected)?;
        let (from, to) = (from.parse().map_err(|_| expected())?, to.parse().map_err(|_| expected())?);
        if from >= to {
            return Err(format!("the range `{text}` holds no seed; write the smaller number first"));
        }
        Ok(Self(from..to))
    }
}

/// One backend, or every one of this build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BackendChoice {
    One(Backend),
    All,
}

impl BackendChoice {
    /// As on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::One(backend) => backend.name(),
            Self::All => "all",
        }
    }
}

impl FromStr for BackendChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        supported().iter().find(|b| b.name() == text).map(|b| Self::One(*b)).ok_or_else(|| {
            let names: Vec<&str> = supported().iter().map(|b| b.name()).collect();
            format!("this build has the backends {}, and `all`", names.join(", "))
        })
    }
}

/// The defect of that name, or the nearest names.
pub(super) fn defect(name: &str) -> Result<Defect, String> {
    Defect::by_name(name).ok_or_else(|| {
        let nearest = Defect::ALL.into_iter().max_by(|a, b| {
            let score = |d: &Defect| strsim::jaro_winkler(d.name(), name);
            score(a).total_cmp(&score(b))
        });
        let nearest = nearest.map_or("", Defect::name);
        format!("no defect is called `{name}`; did you mean `{nearest}`? `squall defects --list` lists them")
    })
}

impl Which {
    pub(super) fn seeds(&self) -> Range<u64> {
        self.seed.map_or_else(|| self.seeds.0.clone(), |seed| seed..seed.saturating_add(1))
    }

    /// Loads the scenarios and makes each ready for each of its backends; prints what is wrong.
    pub(super) fn prepare(&self) -> Result<Vec<Arc<Prepared>>, Exit> {
        let scenarios = distinct(load_all(&self.paths).map_err(|errors| complain(&errors))?)?;
        let mut prepared = Vec::new();
        for scenario in scenarios {
            for backend in self.backends(&scenario) {
                prepared.push(prepare(scenario.clone(), backend, self.defects.clone())?);
            }
        }
        if prepared.is_empty() {
            let backend = self.backend.map_or("none", BackendChoice::name);
            output::error(format_args!("none of these scenarios runs on {backend}: their `backends` leave it out"));
            return Err(Exit::Usage);
        }
        Ok(prepared)
    }

    /// Those asked for, as far as the scenario can run on them.
    fn backends(&self, scenario: &Scenario) -> Vec<Backend> {
        match self.backend {
            None => scenario.backends.clone(),
            Some(BackendChoice::All) => scenario.runs_on.clone(),
            Some(BackendChoice::One(backend)) => {
                scenario.runs_on.iter().copied().filter(|possible| *possible == backend).collect()
            }
        }
    }
}

/// Without the files that were named twice. Results go by a scenario's name, so no two files may share one.
pub(super) fn distinct(scenarios: Vec<Scenario>) -> Result<Vec<Scenario>, Exit> {
    let mut files = BTreeMap::new();
    let mut kept = Vec::with_capacity(scenarios.len());
    for scenario in scenarios {
        let file = std::fs::canonicalize(&scenario.file).unwrap_or_else(|_| PathBuf::from(&scenario.file));
        match files.get(&scenario.name) {
            None => {
                files.insert(scenario.name.clone(), file);
                kept.push(scenario);
            }
            Some(earlier) if *earlier == file => {}
            Some(earlier) => {
                let Scenario { name, file, .. } = &scenario;
                let earlier = earlier.display();
                output::error(format_args!(
                    "{earlier} and {file} are both called `{name}`; run one at a time, or put both below a directory `scenarios`"
                ));
                return Err(Exit::Usage);
            }
        }
    }
    Ok(kept)
}

/// Makes a scenario ready; prints what is wrong with its node configuration.
pub(super) fn prepare(scenario: Scenario, backend: Backend, defects: Vec<Defect>) -> Result<Arc<Prepared>, Exit> {
    Prepared::new(scenario, backend, defects).map(Arc::new).map_err(|error| {
        output::note(format_args!("{:?}", miette::Report::new(error)));
        Exit::Usage
    })
}

/// Prints every error in a scenario file.
pub(super) fn complain(errors: &[ScenarioError]) -> Exit {
    for error in errors {
        output::note(format_args!("{:?}", miette::Report::new(error.clone())));
    }
    Exit::Usage
}

/// Names this build: two builds with one name behave alike. Reads the program once, in pieces.
pub(super) fn build_id() -> String {
    let mut hash = xxhash_rust::xxh3::Xxh3::new();
    let mut piece = vec![0; 1 << 18];
    if let Ok(mut program) = std::fs::File::open("/proc/self/exe") {
        while let Ok(n @ 1..) = program.read(&mut piece) {
            hash.update(&piece[..n]);
        }
    }
    let layout = if layout::is_fixed() { "" } else { "-random-layout" };
    format!("{}-{:016x}{layout}", env!("CARGO_PKG_VERSION"), hash.digest())
}
