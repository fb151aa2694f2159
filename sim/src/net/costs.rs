//! What sending, receiving and waking up cost a host, beside what its links take.
//!
//! A server that passes one message on to a hundred clients does a hundred pieces of work one after another, and a
//! program that has slept is not there at once when a packet comes. Both add up to most of the latency that is measured
//! on a fast network, and the first makes it grow with the number of clients. Where several cores share the work of one
//! message, the next need not wait for all of it.

use super::HostId;
use super::profile::Latency;
use crate::entropy::below;
use rand_core::Rng;

/// What packets cost a host. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCosts {
    /// Work for each packet that it sends, nanoseconds; packets leave one after another.
    pub send_ns: u64,
    /// Work for each packet that other cores do after that, nanoseconds. Those sent at one instant, the copies of one
    /// message, wait for it one after another; what is sent later does not.
    pub pipelined_ns: u64,
    /// How long each packet takes from the network to the program.
    pub receive: Latency,
    /// How much longer it takes at a host that has slept.
    pub wake: Latency,
    /// A host sleeps when it has neither sent nor received for so long, nanoseconds.
    pub sleeps_after_ns: u64,
    /// Of a million packets that it sends or receives, so many find the processor taken away.
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
    /// When the last packet was sent, and how many at that instant.
    burst: (u64, u64),
}

impl HostCosts {
    /// How long one packet finds the processor taken away, nanoseconds.
    fn stall_ns(&self, rng: &mut impl Rng) -> u64 {
        let stalls = self.stalls_per_million > 0 && below(rng, 1_000_000) < u64::from(self.stalls_per_million);
        if stalls { self.stall.sample(rng) } else { 0 }
    }
}

impl Processor {
    fn new(costs: HostCosts) -> Self {
        Self { costs, busy_until_ns: 0, active_until_ns: 0, burst: (0, 0) }
    }

    /// How many packets are sent at this instant so far, with the one that is now.
    fn burst(&mut self, now_ns: u64) -> u64 {
        let (at_ns, packets) = self.burst;
        self.burst = (now_ns, if at_ns == now_ns { packets + 1 } else { 1 });
        self.burst.1
    }
}

/// The processors of all hosts; empty when work is free everywhere.
#[derive(Debug, Default)]
pub(crate) struct Processors(Vec<Processor>);

impl Processors {
    /// One for each host, in order.
    pub(crate) fn new(costs: impl IntoIterator<Item = HostCosts>) -> Self {
        let processors: Vec<Processor> = costs.into_iter().map(Processor::new).collect();
        let free = processors.iter().all(|processor| processor.costs == HostCosts::default());
        Self(if free { Vec::new() } else { processors })
    }

    /// When a packet that `host` sends now has left its processor, nanoseconds.
    pub(crate) fn sent(&mut self, host: HostId, now_ns: u64, rng: &mut impl Rng) -> u64 {
        let Some(processor) = self.0.get_mut(host.index()) else { return now_ns };
        let HostCosts { send_ns, pipelined_ns, .. } = processor.costs;
        let sent_ns = now_ns.max(processor.busy_until_ns) + send_ns + processor.costs.stall_ns(rng);
        processor.busy_until_ns = sent_ns;
        let left_ns = sent_ns + pipelined_ns * processor.burst(now_ns);
        processor.active_until_ns = processor.active_until_ns.max(left_ns);
        left_ns
    }

    /// When a packet that arrives at `host` has reached its program, nanoseconds.
    ///
    /// Packets do not wait for each other here: their fates are decided when they are sent, and one that a fault holds
    /// up for seconds must not hold up those that come meanwhile.
    pub(crate) fn received(&mut self, host: HostId, arrives_ns: u64, rng: &mut impl Rng) -> u64 {
        let Some(processor) = self.0.get_mut(host.index()) else { return arrives_ns };
        let HostCosts { receive, wake, sleeps_after_ns, .. } = processor.costs;
        let slept_ns = arrives_ns.saturating_sub(processor.active_until_ns);
        let mut done_ns = arrives_ns;
        if slept_ns > sleeps_after_ns && wake != Latency::default() {
            done_ns += wake.sample(rng);
        }
        processor.active_until_ns = processor.active_until_ns.max(done_ns);
        if receive != Latency::default() {
            done_ns += receive.sample(rng);
        }
        done_ns + processor.costs.stall_ns(rng)
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
    fn what_other_cores_do_delays_the_copies_of_one_message_and_not_the_next() {
        let mut rng = stream(1, Subsystem::Network);
        let mut processors = Processors::new([HostCosts { send_ns: 10, pipelined_ns: 100, ..HostCosts::default() }]);
        let mut at = |now_ns| [(); 3].map(|()| processors.sent(HOST, now_ns, &mut rng));
        assert_eq!(at(1_000), [1_110, 1_220, 1_330]);
        assert_eq!(at(1_050), [1_160, 1_270, 1_380]);
    }

    #[test]
    fn a_stall_of_a_receiver_holds_up_one_packet() {
        let mut rng = stream(1, Subsystem::Network);
        let costs = HostCosts { stalls_per_million: 1_000_000, stall: Latency::fixed(500), ..HostCosts::default() };
        let mut processors = Processors::new([costs]);
        assert_eq!(processors.received(HOST, 1_000, &mut rng), 1_500);
        assert_eq!(processors.received(HOST, 1_100, &mut rng), 1_600);
    }

    #[test]
    fn receiving_takes_its_time_whether_or_not_the_host_slept() {
        let mut rng = stream(1, Subsystem::Network);
        let costs = HostCosts { receive: Latency::fixed(30), wake: Latency::fixed(70), ..HostCosts::default() };
        let mut processors = Processors::new([HostCosts { sleeps_after_ns: 1_000, ..costs }]);
        assert_eq!(processors.received(HOST, 2_000, &mut rng), 2_100);
        assert_eq!(processors.received(HOST, 2_200, &mut rng), 2_230);
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
