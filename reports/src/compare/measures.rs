//! What one run leaves for a comparison, and many runs add up to.

use super::Latencies;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::AddAssign;

/// Deliveries that took longer, microseconds, count as late: no operator would call that "at once".
pub const LATE_US: u64 = 1_000_000;

/// The measurements of one run or of many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// From the moment a version took effect on its origin until it took effect on another node by broadcast.
    pub delivery: Latencies,
    /// The same until the last of the nodes that ran without a break, one for each version.
    pub last_node: Latencies,
    /// From the moment a version took effect on its origin until it was in force on another node that ran then, by broadcast or
    /// by repair: a backend that loses what another delivers late is no faster by this one.
    pub in_force: Latencies,
    /// The same until the last node, one for each version.
    pub last_in_force: Latencies,
    /// Versions that came late.
    pub late: Late,
    /// Coordinator messages.
    pub messages: Messages,
    /// From the last heal until every running node knew every version that was made before it; one for each run with faults.
    pub convergence: Latencies,
    /// Runs in which some node never knew them all.
    pub unconverged: u64,
    /// From the loss of a node's coordinator link until it was back.
    pub reconnect: Latencies,
    /// Links that were lost and not back when the run or their process ended, although it ran for a while.
    pub unreconnected: u64,
    /// How long blocked addresses were let in.
    pub exposure: Exposure,
}

/// Versions that came late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Late {
    /// Versions that a node learned by broadcast.
    pub delivered: u64,
    /// Those of them that took longer than [`LATE_US`].
    pub slow: u64,
    /// Versions that a node which ran when they were made learned only from the store or by anti-entropy.
    pub repaired: u64,
}

impl Late {
    /// Versions that should have come by broadcast, soon.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.delivered + self.repaired
    }

    /// Those of them that did not.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.slow + self.repaired
    }
}

/// Coordinator messages, counted once for each node that was to get them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Messages {
    /// Handed over by a publisher, for nodes that ran without a break from then on.
    pub due: u64,
    /// Those of them that never came.
    pub lost: u64,
    /// Received by a node that had them before.
    pub repeated: u64,
    /// Received by a node that had a later message of the same publisher.
    pub overtaken: u64,
}

/// Node-nanoseconds in which a blocked address was let in, by what ended them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exposure {
    /// Blocks that took effect.
    pub blocks: u64,
    /// A broadcast.
    pub propagation_ns: u64,
    /// A read of the store, at boot or after a reconnect or a gap.
    pub reconnect_ns: u64,
    /// The exchange of digests.
    pub anti_entropy_ns: u64,
    /// An operation on that node itself.
    pub own_operation_ns: u64,
    /// Nothing.
    pub never_ns: u64,
}

impl Exposure {
    /// All node-nanoseconds.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.propagation_ns + self.reconnect_ns + self.anti_entropy_ns + self.own_operation_ns + self.never_ns
    }
}

impl AddAssign<&Self> for Measures {
    fn add_assign(&mut self, other: &Self) {
        let Self { delivery, last_node, in_force, last_in_force, late, messages, .. } = self;
        let Self { convergence, unconverged, reconnect, unreconnected, exposure, .. } = self;
        in_force.merge(&other.in_force);
        last_in_force.merge(&other.last_in_force);
        delivery.merge(&other.delivery);
        last_node.merge(&other.last_node);
        late.delivered += other.late.delivered;
        late.slow += other.late.slow;
        late.repaired += other.late.repaired;
        messages.due += other.messages.due;
        messages.lost += other.messages.lost;
        messages.repeated += other.messages.repeated;
        messages.overtaken += other.messages.overtaken;
        convergence.merge(&other.convergence);
        *unconverged += other.unconverged;
        reconnect.merge(&other.reconnect);
        *unreconnected += other.unreconnected;
        exposure.blocks += other.exposure.blocks;
        exposure.propagation_ns += other.exposure.propagation_ns;
        exposure.reconnect_ns += other.exposure.reconnect_ns;
        exposure.anti_entropy_ns += other.exposure.anti_entropy_ns;
        exposure.own_operation_ns += other.exposure.own_operation_ns;
        exposure.never_ns += other.exposure.never_ns;
    }
}
