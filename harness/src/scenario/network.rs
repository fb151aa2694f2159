//! How good the network is when nothing is wrong with it.

use super::error::Complaint;
use super::explain::explain;
use super::located::Located;
use super::units::{Fraction, Throughput, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// One-way latency of a packet: four points of its distribution, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// No packet is faster.
    pub min: Duration,
    /// Half of them are.
    pub median: Duration,
    /// 99 of 100 are.
    pub p99: Duration,
    /// No packet is slower.
    pub max: Duration,
}

/// A healthy network's behaviour, the same for every link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NetworkProfile {
    /// One-way latency.
    pub latency: Latency,
    /// Probability that a packet is lost, 0 to 1.
    pub loss: f64,
    /// What each host's interface sends, bytes per second; `None`: without limit.
    pub bandwidth_bytes_per_s: Option<u64>,
}

/// `network` of a scenario: a profile's name, or the profile itself.
#[derive(Clone, Debug)]
pub(crate) enum NetworkSpec {
    Named(String),
    Inline(ProfileSpec),
}

/// A profile as it stands in a file.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ProfileSpec {
    /// One-way latency of a packet.
    latency: Located<LatencySpec>,
    /// Probability that a packet is lost.
    #[serde(default)]
    loss: Fraction,
    /// What each host's interface sends; without limit when absent.
    bandwidth: Option<Throughput>,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct LatencySpec {
    /// No packet is faster.
    min: Time,
    /// Half of them are.
    median: Time,
    /// 99 of 100 are.
    p99: Time,
    /// No packet is slower.
    max: Time,
}

impl ProfileSpec {
    pub(crate) fn validate(&self) -> Result<NetworkProfile, Complaint> {
        let LatencySpec { min, median, p99, max } = &*self.latency;
        if !(min <= median && median <= p99 && p99 <= max) {
            return Err(Complaint::at(self.latency.span(), "expected min <= median <= p99 <= max")
                .help("order the four latencies from the fastest packet to the slowest"));
        }
        if max.as_nanos() == 0 || max.0 > Duration::from_secs(60) {
            return Err(Complaint::at(self.latency.span(), "expected a max of more than 0s and at most 60s"));
        }
        Ok(NetworkProfile {
            latency: Latency { min: min.0, median: median.0, p99: p99.0, max: max.0 },
            loss: self.loss.0,
            bandwidth_bytes_per_s: self.bandwidth.map(|throughput| throughput.0),
        })
    }
}

/// Reads a profile file's text.
pub(crate) fn parse_profile(text: &str) -> Result<NetworkProfile, Complaint> {
    toml::from_str::<ProfileSpec>(text).map_err(|error| explain(&error))?.validate()
}

impl<'de> Deserialize<'de> for NetworkSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = NetworkSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a profile's name such as \"lan\", or a table with latency, loss and bandwidth")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<NetworkSpec, E> {
                Ok(NetworkSpec::Named(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<NetworkSpec, A::Error> {
                ProfileSpec::deserialize(MapAccessDeserializer::new(table)).map(NetworkSpec::Inline)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for NetworkSpec {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let profile = generator.subschema_for::<ProfileSpec>();
        json_schema!({
            "anyOf": [{ "type": "string", "description": "name of a file in scenarios/profiles/" }, profile]
        })
    }
}
