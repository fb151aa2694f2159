//! Durations as text: a number and a unit.

use std::time::Duration;

/// What a duration looks like, for error messages.
pub(super) const EXPECTED: &str = "a duration such as \"500ms\", \"60s\", \"10m\", \"1h\" or \"1d\"";

/// The duration, or `None` if `text` is not one.
pub(super) fn parse(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let ms_per_unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.checked_mul(ms_per_unit).map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_milliseconds_to_days() {
        for (text, ms) in
            [("500ms", 500), ("60s", 60_000), ("10m", 600_000), ("1h", 3_600_000), ("1d", 86_400_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "s", "5", "5 s", "-5s", "1.5s", "5S", "5w", "99999999999999999999s", "18446744073709551615d"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
