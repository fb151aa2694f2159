//! Live progress, on standard error and only for a person.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use squall_reports::{RunReport, Verdict};
use std::io::IsTerminal;

/// A bar that counts runs and failures. Its ticks come from the runs, since a program that forks has one thread.
pub(super) struct Progress {
    bar: ProgressBar,
    failed: u64,
}

impl Progress {
    pub(super) fn new(runs: u64) -> Self {
        let target = if std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(runs), target);
        let style = ProgressStyle::with_template("{bar:32} {pos}/{len} runs  {elapsed} (left: {eta})  {msg}");
        Self { bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())), failed: 0 }
    }

    pub(super) fn done(&mut self, report: &RunReport) {
        if report.verdict == Verdict::Fail {
            self.failed += 1;
        }
        let failed = if self.failed > 0 { format!("{} failed  ", self.failed) } else { String::new() };
        self.bar.set_message(format!("{failed}{}", report.scenario));
        self.bar.inc(1);
    }

    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
