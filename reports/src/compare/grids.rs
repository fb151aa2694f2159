//! The tables of a comparison, for the terminal and the page alike.

use super::{BackendResult, Comparison, Figures, Finding, Percentiles, Place, Total, metric, words};
use crate::summary::grouped;

/// A table: the first column names the row.
pub(super) struct Grid {
    pub(super) columns: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
}

/// A value that does not exist.
const NONE: &str = "-";

fn columns(first: &str, backends: &[String]) -> Vec<String> {
    [first.to_owned()].into_iter().chain(backends.iter().cloned()).collect()
}

/// Every figure of every backend over the comparable scenarios, in groups with a title.
pub(super) fn totals(comparison: &Comparison) -> Vec<(&'static str, Grid)> {
    let grid = |lines: &[Line]| {
        let row =
            |(name, cell): &Line| [(*name).to_owned()].into_iter().chain(comparison.totals.iter().map(cell)).collect();
        Grid { columns: columns("", &comparison.header.backends), rows: lines.iter().map(row).collect() }
    };
    vec![
        (
            "Fan-out: block in force until in force on another node, by broadcast (what was lost is under Delivery)",
            grid(&DELIVERY),
        ),
        ("Fan-out to the last node", grid(&LAST_NODE)),
        ("In force on another node that ran when the block was made, by broadcast or by repair", grid(&IN_FORCE)),
        ("In force on the last node, by broadcast or by repair", grid(&LAST_IN_FORCE)),
        ("Convergence: from the last heal until every node knows what was made before it", grid(&CONVERGENCE)),
        ("Reconnect: coordinator link lost until back, per node", grid(&RECONNECT)),
        ("Delivery: messages and blocks, per receiving node", grid(&MESSAGES)),
        ("Exposure: node-seconds in which a blocked address was let in, by what ended them", grid(&EXPOSURE)),
        ("Verdicts: runs", grid(&RUNS)),
    ]
}

type Line = (&'static str, fn(&Total) -> String);

static DELIVERY: [Line; 6] = [
    ("p50", |one| us(one.figures.delivery, |all| all.p50_us)),
    ("p90", |one| us(one.figures.delivery, |all| all.p90_us)),
    ("p99", |one| us(one.figures.delivery, |all| all.p99_us)),
    ("p99.9", |one| us(one.figures.delivery, |all| all.p999_us)),
    ("max", |one| us(one.figures.delivery, |all| all.max_us)),
    ("deliveries", |one| count(one.figures.delivery)),
];

static LAST_NODE: [Line; 6] = [
    ("p50", |one| us(one.figures.last_node, |all| all.p50_us)),
    ("p90", |one| us(one.figures.last_node, |all| all.p90_us)),
    ("p99", |one| us(one.figures.last_node, |all| all.p99_us)),
    ("p99.9", |one| us(one.figures.last_node, |all| all.p999_us)),
    ("max", |one| us(one.figures.last_node, |all| all.max_us)),
    ("blocks", |one| count(one.figures.last_node)),
];

static IN_FORCE: [Line; 6] = [
    ("p50", |one| us(one.figures.in_force, |all| all.p50_us)),
    ("p90", |one| us(one.figures.in_force, |all| all.p90_us)),
    ("p99", |one| us(one.figures.in_force, |all| all.p99_us)),
    ("p99.9", |one| us(one.figures.in_force, |all| all.p999_us)),
    ("max", |one| us(one.figures.in_force, |all| all.max_us)),
    ("blocks learned", |one| count(one.figures.in_force)),
];

static LAST_IN_FORCE: [Line; 6] = [
    ("p50", |one| us(one.figures.last_in_force, |all| all.p50_us)),
    ("p90", |one| us(one.figures.last_in_force, |all| all.p90_us)),
    ("p99", |one| us(one.figures.last_in_force, |all| all.p99_us)),
    ("p99.9", |one| us(one.figures.last_in_force, |all| all.p999_us)),
    ("max", |one| us(one.figures.last_in_force, |all| all.max_us)),
    ("blocks", |one| count(one.figures.last_in_force)),
];

static CONVERGENCE: [Line; 6] = [
    ("p50", |one| us(one.figures.convergence, |all| all.p50_us)),
    ("p90", |one| us(one.figures.convergence, |all| all.p90_us)),
    ("p99", |one| us(one.figures.convergence, |all| all.p99_us)),
    ("max", |one| us(one.figures.convergence, |all| all.max_us)),
    ("runs with faults", |one| count(one.figures.convergence)),
    ("never", |one| grouped(one.figures.unconverged)),
];

static RECONNECT: [Line; 6] = [
    ("p50", |one| us(one.figures.reconnect, |all| all.p50_us)),
    ("p90", |one| us(one.figures.reconnect, |all| all.p90_us)),
    ("p99", |one| us(one.figures.reconnect, |all| all.p99_us)),
    ("max", |one| us(one.figures.reconnect, |all| all.max_us)),
    ("reconnects", |one| count(one.figures.reconnect)),
    ("never", |one| grouped(one.figures.unreconnected)),
];

static MESSAGES: [Line; 5] = [
    ("messages lost", |one| words::part(one.figures.messages.lost, one.figures.messages.due)),
    ("messages repeated", |one| grouped(one.figures.messages.repeated)),
    ("messages overtaken", |one| grouped(one.figures.messages.overtaken)),
    ("blocks late: slow", |one| words::part(one.figures.late.slow, one.figures.late.all())),
    ("blocks late: by repair", |one| words::part(one.figures.late.repaired, one.figures.late.all())),
];

static EXPOSURE: [Line; 7] = [
    ("propagation", |one| words::node_seconds(one.figures.exposure.propagation_ns)),
    ("reconnect", |one| words::node_seconds(one.figures.exposure.reconnect_ns)),
    ("anti-entropy", |one| words::node_seconds(one.figures.exposure.anti_entropy_ns)),
    ("own operation", |one| words::node_seconds(one.figures.exposure.own_operation_ns)),
    ("never learned", |one| words::node_seconds(one.figures.exposure.never_ns)),
    ("all", |one| words::node_seconds(one.figures.exposure.total_ns())),
    ("blocks", |one| grouped(one.figures.exposure.blocks)),
];

static RUNS: [Line; 3] = [
    ("passed", |one| words::part(one.runs.passed, one.runs.all())),
    ("failed", |one| grouped(one.runs.failed)),
    ("undecided", |one| grouped(one.runs.undecided)),
];

/// Which backend is better at what: one row for each figure.
pub(super) fn findings(comparison: &Comparison) -> Grid {
    let row = |finding: &Finding| {
        let cell = |backend: &String| {
            let Some(ranked) = finding.ranking.iter().find(|ranked| ranked.backend == *backend) else {
                return NONE.to_owned();
            };
            let value = metric::write(&finding.figure, ranked.value);
            // Where nobody is behind there is nothing to be best at.
            let decided = finding.ranking.iter().any(|one| one.place == Place::Behind);
            match ranked.place {
                Place::First | Place::Tied if !decided => value,
                Place::First => format!("{value} (best)"),
                Place::Tied => format!("{value} (tie)"),
                Place::Unclear => format!("{value} (unclear)"),
                Place::Behind => value,
            }
        };
        [finding.figure.clone()].into_iter().chain(comparison.header.backends.iter().map(cell)).collect()
    };
    Grid { columns: columns("", &comparison.header.backends), rows: comparison.findings.iter().map(row).collect() }
}

/// One row for each scenario and backend.
pub(super) fn scenarios(comparison: &Comparison) -> Grid {
    let columns = [
        "scenario",
        "backend",
        "runs",
        "failed",
        "undecided",
        "p50",
        "p99",
        "last p99",
        "converged p50",
        "max",
        "reconnect p50",
        "lost",
        "late",
        "exposed",
    ];
    let rows = comparison.scenarios.iter().flat_map(|scenario| {
        scenario.results.iter().map(|result| {
            let mut row = vec![scenario.scenario.clone(), result.backend.clone()];
            row.extend([result.runs.all(), result.runs.failed, result.runs.undecided].map(grouped));
            row.extend(figures(result));
            row
        })
    });
    Grid { columns: columns.map(str::to_owned).to_vec(), rows: rows.collect() }
}

fn figures(result: &BackendResult) -> [String; 9] {
    let Figures { delivery, last_node, convergence, reconnect, messages, late, exposure, unconverged, .. } =
        &result.figures;
    // Whether something healed is the scenario's doing, but not if all that could break is not there.
    let none = if result.not_applicable.is_empty() { NONE } else { "n/a" };
    let converged = |of: fn(Percentiles) -> u64| match convergence {
        Some(all) => words::duration(of(*all) as f64),
        None => none.to_owned(),
    };
    let never = if *unconverged > 0 { format!(" ({} never)", grouped(*unconverged)) } else { String::new() };
    let share = |part: u64, whole: u64| {
        if whole == 0 { NONE.to_owned() } else { words::percent(part as f64 / whole as f64) }
    };
    [
        us(*delivery, |all| all.p50_us),
        us(*delivery, |all| all.p99_us),
        us(*last_node, |all| all.p99_us),
        converged(|all| all.p50_us),
        format!("{}{never}", converged(|all| all.max_us)),
        us(*reconnect, |all| all.p50_us),
        share(messages.lost, messages.due),
        share(late.late(), late.all()),
        words::node_seconds(exposure.total_ns()),
    ]
}

fn us(percentiles: Option<Percentiles>, of: fn(Percentiles) -> u64) -> String {
    percentiles.map_or_else(|| NONE.to_owned(), |all| words::duration(of(all) as f64))
}

fn count(percentiles: Option<Percentiles>) -> String {
    grouped(percentiles.map_or(0, |all| all.count))
}
