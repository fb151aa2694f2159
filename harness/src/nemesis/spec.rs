//! `[[fault]]` entries: when, and exactly one kind. The registry of kinds.

use super::bandwidth::Bandwidth;
use super::clock_jump::ClockJump;
use super::draw::Draw;
use super::hold::Hold;
use super::kill::Kill;
use super::lame_duck::LameDuck;
use super::loss::Loss;
use super::partition::Partition;
use super::pause::Pause;
use super::power_loss::PowerLoss;
use super::reset::Reset;
use super::skew::Skew;
use super::slow_link::SlowLink;
use super::step::Step;
use super::store_die::StoreDie;
use super::store_serialization::StoreSerialization;
use super::store_slow::StoreSlow;
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::kinds::exactly_one;
use crate::scenario::located::Located;
use crate::scenario::units::Time;
use schemars::JsonSchema;
use serde::Deserialize;
use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A policy that strikes more often than this in a run is a mistake.
const STRIKES_MAX: u128 = 100_000;

/// A kind of fault.
pub(crate) trait Nemesis: Debug + Send + Sync {
    /// Complains about what the types cannot: nodes that do not exist, victims named twice.
    fn validate(&self, rules: &Rules, span: Range<usize>) -> Result<(), Complaint>;

    /// What happens at one of the entry's times.
    fn steps(&self, topology: &Topology, draw: &mut Draw<'_>) -> Vec<Step>;
}

/// When a fault strikes, since the start of the chaos phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Once.
    At(Duration),
    /// Once at a random time in each period of this length.
    Every {
        /// The period.
        period: Duration,
        /// The first period begins here.
        from: Duration,
        /// Nothing strikes at or after this.
        until: Duration,
    },
}

/// A valid `[[fault]]`.
#[derive(Clone, Debug)]
pub struct FaultSpec {
    /// When it strikes.
    pub when: When,
    /// Its kind, as in the scenario.
    pub kind: &'static str,
    pub(super) nemesis: Arc<dyn Nemesis>,
}

/// Lists the kinds once: their keys, their types, their names.
macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $key:ident: $kind:ty = $name:literal,)+) => {
        /// One `[[fault]]`: when it strikes, and exactly one kind.
        #[derive(Clone, Debug, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        #[schemars(rename = "Fault")]
        pub(crate) struct FaultEntry {
            /// Strikes once, at this time since the start of the run.
            at: Option<Located<Time>>,
            /// Strikes once at a random time in each period of this length.
            every: Option<Located<Time>>,
            /// With `every`: the first period begins here.
            from: Option<Located<Time>>,
            /// With `every`: nothing strikes at or after this.
            until: Option<Located<Time>>,
            $($(#[doc = $doc])+ $key: Option<Located<$kind>>,)+
        }

        /// Every fault's name.
        pub const FAULTS: &[&str] = &[$($name),+];

        impl FaultEntry {
            fn set(&self) -> Vec<(&'static str, Range<usize>)> {
                let mut set = Vec::new();
                $(if let Some(kind) = &self.$key { set.push(($name, kind.span())); })+
                set
            }

            fn nemesis(&self) -> Option<Arc<dyn Nemesis>> {
                $(if let Some(kind) = &self.$key { return Some(Arc::new((**kind).clone())); })+
                None
            }
        }
    };
}

registry! {
    /// Packets between two groups vanish.
    partition: Partition = "partition",
    /// Packets wait in the network, then all arrive.
    hold: Hold = "hold",
    /// Packets are lost at random.
    loss: Loss = "loss",
    /// Packets take longer.
    slow_link: SlowLink = "slow-link",
    /// Links carry less.
    bandwidth: Bandwidth = "bandwidth",
    /// Open connections are reset.
    reset: Reset = "reset",
    /// Processes end as by SIGKILL.
    kill: Kill = "kill",
    /// Machines go off: no farewell, unsynced writes are gone.
    power_loss: PowerLoss = "power-loss",
    /// Processes stop as by SIGSTOP.
    pause: Pause = "pause",
    /// Wall clocks are off for a while.
    skew: Skew = "skew",
    /// Wall clocks jump, and jump back later.
    clock_jump: ClockJump = "clock-jump",
    /// The store takes longer for each statement.
    store_slow: StoreSlow = "store-slow",
    /// The store refuses transactions with SQLSTATE 40001.
    store_serialization: StoreSerialization = "store-serialization",
    /// The store dies at a commit, so that its outcome is unknown.
    store_die: StoreDie = "store-die",
    /// A broker announces its shutdown, then goes.
    lame_duck: LameDuck = "lame-duck",
}

impl FaultSpec {
    pub(crate) fn validate(entry: &Located<FaultEntry>, rules: &Rules) -> Result<Self, Complaint> {
        let set = entry.set();
        exactly_one("fault", entry.span(), &set, FAULTS)?;
        let when = entry.when(entry.span(), rules)?;
        let [(kind, span)] = set.as_slice() else { unreachable!("exactly one kind is set") };
        let Some(nemesis) = entry.nemesis() else { unreachable!("exactly one kind is set") };
        nemesis.validate(rules, span.clone())?;
        Ok(Self { when, kind, nemesis })
    }
}

impl FaultEntry {
    fn when(&self, span: Range<usize>, rules: &Rules) -> Result<When, Complaint> {
        match (&self.at, &self.every) {
            (Some(at), None) => {
                if let Some(stray) = self.from.as_ref().or(self.until.as_ref()) {
                    return Err(Complaint::at(stray.span(), "`from` and `until` go with `every`, not with `at`"));
                }
                rules.within_run("at", at)?;
                Ok(When::At(at.0))
            }
            (None, Some(every)) => self.policy(every, rules),
            (Some(_), Some(every)) => {
                Err(Complaint::at(every.span(), "this [[fault]] has both `at` and `every`: expected one of them"))
            }
            (None, None) => Err(Complaint::at(span, "this [[fault]] does not say when: expected `at` or `every`")
                .help("at = \"10s\" strikes once, every = \"5s\" again and again at random times")),
        }
    }

    fn policy(&self, every: &Located<Time>, rules: &Rules) -> Result<When, Complaint> {
        rules.positive("every", every)?;
        let (from, until) = rules.window(self.from.as_ref(), self.until.as_ref())?;
        if every.0 > until - from {
            return Err(Complaint::at(
                every.span(),
                format!("`every` is longer than the time it has: expected at most {:?}", until - from),
            )
            .help("use `at` for a fault that strikes once"));
        }
        if (until - from).as_nanos() / every.as_nanos() > STRIKES_MAX {
            return Err(Complaint::at(
                every.span(),
                format!("`every` is too short: expected at most {STRIKES_MAX} faults in a run"),
            ));
        }
        Ok(When::Every { period: every.0, from, until })
    }
}
