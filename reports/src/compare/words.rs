//! How figures are written.

use crate::summary::grouped;

/// A duration in microseconds, with about three significant digits: `0.41 ms`, `128 ms`, `12.5 s`.
pub(super) fn duration(us: f64) -> String {
    match us {
        us if us < 10_000.0 => format!("{:.2} ms", us / 1e3),
        us if us < 100_000.0 => format!("{:.1} ms", us / 1e3),
        us if us < 1_000_000.0 => format!("{:.0} ms", us / 1e3),
        us if us < 10_000_000.0 => format!("{:.2} s", us / 1e6),
        us => format!("{:.1} s", us / 1e6),
    }
}

/// A share of 1 as a percentage.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.01 => "< 0.01 %".to_owned(),
        percent => format!("{percent:.2} %"),
    }
}

/// A part of a whole: `12 of 4,800 (0.25 %)`.
pub(super) fn part(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "-".to_owned();
    }
    format!("{} of {} ({})", grouped(part), grouped(whole), percent(part as f64 / whole as f64))
}

/// Node-nanoseconds as node-seconds.
pub(super) fn node_seconds(ns: u64) -> String {
    format!("{:.2}", ns as f64 / 1e9)
}

/// Names in a sentence: `a`, `a and b`, `a, b and c`.
pub(super) fn list(names: &[String]) -> String {
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, head)) => format!("{} and {last}", head.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_about_three_digits() {
        let durations = [0.0, 412.0, 12_340.0, 128_000.0, 1_250_000.0, 64_000_000.0];
        assert_eq!(durations.map(duration), ["0.00 ms", "0.41 ms", "12.3 ms", "128 ms", "1.25 s", "64.0 s"]);
        assert_eq!([0.0, 0.000_01, 0.0025, 1.0].map(percent), ["0 %", "< 0.01 %", "0.25 %", "100.00 %"]);
        assert_eq!(part(12, 4_800), "12 of 4,800 (0.25 %)");
        assert_eq!(part(0, 0), "-");
    }

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        let names = ["a", "b", "c"].map(str::to_owned);
        assert_eq!([list(&names[..1]), list(&names[..2]), list(&names)], ["a", "a and b", "a, b and c"]);
    }
}
