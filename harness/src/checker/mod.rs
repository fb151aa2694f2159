//! The checkers: each judges one promise by what a run left behind.
//!
//! A checker is a pure function of the [`RunRecord`]. [`REGISTRY`] lists them all; a scenario names those with
//! parameters, [`always_on`] gives those that judge every run. Each checker's own file says what it promises, by what
//! evidence it judges, and how it can fail.
//!
//! | module | what |
//! |---|---|
//! | `blocklist_converges`, `no_lost_block`, `no_resurrected_block` | the list itself |
//! | `exposure`, `fan_out` | how long it takes to spread |
//! | `delivery` | what the backend promises |
//! | `no_panic`, `no_livelock`, `no_leaked_task`, `faults_were_effective` | always on |
//! | `measures` | what backends are compared by |
//! | `index`, `lives`, `expiry` | a record, sorted out once per check |
//! | `story`, `text` | reasons and evidence |

mod blocklist_converges;
mod delivery;
mod expiry;
mod exposure;
mod fan_out;
mod faults_were_effective;
mod index;
mod lives;
mod measures;
mod no_leaked_task;
mod no_livelock;
mod no_lost_block;
mod no_panic;
mod no_resurrected_block;
mod story;
#[cfg(test)]
mod testing;
mod text;

pub use blocklist_converges::BlocklistConverges;
pub use delivery::Delivery;
pub use exposure::Exposure;
pub use fan_out::{FanOut, FanOutBounds, FanOutLatency, fan_out_summary};
pub use faults_were_effective::FaultsWereEffective;
pub use index::Index;
pub use measures::measure;
pub use no_leaked_task::NoLeakedTask;
pub use no_livelock::NoLivelock;
pub use no_lost_block::NoLostBlock;
pub use no_panic::NoPanic;
pub use no_resurrected_block::NoResurrectedBlock;

use crate::record::RunRecord;
use squall_reports::Check;
use std::time::Duration;

/// Judges one promise.
pub trait Checker {
    /// The name by which scenarios and reports call it.
    fn name(&self) -> &'static str;

    /// Judges a run whose record has been sorted out, once for all checkers.
    fn judge(&self, index: &Index<'_>) -> Check;

    /// Judges a run by itself.
    fn check(&self, record: &RunRecord) -> Check {
        self.judge(&Index::new(record))
    }
}

/// How to make a checker, by what it needs to know.
#[derive(Clone, Copy, Debug)]
pub enum Constructor {
    /// Nothing, and it judges every run.
    AlwaysOn(fn() -> Box<dyn Checker>),
    /// Nothing, but the scenario must ask for it.
    Plain(fn() -> Box<dyn Checker>),
    /// How long something may take.
    Limit(fn(Duration) -> Box<dyn Checker>),
    /// Percentiles.
    FanOut(fn(FanOutBounds) -> Box<dyn Checker>),
}

/// What there is to know about a checker before it is made.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    /// Its name in scenarios and reports.
    pub name: &'static str,
    /// What it promises, in one line.
    pub promise: &'static str,
    /// By what it judges.
    pub evidence: &'static str,
    /// How to make it.
    pub constructor: Constructor,
}

/// Every checker of this build: first those that scenarios name, then those that are always on.
pub static REGISTRY: &[Registration] = &[
    Registration {
        name: "blocklist-converges",
        promise: "soon after the heal all running nodes block exactly the same networks",
        evidence: "final lists, acknowledged operations, and when each node applied what",
        constructor: Constructor::Limit(|within| Box::new(BlocklistConverges { within })),
    },
    Registration {
        name: "no-lost-block",
        promise: "an acknowledged block is on every running node and in the store until it ends",
        evidence: "acknowledged operations, final lists, and the store's content",
        constructor: Constructor::Plain(|| Box::new(NoLostBlock)),
    },
    Registration {
        name: "no-resurrected-block",
        promise: "an unblocked network stays open until somebody blocks it again",
        evidence: "the order of versions on each node, acknowledged unblocks, and final lists",
        constructor: Constructor::Plain(|| Box::new(NoResurrectedBlock)),
    },
    Registration {
        name: "exposure",
        promise: "no node lets a blocked network in for longer than allowed",
        evidence: "when each node ran, and when and how it learned each block",
        constructor: Constructor::Limit(|max| Box::new(Exposure { max })),
    },
    Registration {
        name: "fan-out",
        promise: "a broadcast reaches the other nodes within the given percentiles",
        evidence: "when a version took effect on its origin and, by broadcast, on the others",
        constructor: Constructor::FanOut(|bounds| Box::new(FanOutLatency { bounds })),
    },
    Registration {
        name: "delivery",
        promise: "coordinator messages arrive as the backend promises: not twice, in order, lost only where it allows",
        evidence: "what each publisher handed over, what each node received, and when links were up",
        constructor: Constructor::Plain(|| Box::new(Delivery)),
    },
    Registration {
        name: "no-panic",
        promise: "no simulated code panics",
        evidence: "the world's panic hook",
        constructor: Constructor::AlwaysOn(|| Box::new(NoPanic)),
    },
    Registration {
        name: "no-livelock",
        promise: "simulated time never stands still while tasks keep running",
        evidence: "polls between two advances of the clock",
        constructor: Constructor::AlwaysOn(|| Box::new(NoLivelock)),
    },
    Registration {
        name: "no-leaked-task",
        promise: "nothing outlives its host, and no node's tasks pile up",
        evidence: "the world's counts of polls, sockets, spawns and live tasks",
        constructor: Constructor::AlwaysOn(|| Box::new(NoLeakedTask)),
    },
    Registration {
        name: "faults-were-effective",
        promise: "every fault of the scenario mattered at least once",
        evidence: "the effects counted for each applied fault",
        constructor: Constructor::AlwaysOn(|| Box::new(FaultsWereEffective)),
    },
];

/// The registration of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Registration> {
    REGISTRY.iter().find(|registration| registration.name == name)
}

/// The checkers that judge every run, in the order of the registry.
#[must_use]
pub fn always_on() -> Vec<Box<dyn Checker>> {
    let constructors = REGISTRY.iter().map(|registration| registration.constructor);
    constructors
        .filter_map(|constructor| match constructor {
            Constructor::AlwaysOn(make) => Some(make()),
            Constructor::Plain(_) | Constructor::Limit(_) | Constructor::FanOut(_) => None,
        })
        .collect()
}

/// All verdicts on a run, in the order of the checkers, and how long its broadcasts took.
#[must_use]
pub fn judge(checkers: &[Box<dyn Checker>], record: &RunRecord) -> (Vec<Check>, FanOut) {
    let index = Index::new(record);
    (checkers.iter().map(|checker| checker.judge(&index)).collect(), fan_out::summarize(&index))
}

#[cfg(test)]
#[path = "tests/registry.rs"]
mod tests;
