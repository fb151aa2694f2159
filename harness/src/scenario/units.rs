//! Quantities with their unit: `"20s"`, `"+5m"`, `"2/s"`, `"10MB/s"`, and fractions from 0 to 1.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;
use std::time::Duration;

/// The longest time a scenario can name. Sums of two still fit in 64-bit nanoseconds.
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

const NS_PER_UNIT: [(&str, u128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// A rate's denominator, in seconds.
const SECONDS_PER: [(&str, f64); 4] = [("/s", 1.0), ("/m", 60.0), ("/h", 3_600.0), ("/d", 86_400.0)];

/// Eighths of a byte a second, so that bits and bytes are both whole.
const BITS_PER_UNIT: [(&str, u128); 8] = [
    ("bit/s", 1),
    ("kbit/s", 1_000),
    ("Mbit/s", 1_000_000),
    ("Gbit/s", 1_000_000_000),
    ("B/s", 8),
    ("kB/s", 8_000),
    ("MB/s", 8_000_000),
    ("GB/s", 8_000_000_000),
];

/// A span of time, never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) Duration);

/// A displacement in time, nanoseconds of either sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Offset(pub(crate) i64);

/// Events per second, above 0 and finite.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Rate(pub(crate) f64);

/// Bytes per second, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Throughput(pub(crate) u64);

/// A share, from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub(crate) struct Fraction(pub(crate) f64);

impl Deref for Time {
    type Target = Duration;

    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl Fraction {
    /// The share in a million, rounded.
    pub(crate) fn per_million(self) -> u32 {
        (self.0 * 1e6).round() as u32
    }
}

fn parse_time(text: &str) -> Result<Time, String> {
    if text.starts_with('-') {
        return Err(format!("{text:?} is negative: expected {}", Time::EXPECTED));
    }
    let ns =
        scaled(text, &NS_PER_UNIT).ok_or_else(|| format!("{text:?} is not a duration: expected {}", Time::EXPECTED))?;
    if ns > LONGEST.as_nanos() {
        return Err(format!("{text:?} is too long: expected at most 365d"));
    }
    Ok(Time(Duration::from_nanos(ns as u64)))
}

fn parse_offset(text: &str) -> Result<Offset, String> {
    let (sign, size) = match text.as_bytes().first() {
        Some(b'-') => (-1, &text[1..]),
        Some(b'+') => (1, &text[1..]),
        _ => (1, text),
    };
    match scaled(size, &NS_PER_UNIT) {
        Some(ns) if ns <= LONGEST.as_nanos() => Ok(Offset(sign * ns as i64)),
        Some(_) => Err(format!("{text:?} is too far: expected at most 365d either way")),
        None => Err(format!("{text:?} is not an offset: expected {}", Offset::EXPECTED)),
    }
}

fn parse_rate(text: &str) -> Result<Rate, String> {
    SECONDS_PER
        .iter()
        .find_map(|&(unit, seconds)| Some((decimal(text.strip_suffix(unit)?)?, seconds)))
        .map(|((digits, scale), seconds)| digits as f64 / scale as f64 / seconds)
        .filter(|rate| (1e-6..=1e6).contains(rate))
        .map(Rate)
        .ok_or_else(|| format!("{text:?} is not a rate: expected {}", Rate::EXPECTED))
}

fn parse_throughput(text: &str) -> Result<Throughput, String> {
    scaled(text, &BITS_PER_UNIT)
        .map(|bits| bits / 8)
        .and_then(|bytes| u64::try_from(bytes).ok())
        .filter(|&bytes| bytes > 0)
        .map(Throughput)
        .ok_or_else(|| format!("{text:?} is not a throughput: expected {}", Throughput::EXPECTED))
}

/// `1.5s` in the smallest of the units; `None` when it is not a number with one of them.
fn scaled(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let split = text.find(|char: char| !char.is_ascii_digit() && char != '.')?;
    let (number, unit) = text.split_at(split);
    let &(_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    let (digits, scale) = decimal(number)?;
    // Both factors stay far below 2^64, so the product fits.
    Some(digits * factor / scale)
}

/// `12.5` as `(125, 10)`. At most 18 digits, so that nothing overflows.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() > 18 {
        return None;
    }
    Some((format!("{whole}{fraction}").parse().ok()?, 10_u128.pow(fraction.len() as u32)))
}

/// Implements reading from a TOML string, and the schema, for a quantity.
macro_rules! quantity {
    ($type:ident, $parse:ident, $expected:literal, $pattern:literal) => {
        impl $type {
            const EXPECTED: &str = $expected;
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Quantity;
                impl Visitor<'_> for Quantity {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($type::EXPECTED)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        $parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Quantity)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $expected, "pattern": $pattern })
            }
        }
    };
}

quantity!(
    Time,
    parse_time,
    "a number with a unit of ns, us, ms, s, m, h or d, such as \"20s\"",
    r"^[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d)$"
);
quantity!(
    Offset,
    parse_offset,
    "a sign, a number and a unit of ns, us, ms, s, m, h or d, such as \"+5m\"",
    r"^[+-]?[0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h|d)$"
);
quantity!(Rate, parse_rate, "a number above 0 per s, m, h or d, such as \"2/s\"", r"^[0-9]+(\.[0-9]+)?/(s|m|h|d)$");
quantity!(
    Throughput,
    parse_throughput,
    "a number above 0 with a unit of bit/s, kbit/s, Mbit/s, Gbit/s, B/s, kB/s, MB/s or GB/s, such as \"10MB/s\"",
    r"^[0-9]+(\.[0-9]+)?(bit|kbit|Mbit|Gbit|B|kB|MB|GB)/s$"
);

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Share;
        impl Visitor<'_> for Share {
            type Value = Fraction;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a fraction from 0 to 1, such as 0.2")
            }

            fn visit_f64<E: Error>(self, share: f64) -> Result<Fraction, E> {
                if (0.0..=1.0).contains(&share) {
                    Ok(Fraction(share))
                } else {
                    Err(E::invalid_value(Unexpected::Float(share), &self))
                }
            }

            fn visit_i64<E: Error>(self, share: i64) -> Result<Fraction, E> {
                match share {
                    0 => Ok(Fraction(0.0)),
                    1 => Ok(Fraction(1.0)),
                    _ => Err(E::invalid_value(Unexpected::Signed(share), &self)),
                }
            }
        }
        deserializer.deserialize_any(Share)
    }
}

impl JsonSchema for Fraction {
    fn schema_name() -> Cow<'static, str> {
        "Fraction".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0, "maximum": 1, "description": "a fraction from 0 to 1" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_exact() {
        for (text, ns) in
            [("0s", 0), ("150us", 150_000), ("1.5s", 1_500_000_000), ("7ns", 7), ("1d", 86_400_000_000_000)]
        {
            assert_eq!(parse_time(text), Ok(Time(Duration::from_nanos(ns))), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused() {
        for text in
            ["", "5", "s", "-5s", "5 s", "5S", "5.s", ".5s", "1.2.3s", "1e3s", "366d", "999999999999999999999d", "٣s"]
        {
            assert!(parse_time(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn offsets_go_both_ways() {
        assert_eq!(parse_offset("-5m"), Ok(Offset(-300_000_000_000)));
        assert_eq!(parse_offset("+250ms"), parse_offset("250ms"));
        assert!(parse_offset("--5m").is_err());
    }

    #[test]
    fn rates_and_throughputs_know_their_units() {
        assert_eq!(parse_rate("30/m"), Ok(Rate(0.5)));
        assert_eq!(parse_throughput("10MB/s"), Ok(Throughput(10_000_000)));
        assert_eq!(parse_throughput("10Gbit/s"), Ok(Throughput(1_250_000_000)));
        for text in ["0/s", "2", "2/w", "-2/s", "2s", "/s", "NaN/s", "inf/s"] {
            assert!(parse_rate(text).is_err(), "{text:?}");
        }
        for text in ["0B/s", "10MB", "10mB/s", "7bit/s"] {
            assert!(parse_throughput(text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_unit_panic(text in "[-+]?[0-9.]{0,24}[a-zA-Z/µ]{0,6}") {
            let _ = (parse_time(&text), parse_offset(&text), parse_rate(&text), parse_throughput(&text));
        }
    }
}
