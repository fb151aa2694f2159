//! `docs/facts.md`.

use crate::SEEDS;
use crate::fact::{Fact, Figure, Measured, Unit, samples};
use std::path::{Path, PathBuf};

const HEAD: &str = "# How real clients and servers fail, and how they do so here

Each row is something that the client libraries do when nobody helps them, measured with real servers and measured again
in the simulation, with the same unmodified libraries. `cargo test -p squall-harness --test facts` repeats the simulated
measurements, fails if one differs from the real one in direction or by more than a factor of about three, and, with
`UPDATE_FACTS=1`, writes this file. Simulated figures are the range over all seeds and clients.

In the scenario of each row a whole cluster, with the recovery that its adapters add, lives through the same and ends
with one block list everywhere: `squall run scenarios/facts --seeds 0..20`.

";

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/facts.md")
}

/// The row of one fact.
pub(crate) fn row(fact: &Fact, measured: &[Measured]) -> String {
    let real = cell(fact, |_, figure| figure.real.to_owned());
    let simulated = cell(fact, |index, figure| span(figure, &samples(measured, index)));
    let scenario = fact.scenario;
    format!("| {} | {real} | {simulated} | [{scenario}](../scenarios/facts/{scenario}.toml) |\n", fact.what)
}

fn cell(fact: &Fact, value: impl Fn(usize, &Figure) -> String) -> String {
    let parts =
        fact.figures.iter().enumerate().map(|(index, figure)| format!("{}: {}", figure.name, value(index, figure)));
    parts.collect::<Vec<_>>().join("; ")
}

fn span(figure: &Figure, ascending: &[f64]) -> String {
    let (smallest, largest) = (text(figure.unit, ascending[0]), text(figure.unit, ascending[ascending.len() - 1]));
    if smallest == largest {
        return smallest;
    }
    format!("{smallest} to {largest}")
}

fn text(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Seconds if value < 1.0 => format!("{:.0} ms", value * 1_000.0),
        Unit::Seconds => format!("{value:.1} s"),
        Unit::Count => format!("{value:.0}"),
        Unit::Percent => format!("{value:.0} %"),
    }
}

/// Writes the document anew if asked to, or says that it is out of date.
pub(crate) fn judge(rows: &[String]) -> Result<(), String> {
    let head = format!(
        "| what happens | with real servers | simulated, {SEEDS} seeds | lived through in |\n|---|---|---|---|\n"
    );
    let text = format!("{HEAD}{head}{}", rows.concat());
    if std::env::var_os("UPDATE_FACTS").is_some() {
        std::fs::write(file(), text).unwrap();
        return Ok(());
    }
    if std::fs::read_to_string(file()).is_ok_and(|written| written == text) {
        return Ok(());
    }
    Err(format!("docs/facts.md is out of date; UPDATE_FACTS=1 writes it anew. It would hold:\n{text}"))
}
