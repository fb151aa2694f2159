//! A comparison as one HTML page that loads nothing.

use super::grids::{self, Grid};
use super::plot::{self, Series};
use super::{Comparison, Curves, Place, Point, RULES};
use crate::ReportError;
use askama::Template;

#[derive(Template)]
#[template(path = "compare.html")]
struct Page<'a> {
    comparison: &'a Comparison,
    scope: String,
    completeness: &'a str,
    rules: &'a str,
    legend: Vec<Named<'a>>,
    strengths: Vec<(String, String)>,
    findings: Grid,
    plots: Vec<Plot>,
    totals: Vec<(&'static str, Grid)>,
    scenarios: Grid,
    left_out: Vec<(&'a str, &'a str)>,
}

struct Named<'a> {
    name: &'a str,
    class: String,
}

struct Plot {
    caption: &'static str,
    svg: String,
}

/// Backends keep their colours whichever of them are compared.
const COLOURED: [&str; 4] = ["zenoh", "nats", "kafka", "redis"];

fn class(backend: &str, place: usize) -> String {
    let place = COLOURED.iter().position(|name| *name == backend).unwrap_or(place);
    format!("series-{}", place % COLOURED.len())
}

impl Comparison {
    /// The comparison as one HTML page that loads nothing from anywhere.
    ///
    /// # Errors
    /// [`ReportError::Format`] would be a bug.
    pub fn to_html(&self) -> Result<String, ReportError> {
        let backends = self.header.backends.iter().enumerate();
        let page = Page {
            comparison: self,
            scope: self.scope(),
            completeness: self.completeness(),
            rules: RULES,
            legend: backends.map(|(place, name)| Named { name, class: class(name, place) }).collect(),
            strengths: self.strengths(),
            findings: grids::findings(self),
            plots: self.plots(),
            totals: grids::totals(self),
            scenarios: grids::scenarios(self),
            left_out: self.left_out().collect(),
        };
        page.render().map_err(|error| ReportError::Format { format: "HTML", reason: error.to_string() })
    }

    fn plots(&self) -> Vec<Plot> {
        let plot = |id: &str, caption: &'static str, of: fn(&Curves) -> &[Point]| {
            let one = |(place, total): (usize, &'_ super::Total)| (class(&total.backend, place), place);
            let classes: Vec<(String, usize)> = self.totals.iter().enumerate().map(one).collect();
            let series: Vec<Series<'_>> = self
                .totals
                .iter()
                .zip(classes)
                .map(|(total, (class, _))| Series { name: &total.backend, class, points: of(&total.curves) })
                .collect();
            let described: Vec<String> = series.iter().filter_map(describe).collect();
            let svg = plot::svg(id, caption, &described.join("; "), &series)?;
            Some(Plot { caption, svg })
        };
        let plots = [
            plot(
                "delivery",
                "Fan-out by broadcast, without what was lost: until a block is in force on another node",
                |curves| &curves.delivery,
            ),
            plot("last", "Fan-out by broadcast to the last node, without what was lost", |curves| &curves.last_node),
            plot("in-force", "In force on another node, by broadcast or by repair", |curves| &curves.in_force),
            plot("last-in-force", "In force on the last node, by broadcast or by repair", |curves| {
                &curves.last_in_force
            }),
            plot("reconnect", "Reconnect: coordinator link lost until back", |curves| &curves.reconnect),
        ];
        plots.into_iter().flatten().collect()
    }

    /// What each backend is best at or ties for, as far as somebody is behind.
    fn strengths(&self) -> Vec<(String, String)> {
        let decided = || self.findings.iter().filter(|one| one.ranking.iter().any(|one| one.place == Place::Behind));
        let figures = |backend: &str, wanted: Place| -> Vec<String> {
            let has =
                |one: &&super::Finding| one.ranking.iter().any(|one| one.backend == backend && one.place == wanted);
            decided().filter(has).map(|finding| finding.figure.clone()).collect()
        };
        let told = |backend: &String| {
            let parts = [
                ("best at", Place::First),
                ("ties for", Place::Tied),
                ("unclear for", Place::Unclear),
                ("behind at", Place::Behind),
            ];
            let parts: Vec<String> = parts
                .into_iter()
                .map(|(words, place)| (words, figures(backend, place)))
                .filter(|(_, figures)| !figures.is_empty())
                .map(|(words, figures)| format!("{words} {}", figures.join(", ")))
                .collect();
            let text = if parts.is_empty() { "no figure tells it apart".to_owned() } else { parts.join("; ") };
            (backend.clone(), text)
        };
        self.header.backends.iter().map(told).collect()
    }
}

/// The ends of a line in words.
fn describe(series: &Series<'_>) -> Option<String> {
    let (first, last) = (series.points.first()?, series.points.last()?);
    let words = |point: &Point| super::words::duration(point.us as f64);
    Some(format!("{}: from {} to {}", series.name, words(first), words(last)))
}
