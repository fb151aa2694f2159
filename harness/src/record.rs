//! Everything one run leaves behind for the checkers to judge.

use ipnet::IpNet;
use squall_cluster::blocklist::Entry;
use squall_cluster::observe::NodeEvent;
use squall_sim::fault::PlannedFault;
use std::time::Duration;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It certainly happened.
    Ok,
    /// It certainly did not happen; why.
    Fail(String),
    /// It may have happened; why that is not known.
    Info(String),
}

/// What a client asked a node to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Block a network.
    Block {
        /// Which.
        net: IpNet,
        /// For how long.
        expires_in: Option<Duration>,
    },
    /// Unblock it.
    Unblock {
        /// Which.
        net: IpNet,
    },
}

/// One operation: invoked at one time, completed at another.
#[derive(Clone, Debug)]
pub struct Operation {
    /// The node it was sent to, 1-based.
    pub node: u16,
    /// Which incarnation of that node, 0-based.
    pub incarnation: u32,
    /// What was asked.
    pub request: Request,
    /// Simulated time of the invocation, nanoseconds since the world began.
    pub invoked_ns: u64,
    /// Simulated time of the completion; `None` while open (the node died).
    pub completed_ns: Option<u64>,
    /// How it ended; `Info` while open.
    pub outcome: Outcome,
    /// The version the node gave it, when it answered.
    pub entry: Option<Entry>,
}

/// Something a node reported.
#[derive(Clone, Debug)]
pub struct Observation {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation of it, 0-based.
    pub incarnation: u32,
    /// What it reported.
    pub event: NodeEvent,
}

/// A change in a host's life, in the order in which they happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifeEvent {
    /// A new incarnation runs.
    Booted,
    /// Killed or without power.
    Died,
    /// Stopped as by SIGSTOP.
    Paused,
    /// Continued.
    Resumed,
}

/// When a node came and went.
#[derive(Clone, Debug)]
pub struct Life {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation, 0-based.
    pub incarnation: u32,
    /// What happened.
    pub event: LifeEvent,
}

/// A fault that was applied.
#[derive(Clone, Debug)]
pub struct AppliedFault {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The plan's entry.
    pub planned: PlannedFault,
    /// How often it mattered (packets dropped, tasks stopped, clocks read, …).
    pub effects: u64,
}

/// What one node held when the run ended.
#[derive(Clone, Debug)]
pub struct FinalState {
    /// The node, 1-based.
    pub node: u16,
    /// Which incarnation, 0-based; `None` when the node was down.
    pub incarnation: Option<u32>,
    /// Its list with tombstones, ordered by network.
    pub entries: Vec<Entry>,
}

/// A panic inside simulated code.
#[derive(Clone, Debug)]
pub struct Panic {
    /// Simulated time, nanoseconds since the world began.
    pub at_ns: u64,
    /// The host's name.
    pub host: String,
    /// Message and place.
    pub message: String,
}

/// What the world counted; see the always-on checkers.
#[derive(Clone, Debug, Default)]
pub struct WorldFacts {
    /// Polls of tasks of dead incarnations.
    pub polls_after_death: u64,
    /// Sockets of dead incarnations still open.
    pub sockets_after_death: u64,
    /// Tasks that were spawned past the world's gate.
    pub escaped_spawns: u64,
    /// Live tasks of each node when it was first ready and at the end, `(node, ready, end)`.
    pub tasks: Vec<(u16, usize, usize)>,
    /// Set when simulated time stood still while tasks kept running: where and how often.
    pub livelock: Option<String>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub struct RunRecord {
    /// Number of nodes.
    pub nodes: u16,
    /// When the chaos phase began, nanoseconds since the world began.
    pub chaos_from_ns: u64,
    /// When everything was healed and the settle phase began.
    pub healed_ns: u64,
    /// When the run ended.
    pub end_ns: u64,
    /// Wall time of the Unix epoch at world time 0, milliseconds: `wall = epoch_ms + at_ns / 1e6` for an unskewed node.
    pub epoch_ms: u64,
    /// Operations, by invocation time.
    pub operations: Vec<Operation>,
    /// Observations, by time.
    pub observations: Vec<Observation>,
    /// Lives, by time.
    pub lives: Vec<Life>,
    /// How many `[[fault]]` entries the scenario has.
    pub fault_entries: usize,
    /// Applied faults, by time.
    pub faults: Vec<AppliedFault>,
    /// What each node held at the end, by node.
    pub finals: Vec<FinalState>,
    /// What the store held at the end, ordered by network.
    pub stored: Vec<Entry>,
    /// Panics of simulated code.
    pub panics: Vec<Panic>,
    /// Counts.
    pub world: WorldFacts,
}
