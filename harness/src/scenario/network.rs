//! How good the network is when nothing is wrong with it.

use super::backend::Backend;
use super::costs::{BackendCosts, CostsSpec};
use super::error::Complaint;
use super::explain::explain;
use super::located::Located;
use super::units::{Fraction, Throughput, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A time that varies, such as the one-way latency of a packet: four points of its distribution, in ascending order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Never shorter.
    pub min: Duration,
    /// In half of all cases at most this.
    pub median: Duration,
    /// In 99 of 100 cases at most this.
    pub p99: Duration,
    /// Never longer.
    pub max: Duration,
}

/// A healthy network's behaviour, the same for every link.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkProfile {
    /// One-way latency.
    pub latency: Latency,
    /// Probability that a packet is lost, 0 to 1.
    pub loss: f64,
    /// What each host's interface sends, bytes per second; `None`: without limit.
    pub bandwidth_bytes_per_s: Option<u64>,
    /// What packets cost; nothing on a backend that is not here.
    pub costs: BTreeMap<Backend, BackendCosts>,
}

/// `network` of a scenario: a profile's name, or the profile itself.
#[derive(Clone, Debug)]
pub(crate) enum NetworkSpec {
    Named(String),
    Inline(Box<ProfileSpec>),
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
    /// What packets cost hosts, by backend; nothing when absent.
    #[serde(default)]
    costs: CostsSpec,
}

#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LatencySpec {
    /// Never shorter.
    min: Time,
    /// In half of all cases at most this.
    median: Time,
    /// In 99 of 100 cases at most this.
    p99: Time,
    /// Never longer.
    max: Time,
}

impl LatencySpec {
    pub(super) fn validate(this: &Located<Self>) -> Result<Latency, Complaint> {
        let Self { min, median, p99, max } = &**this;
        if !(min <= median && median <= p99 && p99 <= max) {
            return Err(Complaint::at(this.span(), "expected min <= median <= p99 <= max")
                .help("order the four times from the shortest to the longest"));
        }
        if max.as_nanos() == 0 || max.0 > Duration::from_secs(60) {
            return Err(Complaint::at(this.span(), "expected a max of more than 0s and at most 60s"));
        }
        Ok(Latency { min: min.0, median: median.0, p99: p99.0, max: max.0 })
    }
}

impl ProfileSpec {
    pub(crate) fn validate(&self) -> Result<NetworkProfile, Complaint> {
        Ok(NetworkProfile {
            latency: LatencySpec::validate(&self.latency)?,
            loss: self.loss.0,
            bandwidth_bytes_per_s: self.bandwidth.map(|throughput| throughput.0),
            costs: self.costs.validate()?,
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
                ProfileSpec::deserialize(MapAccessDeserializer::new(table)).map(Box::new).map(NetworkSpec::Inline)
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
