//! The terminal's view: one row per scenario and backend, then every failure with the line that reproduces it.

use crate::{Colour, RunReport, Verdict};
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How many failures (and as many undecided runs) the summary lists in full; the rest are counted.
pub const FAILURES_LISTED: usize = 20;

/// Collects runs as they finish; its size does not grow with their number.
#[derive(Debug, Default)]
pub struct Summary {
    rows: BTreeMap<(String, String), Row>,
    failed: Listed,
    undecided: Listed,
}

#[derive(Debug)]
struct Row {
    runs: u64,
    passed: u64,
    failed: u64,
    unknown: u64,
    events: u64,
    sim_ms: u64,
    wall_ms: u64,
    /// Medians of the runs: their own median is robust against one odd run.
    p50_us: Histogram<u64>,
    p99_us_max: Option<u64>,
    last_p99_us_max: Option<u64>,
}

#[derive(Debug, Default)]
struct Listed {
    entries: Vec<String>,
    count: u64,
}

impl Summary {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a run. `reproduce` is the command that runs it again, see [`crate::run_line`] and [`crate::replay_line`].
    pub fn add(&mut self, report: &RunReport, reproduce: &str) {
        let key = (report.scenario.clone(), report.backend.clone());
        self.rows.entry(key).or_insert_with(Row::new).add(report);
        match report.verdict {
            Verdict::Pass => {}
            Verdict::Fail => self.failed.add(report, reproduce),
            Verdict::Unknown => self.undecided.add(report, reproduce),
        }
    }

    /// The table, the failures and a last line with the totals.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let mut text = String::new();
        self.render_table(&mut text, colour);
        self.failed.render(&mut text, colour, Verdict::Fail);
        self.undecided.render(&mut text, colour, Verdict::Unknown);
        self.render_totals(&mut text, colour);
        text
    }

    fn render_table(&self, text: &mut String, colour: Colour) {
        if self.rows.is_empty() {
            return;
        }
        let mut table = vec![HEAD.map(|title| (title.to_owned(), None)).to_vec()];
        table.extend(self.rows.iter().map(|((scenario, backend), row)| row.cells(scenario, backend)));
        let widths: Vec<usize> = (0..HEAD.len())
            .map(|column| table.iter().map(|row| row[column].0.chars().count()).max().unwrap_or(0))
            .collect();
        for (index, row) in table.iter().enumerate() {
            let line = row_line(row, &widths, colour);
            let line = if index == 0 { colour.bold(&line) } else { line };
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str(LEGEND);
    }

    fn render_totals(&self, text: &mut String, colour: Colour) {
        let runs: u64 = self.rows.values().map(|row| row.runs).sum();
        let passed: u64 = self.rows.values().map(|row| row.passed).sum();
        let verdict = match (self.failed.count, self.undecided.count, runs) {
            (1.., _, _) => Verdict::Fail,
            (0, 0, 1..) => Verdict::Pass,
            _ => Verdict::Unknown,
        };
        let totals = format!(
            "{} {}: {} passed, {} failed, {} undecided",
            grouped(runs),
            if runs == 1 { "run" } else { "runs" },
            grouped(passed),
            grouped(self.failed.count),
            grouped(self.undecided.count)
        );
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&colour.verdict(verdict, &totals));
        text.push('\n');
    }
}

const HEAD: [&str; 11] =
    ["scenario", "backend", "runs", "pass", "fail", "unknown", "events", "p50", "p99", "last p99", "speed"];

const LEGEND: &str = "
p50, p99: an event's way to another node (median of the runs' medians, worst run); last p99: until the last node had it.
speed: simulated time per real time of a run.
";

/// The first two columns are names and start at the left, the rest are numbers and end at the right.
fn row_line(row: &[(String, Option<Verdict>)], widths: &[usize], colour: Colour) -> String {
    let mut line = String::new();
    for (column, (cell, verdict)) in row.iter().enumerate() {
        let padding = " ".repeat(widths[column] - cell.chars().count());
        let painted = verdict.map_or_else(|| cell.clone(), |verdict| colour.verdict(verdict, cell));
        if column > 0 {
            line.push_str("  ");
        }
        if column < 2 {
            line.push_str(&painted);
            line.push_str(&padding);
        } else {
            line.push_str(&padding);
            line.push_str(&painted);
        }
    }
    line
}

impl Row {
    fn new() -> Self {
        Self {
            runs: 0,
            passed: 0,
            failed: 0,
            unknown: 0,
            events: 0,
            sim_ms: 0,
            wall_ms: 0,
            p50_us: Histogram::new(3).expect("three digits are within the histogram's 0..=5"),
            p99_us_max: None,
            last_p99_us_max: None,
        }
    }

    fn add(&mut self, report: &RunReport) {
        self.runs += 1;
        match report.verdict {
            Verdict::Pass => self.passed += 1,
            Verdict::Fail => self.failed += 1,
            Verdict::Unknown => self.unknown += 1,
        }
        self.events = self.events.saturating_add(report.events);
        self.sim_ms = self.sim_ms.saturating_add(report.sim_ms);
        self.wall_ms = self.wall_ms.saturating_add(report.wall_ms);
        if let Some(fan_out) = report.fan_out {
            // Not `saturating_record`: that one clamps to the initial range instead of growing.
            self.p50_us.record(fan_out.p50_us).expect("the histogram grows as needed");
            self.p99_us_max = self.p99_us_max.max(Some(fan_out.p99_us));
            self.last_p99_us_max = self.last_p99_us_max.max(Some(fan_out.last_p99_us));
        }
    }

    fn cells(&self, scenario: &str, backend: &str) -> Vec<(String, Option<Verdict>)> {
        let p50_us = (!self.p50_us.is_empty()).then(|| self.p50_us.value_at_quantile(0.5));
        let counted = |count: u64, verdict| (grouped(count), (count > 0).then_some(verdict));
        vec![
            (scenario.to_owned(), None),
            (backend.to_owned(), None),
            (grouped(self.runs), None),
            counted(self.passed, Verdict::Pass),
            counted(self.failed, Verdict::Fail),
            counted(self.unknown, Verdict::Unknown),
            (grouped(self.events), None),
            (latency(p50_us), None),
            (latency(self.p99_us_max), None),
            (latency(self.last_p99_us_max), None),
            (speed(self.sim_ms, self.wall_ms), None),
        ]
    }
}

impl Listed {
    fn add(&mut self, report: &RunReport, reproduce: &str) {
        self.count += 1;
        if self.entries.len() == FAILURES_LISTED {
            return;
        }
        let mut entry = format!("{}, seed {}, {}\n", report.scenario, report.seed, report.backend);
        for check in report.culprits() {
            // Reasons quote the tested code's own messages, which may hold anything.
            let _ = writeln!(entry, "     {}: {}", check.name, printable(&check.reason));
        }
        let _ = writeln!(entry, "     reproduce: {reproduce}");
        self.entries.push(entry);
    }

    fn render(&self, text: &mut String, colour: Colour, verdict: Verdict) {
        if self.count == 0 {
            return;
        }
        let title = match verdict {
            Verdict::Fail => "failed",
            Verdict::Unknown | Verdict::Pass => "undecided",
        };
        let _ = writeln!(text, "\n{}", colour.verdict(verdict, &format!("{title} ({})", grouped(self.count))));
        for (index, entry) in self.entries.iter().enumerate() {
            let _ = write!(text, "{:>3}. {entry}", index + 1);
        }
        let rest = self.count - self.entries.len() as u64;
        if rest > 0 {
            let _ = writeln!(text, "     … and {} more: see the JSON lines or the JUnit file", grouped(rest));
        }
    }
}

/// The text on one line, with what a terminal would obey made visible.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, char| {
        match char {
            '\n' => line.push_str(" / "),
            char if char.is_control() => line.extend(char.escape_default()),
            char => line.push(char),
        }
        line
    })
}

fn latency(us: Option<u64>) -> String {
    match us {
        None => "-".to_owned(),
        Some(us @ 0..1_000) => format!("{us}us"),
        Some(us @ 1_000..1_000_000) => format!("{:.1}ms", us as f64 / 1e3),
        Some(us) => format!("{:.1}s", us as f64 / 1e6),
    }
}

fn speed(sim_ms: u64, wall_ms: u64) -> String {
    if wall_ms == 0 {
        return "-".to_owned();
    }
    format!("{}x", grouped(sim_ms / wall_ms))
}

/// Thousands apart: `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Check, FanOut};

    fn check(name: &str, verdict: Verdict, reason: &str) -> Check {
        Check { name: name.into(), verdict, reason: reason.into(), evidence: vec![] }
    }

    fn passed(scenario: &str, seed: u64, p50_us: u64) -> RunReport {
        RunReport::new(scenario, seed, "nats", vec![check("no-panic", Verdict::Pass, "none")])
            .with_cost(80_000, 12, 4_711)
            .with_fan_out(FanOut { p50_us, p99_us: p50_us * 3, last_p99_us: p50_us * 40 })
    }

    fn mixed() -> Summary {
        let mut summary = Summary::new();
        for seed in 0..1_200 {
            summary.add(&passed("fast/partition-minority", seed, 300 + seed % 7), "");
        }
        let lost = check("no-lost-block", Verdict::Fail, "node 3 lacks 203.0.113.9\nacknowledged at 12.5s \x1b[2J");
        let fine = check("no-panic", Verdict::Pass, "none");
        summary.add(
            &RunReport::new("slow/kill", 42, "nats", vec![fine, lost]).with_cost(600_000, 95, 90_210),
            "squall replay out/slow-kill-42-nats.json",
        );
        let unsure = check("fan-out", Verdict::Unknown, "nothing was delivered");
        summary.add(
            &RunReport::new("slow/kill", 43, "nats", vec![unsure]).with_cost(600_000, 95, 90_210),
            "squall run scenarios/slow/kill.toml --seed 43 --backend nats",
        );
        summary
    }

    #[test]
    fn the_summary_names_every_failure_and_how_to_reproduce_it() {
        insta::assert_snapshot!(mixed().render(Colour::Plain));
    }

    #[test]
    fn plain_text_has_no_escape_codes_and_colour_changes_nothing_else() {
        let plain = mixed().render(Colour::Plain);
        assert!(!plain.contains('\x1b'), "a reason's own escape codes must be defused too");
        let mut stripped = mixed().render(Colour::Ansi);
        for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
            stripped = stripped.replace(code, "");
        }
        assert_eq!(stripped, plain);
    }

    #[test]
    fn a_thousand_failures_are_counted_but_not_all_listed() {
        let mut summary = Summary::new();
        for seed in 0..1_000 {
            let check = check("no-panic", Verdict::Fail, "index out of bounds");
            summary.add(&RunReport::new("a", seed, "nats", vec![check]), "squall run a.toml");
        }
        let text = summary.render(Colour::Plain);
        assert_eq!(text.matches("reproduce:").count(), FAILURES_LISTED);
        assert!(text.contains("failed (1,000)") && text.contains("and 980 more"), "{text}");
    }

    #[test]
    fn nothing_run_is_not_a_success() {
        insta::assert_snapshot!(Summary::new().render(Colour::Plain), @"0 runs: 0 passed, 0 failed, 0 undecided");
    }

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([Some(0), Some(1_500), Some(2_000_000), None].map(latency), ["0us", "1.5ms", "2.0s", "-"]);
    }
}
