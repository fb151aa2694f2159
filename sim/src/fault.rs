//! Every fault of the world as data: what it does, to whom, and how it is undone.
//!
//! A plan is a list of resolved [`PlannedFault`]s. Random policies only ever emit plan entries, and
//! only plan entries touch the world, so a plan can be printed, edited, replayed and shrunk.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A host by its name in the world, such as `node-3`, `nats1` or `store`.
pub type HostName = String;

/// One thing that happens to the world at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Packets from any host of `from` to any of `to` vanish (one direction only).
    Cut {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
    },
    /// Undoes the [`Fault::Cut`] with the same hosts.
    Mend {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
    },
    /// Packets from `from` to `to` wait in the network until [`Fault::Release`].
    Hold {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
    },
    /// Lets what was held arrive, in order.
    Release {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
    },
    /// Packets from `from` to `to` are lost with this probability; 0 undoes it.
    Loss {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
        /// Lost packets in a million.
        per_million: u32,
    },
    /// Adds this much to the one-way latency from `from` to `to`; 0 undoes it.
    Delay {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
        /// Extra one-way latency, nanoseconds.
        extra_ns: u64,
    },
    /// Limits the throughput from `from` to `to`; `None` undoes it.
    Bandwidth {
        /// Senders.
        from: Vec<HostName>,
        /// Receivers.
        to: Vec<HostName>,
        /// Bytes per second of each link.
        bytes_per_s: Option<u64>,
    },
    /// Every open connection between the two groups is reset.
    Reset {
        /// One group.
        from: Vec<HostName>,
        /// The other.
        to: Vec<HostName>,
    },
    /// The process ends as by SIGKILL; its kernel closes the connections.
    Kill {
        /// Whom.
        host: HostName,
    },
    /// The machine is off: peers hear nothing, unsynced writes are gone.
    PowerLoss {
        /// Whom.
        host: HostName,
    },
    /// Boots a host that is down; a no-op for one that runs.
    Start {
        /// Whom.
        host: HostName,
    },
    /// As SIGSTOP: the kernel goes on, the process does not.
    Pause {
        /// Whom.
        host: HostName,
    },
    /// As SIGCONT.
    Resume {
        /// Whom.
        host: HostName,
    },
    /// Sets a host's wall clock to the true time plus this offset; 0 undoes it.
    Skew {
        /// Whom.
        host: HostName,
        /// Offset from true time, nanoseconds, either sign.
        offset_ns: i64,
    },
    /// Moves a host's wall clock by this much from where it is.
    ClockJump {
        /// Whom.
        host: HostName,
        /// How far, nanoseconds, either sign.
        by_ns: i64,
    },
    /// The metadata store takes this long for each statement; 0 undoes it.
    StoreSlow {
        /// Extra service time of a statement, nanoseconds.
        per_statement_ns: u64,
    },
    /// The next statements or commits of the metadata store fail with SQLSTATE 40001.
    StoreSerialization {
        /// How many.
        count: u32,
        /// Where the failure strikes.
        at: StorePoint,
    },
    /// The metadata store dies at its next COMMIT: the client cannot know the outcome.
    StoreDieAtCommit {
        /// Whether the commit had taken effect.
        point: CommitPoint,
    },
    /// A broker announces lame duck mode, then closes its clients.
    LameDuck {
        /// Which broker host.
        host: HostName,
    },
}

/// Where an injected serialization failure strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StorePoint {
    /// At a statement that writes.
    Statement,
    /// At COMMIT.
    Commit,
}

/// On which side of the commit the store dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CommitPoint {
    /// The transaction is lost.
    Before,
    /// The transaction is durable, its acknowledgement is lost.
    After,
}

/// A fault with its time and the scenario entry it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedFault {
    /// Simulated time since the start of the chaos phase, nanoseconds.
    pub at_ns: u64,
    /// Index of the `[[fault]]` entry of the scenario that this came from.
    pub entry: usize,
    /// Whether it undoes an earlier fault of the same entry (a heal, a restart), which needs no effect of its own.
    #[serde(default)]
    pub undo: bool,
    /// What happens.
    pub fault: Fault,
}

impl Fault {
    /// The word a report uses for this fault: the scenario's own.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "cut",
            Self::Mend { .. } => "mend",
            Self::Hold { .. } => "hold",
            Self::Release { .. } => "release",
            Self::Loss { .. } => "loss",
            Self::Delay { .. } => "delay",
            Self::Bandwidth { .. } => "bandwidth",
            Self::Reset { .. } => "reset",
            Self::Kill { .. } => "kill",
            Self::PowerLoss { .. } => "power-loss",
            Self::Start { .. } => "start",
            Self::Pause { .. } => "pause",
            Self::Resume { .. } => "resume",
            Self::Skew { .. } => "skew",
            Self::ClockJump { .. } => "clock-jump",
            Self::StoreSlow { .. } => "store-slow",
            Self::StoreSerialization { .. } => "store-serialization",
            Self::StoreDieAtCommit { .. } => "store-die-at-commit",
            Self::LameDuck { .. } => "lame-duck",
        }
    }
}

/// Few names in full, many by their number.
fn group(hosts: &[HostName]) -> String {
    match hosts {
        [first, .., last] if hosts.len() > 6 => format!("{first}…{last} ({})", hosts.len()),
        _ => hosts.join(","),
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        let ms = |ns: &u64| ns / 1_000_000;
        match self {
            Self::Cut { from, to }
            | Self::Mend { from, to }
            | Self::Hold { from, to }
            | Self::Release { from, to }
            | Self::Reset { from, to } => write!(f, "{kind} {} -> {}", group(from), group(to)),
            Self::Loss { from, to, per_million } => {
                write!(f, "{kind} {} -> {}: {per_million} in a million", group(from), group(to))
            }
            Self::Delay { from, to, extra_ns } => {
                write!(f, "{kind} {} -> {}: +{} ms", group(from), group(to), ms(extra_ns))
            }
            Self::Bandwidth { from, to, bytes_per_s } => match bytes_per_s {
                Some(rate) => write!(f, "{kind} {} -> {}: {rate} bytes/s", group(from), group(to)),
                None => write!(f, "{kind} {} -> {}: unlimited", group(from), group(to)),
            },
            Self::Kill { host }
            | Self::PowerLoss { host }
            | Self::Start { host }
            | Self::Pause { host }
            | Self::Resume { host }
            | Self::LameDuck { host } => write!(f, "{kind} {host}"),
            Self::Skew { host, offset_ns: by_ns } | Self::ClockJump { host, by_ns } => {
                write!(f, "{kind} {host} {:+} ms", by_ns / 1_000_000)
            }
            Self::StoreSlow { per_statement_ns } => write!(f, "{kind} {} ms a statement", ms(per_statement_ns)),
            Self::StoreSerialization { count, at } => write!(f, "{kind} {count} at {at:?}"),
            Self::StoreDieAtCommit { point } => write!(f, "{kind} {point:?}"),
        }
    }
}
