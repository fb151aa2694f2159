//! JUnit XML, which CI servers read: one suite per scenario and backend, one case per seed.

use crate::{ReportError, RunReport, Verdict, write_atomically};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Collects runs and writes them as one JUnit file, whole or not at all.
#[derive(Debug)]
pub struct JunitWriter {
    path: PathBuf,
    suites: BTreeMap<(String, String), TestSuite>,
}

impl JunitWriter {
    /// A report without runs, to be written to `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), suites: BTreeMap::new() }
    }

    /// Adds a run; `reproduce` is the command that runs it again.
    pub fn add(&mut self, report: &RunReport, reproduce: &str) {
        let suite = self
            .suites
            .entry((report.scenario.clone(), report.backend.clone()))
            .or_insert_with(|| TestSuite::new(format!("{} on {}", report.scenario, report.backend)));
        let mut case = TestCase::new(format!("seed {}", report.seed), status(report, reproduce));
        case.set_classname(report.scenario.clone());
        case.set_time(Duration::from_millis(report.wall_ms));
        suite.add_test_case(case);
    }

    /// Writes everything added so far, replacing an earlier file. May be called again after more runs, and on an
    /// interrupt.
    ///
    /// # Errors
    /// [`ReportError::Write`] names the file and the system's reason; [`ReportError::Format`] would be a bug.
    pub fn write(&self) -> Result<(), ReportError> {
        write_atomically(&self.path, self.to_xml()?.as_bytes())
    }

    fn to_xml(&self) -> Result<String, ReportError> {
        let mut report = Report::new("squall");
        report.add_test_suites(self.suites.values().cloned());
        report.to_string().map_err(|error| ReportError::Format { format: "JUnit XML", reason: error.to_string() })
    }
}

fn status(report: &RunReport, reproduce: &str) -> TestCaseStatus {
    let kind = match report.verdict {
        Verdict::Pass => return TestCaseStatus::success(),
        Verdict::Fail => NonSuccessKind::Failure,
        // JUnit's "error" is a test that could not judge, which is what unknown means.
        Verdict::Unknown => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    let mut names = Vec::new();
    let mut body = String::new();
    for check in report.culprits() {
        names.push(check.name.as_str());
        body.push_str(&format!("{}: {}\n", check.name, check.reason));
        for event in &check.evidence {
            body.push_str(&format!("    {event}\n"));
        }
    }
    body.push_str(&format!("digest: {}\nreproduce: {reproduce}", report.digest));
    let message = report.culprits().next().map_or_else(|| "no check decided".to_owned(), |check| check.reason.clone());
    status.set_message(message).set_type(names.join(", ")).set_description(body);
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Check, Digest};

    fn writer(path: PathBuf) -> JunitWriter {
        let mut junit = JunitWriter::new(path);
        let check = |verdict, reason: &str| Check {
            name: "no-lost-block".into(),
            verdict,
            reason: reason.into(),
            evidence: vec!["1.5s node-1 blocked <b>&amp; \u{0}\x1b[2J]]>".into()],
        };
        for (seed, verdict, reason) in [
            (1, Verdict::Pass, "12 blocks"),
            (2, Verdict::Fail, "node 3 lacks \"203.0.113.9\" & <more>"),
            (3, Verdict::Unknown, "no block was acknowledged"),
        ] {
            let report = RunReport::new("fast/kill", seed, "nats", vec![check(verdict, reason)])
                .with_cost(80_000, 1_500, 10)
                .with_digest(Digest(7));
            junit.add(&report, "squall run scenarios/fast/kill.toml --seed 2 --backend nats");
        }
        junit
    }

    #[test]
    fn a_failed_run_is_a_failed_case_with_reason_evidence_and_reproduction() {
        insta::assert_snapshot!(writer("unused".into()).to_xml().unwrap());
    }

    #[test]
    fn the_file_can_be_written_before_the_last_run_and_again_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/junit.xml");
        let mut junit = writer(path.clone());
        junit.write().unwrap();
        let early = std::fs::read_to_string(&path).unwrap();
        junit.add(&RunReport::new("fast/kill", 4, "nats", vec![]), "again");
        junit.write().unwrap();
        let late = std::fs::read_to_string(&path).unwrap();
        assert_eq!((early.matches("<testcase").count(), late.matches("<testcase").count()), (3, 4));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let error = writer(dir.path().join("file/junit.xml")).write().unwrap_err().to_string();
        assert!(error.contains("junit.xml") && error.starts_with("cannot write"), "{error}");
    }
}
