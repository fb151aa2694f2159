//! Entries for tests.

use super::{Entry, Hlc, State};
use crate::ids::Incarnation;
use ipnet::IpNet;
use proptest::prelude::*;

/// A version at `wall_ms`: `None` is a tombstone, `Some(None)` blocks for good, `Some(Some(ms))` until then.
pub(crate) fn entry(net: &str, wall_ms: u64, blocked: Option<Option<u64>>) -> Entry {
    Entry {
        net: net.parse().unwrap(),
        version: Hlc { wall_ms, counter: 0, incarnation: Incarnation(1) },
        state: match blocked {
            None => State::Unblocked,
            Some(expires_ms) => State::Blocked { reason: "test".into(), expires_ms },
        },
    }
}

fn one() -> impl Strategy<Value = Entry> {
    let net = prop_oneof![
        (0..3_u32, 30..=32_u8).prop_map(|(bits, prefix)| IpNet::new(std::net::IpAddr::V4(bits.into()), prefix)),
        (0..3_u128, 0..=128_u8).prop_map(|(bits, prefix)| IpNet::new(std::net::IpAddr::V6(bits.into()), prefix)),
    ]
    .prop_map(|net| net.unwrap().trunc());
    let state = prop_oneof![
        Just(State::Unblocked),
        ("[a-z]{0,3}", proptest::option::of(0..200_000_000_u64))
            .prop_map(|(reason, expires_ms)| State::Blocked { reason, expires_ms }),
    ];
    (net, 0..4_u64, 0..3_u32, 0..3_u64, state).prop_map(|(net, wall_ms, counter, incarnation, state)| Entry {
        net,
        version: Hlc { wall_ms, counter, incarnation: Incarnation(incarnation) },
        state,
    })
}

/// Up to `max` versions of a few networks, with plenty of ties.
pub(crate) fn entries(max: usize) -> impl Strategy<Value = Vec<Entry>> {
    proptest::collection::vec(one(), 0..=max)
}
