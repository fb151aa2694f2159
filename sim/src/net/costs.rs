//! What sending and waking up costs a host, beside what its links take.
//!
//! A server that passes one message on to a hundred clients does a hundred pieces of work one after another, and a
//! program that has slept is not there at once when a packet comes. Both add up to most of the latency that is measured
//! on a fast network, and the first makes it grow with the number of clients.

use super::HostId;
use super::profile::Latency;
use crate::entropy::below;
use rand_core::Rng;

/// What packets cost a host. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCosts {
    /// Work for each packet that it sends, nanoseconds; packets leave one after another.
    pub send_ns: u64,
    /// How long a host that has slept takes before a packet reaches its program.
    pub wake: Latency,
    /// A host sleeps when it has neither sent nor received for so long, nanoseconds.
    pub sleeps_after_ns: u64,
    /// Of a million packets that it sends, so many find the processor taken away.
    pub stalls_per_million: u32,
    /// For so long; what is to be sent after them waits, too.
    pub stall: Latency,
}

/// A host's processor.
#[derive(Clone, Copy, Debug)]
struct Processor {
    costs: HostCosts,
    busy_until_ns: u64,
    active_until_ns: u64,
}

/// The processors of all hosts; empty when work is free everywhere.
#[derive(Debug, Default)]
pub(crate) struct Processors(Vec<Processor>);

impl Processors {
    /// One for each host, in order.
    pub(crate) fn new(costs: impl IntoIterator<Item = HostCosts>) -> Self {
        let processor = |costs| Processor { costs, busy_until_ns: 0, active_until_ns: 0 };
        let processors: Vec<Processor> = costs.into_iter().map(processor).collect();
        let free = processors.iter().all(|processor| processor.costs == HostCosts::default());
        Self(if free { Vec::new() } else { processors })
    }

    /// When a packet that `host` sends now has left its processor, nanoseconds.
    pub(crate) fn sent(&mut self, host: HostId, now_ns: u64, rng: &mut impl Rng) -> u64 {
        let Some(processor) = self.0.get_mut(host.index()) else { return now_ns };
        let costs = &processor.costs;
        let mut done_ns = now_ns.max(processor.busy_until_ns) + costs.send_ns;
        if costs.stalls_per_million > 0 && below(rng, 1_000_000) < u64::from(costs.stalls_per_million) {
            done_ns += costs.stall.sample(rng);
        }
        processor.busy_until_ns = done_ns;
        processor.active_until_ns = processor.active_until_ns.max(done_ns);
        done_ns
    }

    /// When a packet that arrives at `host` has reached its program, nanoseconds.
    pub(crate) fn received(&mut self, host: HostId, arrives_ns: u64, rng: &mut impl Rng) -> u64 {
        let Some(processor) = self.0.get_mut(host.index()) else { return arrives_ns };
        let costs = &processor.costs;
        let slept_ns = arrives_ns.saturating_sub(processor.active_until_ns);
        let awake_ns = if slept_ns > costs.sleeps_after_ns && costs.wake != Latency::default() {
            arrives_ns + costs.wake.sample(rng)
        } else {
            arrives_ns
        };
        processor.active_until_ns = processor.active_until_ns.max(awake_ns);
        awake_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::{Subsystem, stream};

    const HOST: HostId = HostId(0);

    #[test]
    fn packets_leave_one_after_another() {
        let mut rng = stream(1, Subsystem::Network);
        let mut processors = Processors::new([HostCosts { send_ns: 10, ..HostCosts::default() }]);
        let sent: Vec<u64> = (0..3).map(|_| processors.sent(HOST, 100, &mut rng)).collect();
        assert_eq!(sent, [110, 120, 130]);
        assert_eq!(processors.sent(HOST, 1_000, &mut rng), 1_010);
    }

    #[test]
    fn a_stall_holds_up_what_comes_after_it() {
        let mut rng = stream(1, Subsystem::Network);
        let costs = HostCosts { stalls_per_million: 1_000_000, stall: Latency::fixed(500), ..HostCosts::default() };
        let mut processors = Processors::new([costs]);
        assert_eq!(processors.sent(HOST, 0, &mut rng), 500);
        assert_eq!(processors.sent(HOST, 0, &mut rng), 1_000);
    }

    #[test]
    fn only_a_host_that_slept_must_wake_up() {
        let mut rng = stream(1, Subsystem::Network);
        let costs = HostCosts { wake: Latency::fixed(70), sleeps_after_ns: 1_000, ..HostCosts::default() };
        let mut processors = Processors::new([costs]);
        assert_eq!(processors.received(HOST, 2_000, &mut rng), 2_070);
        assert_eq!(processors.received(HOST, 3_000, &mut rng), 3_000);
        assert_eq!(processors.received(HOST, 4_001, &mut rng), 4_071);
    }

    #[test]
    fn free_work_draws_nothing() {
        let mut rng = stream(1, Subsystem::Network);
        let mut processors = Processors::new([HostCosts::default()]);
        assert_eq!(processors.sent(HOST, 5, &mut rng), 5);
        assert_eq!(processors.received(HOST, 6, &mut rng), 6);
        assert_eq!(rng.next_u64(), stream(1, Subsystem::Network).next_u64());
    }
}
