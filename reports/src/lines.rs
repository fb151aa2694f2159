//! JSON lines: one object per run, complete as soon as the run is.

use crate::{ReportError, RunReport};
use std::io::Write;

/// Writes one JSON object per line and flushes after each, so that an interrupted run of thousands keeps what it had.
#[derive(Debug)]
pub struct JsonLines<W: Write> {
    name: String,
    out: W,
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out`, which errors call `name`.
    pub fn new(name: impl Into<String>, out: W) -> Self {
        Self { name: name.into(), out }
    }

    /// Writes one run.
    ///
    /// # Errors
    /// [`ReportError::Stream`] when the stream does not take it (disk full, pipe closed).
    pub fn write(&mut self, report: &RunReport) -> Result<(), ReportError> {
        let mut line = report.to_json_line();
        line.push('\n');
        // One write for the whole line: parallel writers to one pipe must not interleave.
        self.out
            .write_all(line.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(|source| ReportError::Stream { name: self.name.clone(), source })
    }

    /// Gives the stream back.
    pub fn into_inner(self) -> W {
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_one_line() {
        let mut lines = JsonLines::new("test", Vec::new());
        for seed in 0..3 {
            lines.write(&RunReport::new("a", seed, "nats", vec![])).unwrap();
        }
        let text = String::from_utf8(lines.into_inner()).unwrap();
        let seeds: Vec<u64> = text.lines().map(|line| serde_json::from_str::<RunReport>(line).unwrap().seed).collect();
        assert_eq!(seeds, [0, 1, 2]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_named_with_its_reason() {
        let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
        let mut lines = JsonLines::new("out/runs.jsonl", full);
        let error = lines.write(&RunReport::new("a", 1, "nats", vec![])).unwrap_err();
        insta::assert_snapshot!(error, @"cannot write to out/runs.jsonl: No space left on device (os error 28)");
    }
}
