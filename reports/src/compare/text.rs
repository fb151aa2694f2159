//! A comparison on a terminal.

use super::grids::{self, Grid};
use super::{Comparison, RULES, words};
use crate::Colour;
use std::fmt::Write as _;

/// Width of the paragraphs.
const WIDTH: usize = 110;

impl Comparison {
    /// The comparison as tables for a terminal.
    #[must_use]
    pub fn render(&self, colour: Colour) -> String {
        let mut text = String::new();
        put_grid(&mut text, &grids::scenarios(self), colour);
        text.push_str(LEGEND);
        let _infallible = writeln!(text, "\n{}", colour.bold(&self.scope()));
        for (title, grid) in grids::totals(self) {
            let _infallible = writeln!(text, "\n{}", colour.bold(title));
            put_grid(&mut text, &grid, colour);
        }
        let _infallible = writeln!(text, "\n{}", colour.bold("Which backend is better at what"));
        for finding in &self.findings {
            let _infallible = writeln!(text, "  {}: {}", finding.figure, finding.text);
        }
        if self.findings.is_empty() {
            text.push_str("  nothing can be said: no scenario ran on every backend with the same faults\n");
        }
        text.push('\n');
        wrap(&mut text, RULES);
        let left_out: Vec<_> = self.left_out().collect();
        if !left_out.is_empty() {
            let _infallible = writeln!(text, "\n{}", colour.bold("Left out of totals and findings"));
            for (scenario, why) in left_out {
                let _infallible = writeln!(text, "  {scenario}: {why}");
            }
        }
        let _infallible = writeln!(text, "\n{}\nagain: {}", self.completeness(), self.header.command);
        text
    }

    /// Scenarios that the totals leave out, and why.
    pub(super) fn left_out(&self) -> impl Iterator<Item = (&str, &str)> {
        self.scenarios.iter().filter_map(|one| Some((one.scenario.as_str(), one.left_out.as_deref()?)))
    }

    /// What the totals are of, in one line.
    pub(super) fn scope(&self) -> String {
        let compared = self.scenarios.iter().filter(|one| one.left_out.is_none()).count();
        let scenarios = if compared == 1 { "scenario" } else { "scenarios" };
        let runs = self.totals.iter().map(|total| total.runs.all()).max().unwrap_or(0);
        format!(
            "Totals on {}: {compared} {scenarios} with the same faults on every backend, seeds {}..{}, {runs} runs each",
            words::list(&self.header.backends),
            self.header.first_seed,
            self.header.end_seed,
        )
    }

    /// Whether everything is in it, in one line.
    pub(super) fn completeness(&self) -> &'static str {
        if self.complete {
            "Complete: every backend did every run."
        } else {
            "Incomplete: it was interrupted, or a run ended without measurements; totals hold only what every backend did."
        }
    }
}

const LEGEND: &str = "p50, p99: until a block was in force on another node by broadcast; last p99: on the last node. \
converged: from the last heal.
lost: messages; late: blocks that took more than 1 s or came only by repair; exposed: node-seconds; n/a: the faults \
have nobody to strike.
";

fn put_grid(text: &mut String, grid: &Grid, colour: Colour) {
    let width = |column: usize| {
        let cells = grid.rows.iter().map(|row| row[column].chars().count());
        cells.chain([grid.columns[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..grid.columns.len()).map(width).collect();
    // Names to the left, numbers to the right.
    let names = grid.columns.iter().position(|name| name == "runs").unwrap_or(1);
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            if column < names { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let _infallible = writeln!(text, "{}", colour.bold(&line(&grid.columns)));
    for row in &grid.rows {
        let _infallible = writeln!(text, "{}", line(row));
    }
}

fn wrap(text: &mut String, paragraph: &str) {
    let mut used = 0;
    for word in paragraph.split_whitespace() {
        if used > 0 && used + 1 + word.len() > WIDTH {
            text.push('\n');
            used = 0;
        }
        if used > 0 {
            text.push(' ');
            used += 1;
        }
        text.push_str(word);
        used += word.len();
    }
    text.push('\n');
}
