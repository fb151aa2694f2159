//! What packets cost hosts, beside what links take: part of a network profile, by backend.

use super::backend::Backend;
use super::error::Complaint;
use super::located::Located;
use super::network::{Latency, LatencySpec};
use super::units::{Fraction, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// What packets cost a host.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HostCosts {
    /// Work for each packet that it sends; they leave one after another.
    pub send: Duration,
    /// Work for each packet that other cores do after that: it delays the copies of one message one after another, and
    /// not the next message.
    pub pipelined: Duration,
    /// How long each packet takes from the network to the program.
    pub receive: Latency,
    /// How much longer it takes at a host that has slept.
    pub wake: Latency,
    /// A host sleeps when it has neither sent nor received for so long.
    pub sleeps_after: Duration,
    /// The part of the packets it sends or receives that find the processor taken away, 0 to 1.
    pub stalls: f64,
    /// For so long.
    pub stall: Latency,
}

/// What packets cost on one backend.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BackendCosts {
    /// Each coordination server.
    pub broker: HostCosts,
    /// Each node.
    pub node: HostCosts,
}

/// What packets cost, by backend.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CostsSpec {
    zenoh: Option<BackendCostsSpec>,
    nats: Option<BackendCostsSpec>,
    kafka: Option<BackendCostsSpec>,
    redis: Option<BackendCostsSpec>,
}

/// What packets cost on one backend.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct BackendCostsSpec {
    /// Each coordination server.
    broker: Option<HostCostsSpec>,
    /// Each node.
    node: Option<HostCostsSpec>,
}

/// What packets cost a host.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct HostCostsSpec {
    /// Work for each packet that it sends; they leave one after another.
    send: Option<Time>,
    /// Work for each packet that other cores do after that: it delays the copies of one message one after another, and
    /// not the next message.
    pipelined: Option<Time>,
    /// How long each packet takes from the network to the program.
    receive: Option<Located<LatencySpec>>,
    /// How much longer it takes at a host that has slept.
    wake: Option<Located<LatencySpec>>,
    /// A host sleeps when it has neither sent nor received for so long.
    sleeps_after: Option<Time>,
    /// The part of the packets it sends or receives that find the processor taken away.
    #[serde(default)]
    stalls: Fraction,
    /// For so long.
    stall: Option<Located<LatencySpec>>,
}

impl HostCostsSpec {
    fn validate(this: Option<&Self>) -> Result<HostCosts, Complaint> {
        let Some(this) = this else { return Ok(HostCosts::default()) };
        let varying = |spec: &Option<Located<LatencySpec>>| spec.as_ref().map(LatencySpec::validate).transpose();
        let time = |time: Option<Time>| time.map_or(Duration::ZERO, |time| time.0);
        Ok(HostCosts {
            send: time(this.send),
            pipelined: time(this.pipelined),
            receive: varying(&this.receive)?.unwrap_or_default(),
            wake: varying(&this.wake)?.unwrap_or_default(),
            sleeps_after: time(this.sleeps_after),
            stalls: this.stalls.0,
            stall: varying(&this.stall)?.unwrap_or_default(),
        })
    }
}

impl CostsSpec {
    pub(crate) fn validate(&self) -> Result<BTreeMap<Backend, BackendCosts>, Complaint> {
        let all = [
            (Backend::Zenoh, &self.zenoh),
            (Backend::Nats, &self.nats),
            (Backend::Kafka, &self.kafka),
            (Backend::Redis, &self.redis),
        ];
        let costs = |(backend, costs): (Backend, &BackendCostsSpec)| {
            let broker = HostCostsSpec::validate(costs.broker.as_ref())?;
            Ok((backend, BackendCosts { broker, node: HostCostsSpec::validate(costs.node.as_ref())? }))
        };
        all.into_iter().filter_map(|(backend, spec)| Some((backend, spec.as_ref()?))).map(costs).collect()
    }
}
