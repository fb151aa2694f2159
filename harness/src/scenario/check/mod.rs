//! What is judged: one file per kind with parameters, one registry for all.

mod blocklist_converges;
mod exposure;
mod fan_out;
mod plain;

use super::error::Complaint;
use super::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

pub(crate) use self::{
    blocklist_converges::BlocklistConverges, exposure::Exposure, fan_out::FanOutLimits, plain::Plain,
};

/// A check that a scenario asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckSpec {
    /// All nodes and the store hold the same list this long after everything healed.
    BlocklistConverges {
        /// Counted from the heal.
        within: Duration,
    },
    /// Every acknowledged block is on every node in the end.
    NoLostBlock,
    /// Nothing that was unblocked is blocked in the end.
    NoResurrectedBlock,
    /// How long blocked addresses were still let in.
    Exposure {
        /// Node-seconds for each blocked entry.
        max: Duration,
    },
    /// How long events take to reach the other nodes; at least one limit is set.
    FanOut {
        /// Limit of the median of single deliveries.
        p50: Option<Duration>,
        /// Limit of the 99th percentile of single deliveries.
        p99: Option<Duration>,
        /// Limit of the 99th percentile of the time to the last node.
        last_p99: Option<Duration>,
    },
    /// Messages arrive as the backend promises.
    Delivery,
    /// One of [`ALWAYS_ON`], named although it needs no naming.
    AlwaysOn(&'static str),
}

/// The checkers that judge every run, named in a scenario or not.
pub const ALWAYS_ON: [&str; 4] = ["no-panic", "no-livelock", "no-leaked-task", "faults-were-effective"];

/// Lists the kinds once: their keys, their types, their names.
macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $key:ident: $kind:ty = $name:literal,)+) => {
        /// One `[[check]]`: exactly one kind.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        #[schemars(rename = "Check", extend("minProperties" = 1, "maxProperties" = 1))]
        pub(crate) struct CheckEntry {
            $($(#[doc = $doc])+ $key: Option<Located<$kind>>,)+
        }

        /// Every checker's name, in the order of the documentation.
        pub const CHECKERS: &[&str] = &[$($name),+];

        impl CheckEntry {
            fn set(&self) -> Vec<(&'static str, std::ops::Range<usize>)> {
                let mut set = Vec::new();
                $(if let Some(check) = &self.$key { set.push(($name, check.span())); })+
                set
            }

            fn spec(&self) -> Result<Option<CheckSpec>, Complaint> {
                $(if let Some(check) = &self.$key { return check.spec($name, check.span()).map(Some); })+
                Ok(None)
            }
        }
    };
}

registry! {
    /// All nodes and the store end up with the same list of blocked IPs.
    blocklist_converges: BlocklistConverges = "blocklist-converges",
    /// Every acknowledged block is on every node in the end.
    no_lost_block: Plain = "no-lost-block",
    /// Nothing that was unblocked is blocked in the end.
    no_resurrected_block: Plain = "no-resurrected-block",
    /// How long blocked addresses were still let in.
    exposure: Exposure = "exposure",
    /// How long events take to reach the other nodes.
    fan_out: FanOutLimits = "fan-out",
    /// Coordinator messages arrive as the backend promises.
    delivery: Plain = "delivery",
    /// Always on: no simulated code panics.
    no_panic: Plain = "no-panic",
    /// Always on: simulated time never stands still while tasks run.
    no_livelock: Plain = "no-livelock",
    /// Always on: nothing of a dead process lives on, no tasks pile up.
    no_leaked_task: Plain = "no-leaked-task",
    /// Always on: every fault of the plan mattered.
    faults_were_effective: Plain = "faults-were-effective",
}

impl CheckSpec {
    /// The checker's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::BlocklistConverges { .. } => "blocklist-converges",
            Self::NoLostBlock => "no-lost-block",
            Self::NoResurrectedBlock => "no-resurrected-block",
            Self::Exposure { .. } => "exposure",
            Self::FanOut { .. } => "fan-out",
            Self::Delivery => "delivery",
            Self::AlwaysOn(name) => name,
        }
    }
}

/// Validates the list: one kind an entry, no kind twice.
pub(crate) fn validate(entries: &[Located<CheckEntry>]) -> Result<Vec<CheckSpec>, Complaint> {
    let mut specs: Vec<CheckSpec> = Vec::with_capacity(entries.len());
    for entry in entries {
        super::kinds::exactly_one("check", entry.span(), &entry.set(), CHECKERS)?;
        let Some(spec) = entry.spec()? else { continue };
        if specs.iter().any(|earlier| earlier.name() == spec.name()) {
            return Err(Complaint::at(entry.span(), format!("the check `{}` stands here twice", spec.name()))
                .help("keep the stricter one"));
        }
        specs.push(spec);
    }
    Ok(specs)
}
