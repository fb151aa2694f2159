//! Where results go while runs are done: lines, failure files, JUnit, the table at the end.

use super::common::build_id;
use super::output;
use crate::failure::{self, Failure, RecordedScenario};
use crate::run::{RunOutput, RunSpec};
use squall_reports::{
    Check, Colour, Exit, JsonLines, JunitWriter, ReportError, RunReport, Summary, Verdict, replay_line, run_line,
};
use std::cell::OnceCell;
use std::io::Stdout;
use std::path::{Path, PathBuf};

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// A table at the end
    Text,
    /// One object per run, each on a line of its own, as runs finish
    Json,
}

/// Receives runs; nothing that was received is lost when a later one cannot be written.
pub(super) struct Results {
    format: Format,
    lines: JsonLines<Stdout>,
    kept: Option<JsonLines<std::fs::File>>,
    junit: Option<JunitWriter>,
    failures: PathBuf,
    build: OnceCell<String>,
    summary: Summary,
    exit: Exit,
}

/// Failure files go here unless `--out` says otherwise.
const DEFAULT_OUT: &str = "squall-out";

impl Results {
    /// Opens what can be opened before anything runs.
    pub(super) fn open(format: Format, out: Option<&Path>, junit: Option<&Path>) -> Result<Self, Exit> {
        let kept = match out {
            None => None,
            Some(dir) => {
                let path = dir.join("results.jsonl");
                let file = std::fs::create_dir_all(dir).and_then(|()| std::fs::File::create(&path));
                let file = file.map_err(|error| {
                    output::error(format_args!(
                        "cannot write {}: {error}; give --out a directory that can be written",
                        path.display()
                    ));
                    Exit::Usage
                })?;
                Some(JsonLines::new(path.display().to_string(), file))
            }
        };
        let junit = junit.map(JunitWriter::new);
        // Also so that no report of an earlier batch is taken for this one's.
        if let Some(Err(error)) = junit.as_ref().map(JunitWriter::write) {
            output::error(error);
            return Err(Exit::Usage);
        }
        Ok(Self {
            format,
            lines: JsonLines::new("standard output", std::io::stdout()),
            kept,
            junit,
            failures: out.unwrap_or(Path::new(DEFAULT_OUT)).join("failures"),
            build: OnceCell::new(),
            summary: Summary::new(),
            exit: Exit::Passed,
        })
    }

    /// Takes one run in and gives back its report and its trace. After an error no more runs should be done.
    pub(super) fn receive(&mut self, spec: &RunSpec, mut output: RunOutput) -> Result<(RunReport, Vec<String>), ()> {
        expect(spec, &mut output);
        let reproduce = self.reproduce(spec, &output);
        self.exit = self.exit.and(Exit::of(output.report.verdict));
        self.summary.add(&output.report, &reproduce);
        if let Some(junit) = &mut self.junit {
            junit.add(&output.report, &reproduce);
        }
        let mut written = self.kept.as_mut().map_or(Ok(()), |kept| kept.write(&output.report));
        if self.format == Format::Json {
            written = written.and(self.lines.write(&output.report));
        }
        written.map_err(|error| self.broken(&error))?;
        Ok((output.report, output.trace))
    }

    fn broken(&mut self, error: &ReportError) {
        output::error(error);
        self.exit = self.exit.and(Exit::Broken);
    }

    /// The line that does the run again; for a failure a file is written that holds all of it.
    fn reproduce(&mut self, spec: &RunSpec, output: &RunOutput) -> String {
        let prepared = &spec.prepared;
        let mut line = run_line(Path::new(&prepared.scenario.file), spec.seed, prepared.backend.name());
        for defect in prepared.defects.iter().filter(|d| prepared.scenario.defect != Some(**d)) {
            line.push_str(" --defect ");
            line.push_str(defect.name());
        }
        if output.report.verdict != Verdict::Fail || output.plan.is_empty() && output.report.events == 0 {
            return line;
        }
        match failure::write(&self.failures, &self.failure(spec, output)) {
            Ok(path) => replay_line(&path),
            Err(error) => {
                output::warning(format_args!("no failure file: {error}"));
                self.exit = self.exit.and(Exit::Broken);
                line
            }
        }
    }

    fn failure(&self, spec: &RunSpec, output: &RunOutput) -> Failure {
        let prepared = &spec.prepared;
        Failure {
            squall: env!("CARGO_PKG_VERSION").to_owned(),
            build: self.build.get_or_init(build_id).clone(),
            scenario: RecordedScenario::of(&prepared.scenario),
            seed: spec.seed,
            backend: prepared.backend,
            defects: prepared.defects.iter().map(|d| d.name().to_owned()).collect(),
            digest: output.report.digest,
            checks: output.checks.clone(),
            plan: output.plan.clone(),
        }
    }

    /// Prints the table and writes what is written at the end.
    pub(super) fn finish(mut self) -> Exit {
        if self.format == Format::Text {
            let text = self.summary.render(Colour::for_stream(&std::io::stdout()));
            if let Err(exit) = output::print(&text) {
                self.exit = self.exit.and(exit);
            }
        }
        if let Some(Err(error)) = self.junit.as_ref().map(JunitWriter::write) {
            self.broken(&error);
        }
        self.exit
    }
}

/// A scenario that plants a defect passes when the checker that must catch it does.
pub(super) fn expect(spec: &RunSpec, output: &mut RunOutput) {
    let Some(expected) = &spec.prepared.scenario.expected_failure else { return };
    // One run alone cannot show that another would differ: that is for `squall verify`.
    if expected == "verify" {
        return;
    }
    let caught = output.checks.iter().any(|check| check.name == *expected && check.verdict == Verdict::Fail);
    let (verdict, reason) = if caught {
        (Verdict::Pass, format!("{expected} caught the planted defect"))
    } else {
        (Verdict::Fail, format!("{expected} should have failed, since a defect is planted, but did not"))
    };
    let check = Check { name: "expected-failure".to_owned(), verdict, reason, evidence: Vec::new() };
    output.report.checks.insert(0, check.clone());
    output.checks.insert(0, check);
    output.report.verdict = verdict;
}
