//! The table and the document.

use super::TOLERANCE_PERCENT;
use super::fan_out::FanOut;
use super::measured::Figures;
use squall_benches::Table;
use squall_harness::scenario::Backend;
use std::fmt::Write as _;

/// One measurement beside its simulation.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) plan: FanOut,
    pub(crate) measured: Figures,
    pub(crate) simulated: Figures,
}

/// Measured and simulated, in the order of the columns.
fn cells(row: &Row) -> [(u64, u64); 4] {
    let Row { measured, simulated, .. } = row;
    [
        (measured.delivery_p50, simulated.delivery_p50),
        (measured.delivery_p99, simulated.delivery_p99),
        (measured.last_p50, simulated.last_p50),
        (measured.last_p99, simulated.last_p99),
    ]
}

/// How many figures of a row are off by more than the tolerance.
pub(crate) fn off(row: &Row) -> usize {
    cells(row).into_iter().filter(|(measured, simulated)| is_off(*measured, *simulated)).count()
}

fn is_off(measured: u64, simulated: u64) -> bool {
    measured.abs_diff(simulated) * 100 > measured * TOLERANCE_PERCENT
}

/// `measured → simulated (deviation)`, with a mark where it is too much.
fn cell((measured, simulated): (u64, u64)) -> String {
    let percent = (simulated as f64 / measured as f64 - 1.0) * 100.0;
    let mark = if is_off(measured, simulated) { " (!)" } else { "" };
    format!("{measured} → {simulated} ({percent:+.0} %){mark}")
}

/// Measured and simulated latencies, microseconds.
pub(crate) fn table(rows: &[Row]) -> String {
    let heads = ["events/s", "N", "each p50", "each p99", "last p50", "last p99"];
    let mut table = Table::new(heads);
    for row in rows {
        let [each_p50, each_p99, last_p50, last_p99] = cells(row).map(cell);
        let FanOut { rate_hz, subscribers, .. } = row.plan;
        table.row([rate_hz.to_string(), subscribers.to_string(), each_p50, each_p99, last_p50, last_p99]);
    }
    table.to_string()
}

/// The document, generated from what was just simulated.
pub(crate) fn document(sections: &[(Backend, Vec<Row>)]) -> String {
    let mut text = include_str!("calibration.md").to_owned();
    for (backend, rows) in sections {
        let title = match backend {
            Backend::Nats => "NATS",
            Backend::Redis => "Redis",
            Backend::Zenoh => "Zenoh",
            Backend::Kafka => "Kafka",
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n### {title}\n\n{}", table(rows));
    }
    let rows = || sections.iter().flat_map(|(_, rows)| rows);
    let figures = 4 * rows().count();
    let beyond = rows().map(off).sum::<usize>();
    let _ = write!(text, "\n{} of {figures} figures are within {TOLERANCE_PERCENT} %", figures - beyond);
    text.push_str(if beyond == 0 { ".\n" } else { "; those that are not are marked (!).\n" });
    text
}

#[cfg(test)]
mod tests {
    use super::{cell, is_off};

    #[test]
    fn thirty_percent_is_still_within_and_more_is_not() {
        assert!(!is_off(100, 130) && !is_off(100, 70));
        assert!(is_off(100, 131) && is_off(100, 69));
    }

    #[test]
    fn a_cell_says_which_way_it_is_off() {
        assert_eq!(cell((200, 190)), "200 → 190 (-5 %)");
        assert_eq!(cell((100, 140)), "100 → 140 (+40 %) (!)");
    }
}
