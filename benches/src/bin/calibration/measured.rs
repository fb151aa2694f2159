//! What was measured: nats-server 2.9.10, Redis 7.0.15 and zenoh 1.10.2 on the loopback interface of a quiet machine with two
//! cores, the publisher and all subscribers in one process, the server in another, events of 200 bytes, none lost.

use squall_harness::scenario::Backend;

/// Latencies from the publisher's call, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    /// Of each delivery.
    pub(crate) delivery_p50: u64,
    pub(crate) delivery_p99: u64,
    /// Of the delivery to the last subscriber.
    pub(crate) last_p50: u64,
    pub(crate) last_p99: u64,
}

impl Figures {
    const fn new([delivery_p50, delivery_p99, last_p50, last_p99]: [u64; 4]) -> Self {
        Self { delivery_p50, delivery_p99, last_p50, last_p99 }
    }
}

/// Events per second, subscribers, latencies.
pub(crate) type Measurement = (u64, usize, Figures);

/// All of it.
pub(crate) const MEASURED: [(Backend, [Measurement; 8]); 3] = [
    (
        Backend::Nats,
        [
            (100, 3, Figures::new([270, 512, 281, 519])),
            (100, 10, Figures::new([268, 493, 298, 532])),
            (100, 50, Figures::new([696, 1_828, 877, 2_037])),
            (100, 100, Figures::new([1_021, 1_923, 1_303, 2_329])),
            (1_000, 3, Figures::new([146, 286, 155, 302])),
            (1_000, 10, Figures::new([209, 460, 239, 511])),
            (1_000, 50, Figures::new([452, 1_807, 565, 2_206])),
            (1_000, 100, Figures::new([784, 4_260, 1_018, 5_571])),
        ],
    ),
    (
        Backend::Redis,
        [
            (100, 3, Figures::new([253, 444, 268, 458])),
            (100, 10, Figures::new([297, 595, 327, 612])),
            (100, 50, Figures::new([792, 1_289, 943, 1_403])),
            (100, 100, Figures::new([1_232, 2_140, 1_546, 2_361])),
            (1_000, 3, Figures::new([138, 275, 148, 292])),
            (1_000, 10, Figures::new([196, 419, 225, 456])),
            (1_000, 50, Figures::new([452, 1_364, 586, 1_702])),
            (1_000, 100, Figures::new([995, 4_272, 1_342, 4_932])),
        ],
    ),
    (
        Backend::Zenoh,
        [
            (100, 3, Figures::new([273, 491, 291, 522])),
            (100, 10, Figures::new([394, 955, 468, 1_016])),
            (100, 50, Figures::new([915, 2_028, 1_221, 2_226])),
            (100, 100, Figures::new([1_479, 3_039, 1_912, 3_693])),
            (1_000, 3, Figures::new([141, 452, 151, 518])),
            (1_000, 10, Figures::new([238, 637, 297, 775])),
            (1_000, 50, Figures::new([865, 4_456, 1_125, 6_242])),
            (1_000, 100, Figures::new([1_302, 7_365, 1_873, 13_943])),
        ],
    ),
];
