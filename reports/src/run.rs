//! What one run says: the object that `--format json` prints.

use crate::{Check, Verdict, worst};
use schemars::JsonSchema;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// The hash of everything that happened in a run; 16 hexadecimal digits in text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub u64);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // `from_str_radix` takes a sign, a digest does not.
        (text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .then(|| u64::from_str_radix(&text, 16).ok())
            .flatten()
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom(format!("a digest is 16 hexadecimal digits, not {text:?}")))
    }
}

impl JsonSchema for Digest {
    fn schema_name() -> Cow<'static, str> {
        "Digest".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Hash of everything that happened in the run",
            "type": "string",
            "pattern": "^[0-9a-f]{16}$",
        })
    }
}

/// How long events took to reach the other nodes, microseconds of simulated time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FanOut {
    /// Median over single deliveries.
    pub p50_us: u64,
    /// 99th percentile over single deliveries.
    pub p99_us: u64,
    /// 99th percentile, over events, of the time until the last node had it.
    pub last_p99_us: u64,
}

/// One run of one scenario with one seed on one backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// The scenario's name, such as `fast/partition-minority`.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// The coordination backend.
    pub backend: String,
    /// The worst of the checks' verdicts.
    pub verdict: Verdict,
    /// Every check; its evidence is kept in the failure file and left out here.
    #[serde(serialize_with = "without_evidence")]
    pub checks: Vec<Check>,
    /// Hash of everything that happened.
    pub digest: Digest,
    /// Simulated time, milliseconds.
    pub sim_ms: u64,
    /// Real time, milliseconds.
    pub wall_ms: u64,
    /// Events in the trace.
    pub events: u64,
    /// Delivery times; `null` when nothing was delivered.
    pub fan_out: Option<FanOut>,
}

impl RunReport {
    /// A report whose verdict is the worst of its checks'; the measurements are 0 until they are given.
    #[must_use]
    pub fn new(scenario: impl Into<String>, seed: u64, backend: impl Into<String>, checks: Vec<Check>) -> Self {
        Self {
            scenario: scenario.into(),
            seed,
            backend: backend.into(),
            verdict: worst(checks.iter().map(|check| check.verdict)),
            checks,
            digest: Digest::default(),
            sim_ms: 0,
            wall_ms: 0,
            events: 0,
            fan_out: None,
        }
    }

    /// Sets the digest.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = digest;
        self
    }

    /// Sets the delivery times.
    #[must_use]
    pub fn with_fan_out(mut self, fan_out: FanOut) -> Self {
        self.fan_out = Some(fan_out);
        self
    }

    /// Sets the simulated and the real time, both in milliseconds, and the number of events.
    #[must_use]
    pub fn with_cost(mut self, sim_ms: u64, wall_ms: u64, events: u64) -> Self {
        (self.sim_ms, self.wall_ms, self.events) = (sim_ms, wall_ms, events);
        self
    }

    /// The report as one line of JSON, without a line end.
    ///
    /// # Panics
    /// Never: every field has a JSON form.
    #[must_use]
    pub fn to_json_line(&self) -> String {
        serde_json::to_string(self).expect("a report has only strings, numbers and lists")
    }

    /// The checks that decided the verdict when it is not a pass.
    pub fn culprits(&self) -> impl Iterator<Item = &Check> {
        let verdict = self.verdict;
        self.checks.iter().filter(move |check| check.verdict == verdict && verdict != Verdict::Pass)
    }
}

fn without_evidence<S: Serializer>(checks: &[Check], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Line<'a> {
        name: &'a str,
        verdict: Verdict,
        reason: &'a str,
    }
    let mut lines = serializer.serialize_seq(Some(checks.len()))?;
    for check in checks {
        lines.serialize_element(&Line { name: &check.name, verdict: check.verdict, reason: &check.reason })?;
    }
    lines.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_json_line_is_the_documented_object() {
        let failed = Check {
            name: "no-lost-block".into(),
            verdict: Verdict::Fail,
            reason: "203.0.113.9 is \"lost\"\non node 3".into(),
            evidence: vec!["12.5s node-1 blocked 203.0.113.9".into()],
        };
        let report = RunReport::new("fast/kill", u64::MAX, "nats", vec![failed])
            .with_digest(Digest(0x0123_4567_89ab_cdef))
            .with_cost(80_000, 12, 4_711)
            .with_fan_out(FanOut { p50_us: 400, p99_us: 900, last_p99_us: 1_100 });
        insta::assert_snapshot!(report.to_json_line());
    }

    #[test]
    fn a_run_that_delivered_nothing_has_no_fan_out() {
        let line = RunReport::new("a", 1, "nats", vec![]).to_json_line();
        assert!(line.ends_with(r#""fan_out":null}"#), "{line}");
    }

    #[test]
    fn a_digest_is_exactly_sixteen_digits() {
        for wrong in [r#""12""#, r#""+123456789abcdef""#, r#""0123456789abcdeg""#, "7"] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_report_survives_the_way_through_json(seed: u64, digest: u64, reason: String, events: u64) {
            let check = Check { name: "fan-out".into(), verdict: Verdict::Unknown, reason, evidence: vec![] };
            let report = RunReport::new("a/b", seed, "nats", vec![check])
                .with_digest(Digest(digest))
                .with_cost(1, 2, events);
            let line = report.to_json_line();
            prop_assert!(!line.contains('\n'));
            prop_assert_eq!(serde_json::from_str::<RunReport>(&line).unwrap(), report);
        }
    }
}
