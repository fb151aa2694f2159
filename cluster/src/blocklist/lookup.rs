//! Is an address inside a blocked network? One hash lookup for each prefix length in use.

use ipnet::IpNet;
use rustc_hash::FxHashMap;
use std::net::IpAddr;

/// Blocked networks by address family, prefix length and network bits.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    /// Network to the end of the block, milliseconds since the Unix epoch; `u64::MAX` blocks for good. Nothing iterates.
    ends: FxHashMap<(u8, u128), u64>,
    v4_prefixes: [u32; 33],
    v6_prefixes: [u32; 129],
}

impl Lookup {
    pub(super) fn new() -> Self {
        Self { ends: FxHashMap::default(), v4_prefixes: [0; 33], v6_prefixes: [0; 129] }
    }

    pub(super) fn insert(&mut self, net: IpNet, end_ms: u64) {
        if self.ends.insert(key(net), end_ms).is_none() {
            *self.count(net) += 1;
        }
    }

    pub(super) fn remove(&mut self, net: IpNet) {
        if self.ends.remove(&key(net)).is_some() {
            *self.count(net) -= 1;
        }
    }

    pub(super) fn contains(&self, ip: IpAddr, now_ms: u64) -> bool {
        let (counts, bits, width) = match ip {
            IpAddr::V4(ip) => (&self.v4_prefixes[..], u128::from(ip.to_bits()), 32_u8),
            IpAddr::V6(ip) => (&self.v6_prefixes[..], ip.to_bits(), 128),
        };
        (0..=width).rev().any(|prefix| {
            counts[usize::from(prefix)] > 0
                && self
                    .ends
                    .get(&(tag(width, prefix), masked(bits, width, width - prefix)))
                    .is_some_and(|end_ms| now_ms < *end_ms)
        })
    }

    fn count(&mut self, net: IpNet) -> &mut u32 {
        let prefix = usize::from(net.prefix_len());
        match net {
            IpNet::V4(_) => &mut self.v4_prefixes[prefix],
            IpNet::V6(_) => &mut self.v6_prefixes[prefix],
        }
    }
}

/// Family and prefix length in one byte: IPv4 prefixes are 0..=32, IPv6 ones are moved behind them.
fn tag(width: u8, prefix: u8) -> u8 {
    if width == 32 { prefix } else { prefix + 33 }
}

fn masked(bits: u128, width: u8, host_bits: u8) -> u128 {
    if host_bits == width { 0 } else { bits >> host_bits << host_bits }
}

fn key(net: IpNet) -> (u8, u128) {
    match net {
        IpNet::V4(net) => (tag(32, net.prefix_len()), u128::from(net.network().to_bits())),
        IpNet::V6(net) => (tag(128, net.prefix_len()), net.network().to_bits()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets() -> impl Strategy<Value = IpNet> {
        prop_oneof![
            (0..4_u32, 0..=32_u8).prop_map(|(bits, prefix)| {
                IpNet::new(IpAddr::V4((bits << 30 | bits).into()), prefix).unwrap().trunc()
            }),
            (0..4_u128, 0..=128_u8).prop_map(|(bits, prefix)| {
                IpNet::new(IpAddr::V6((bits << 126 | bits).into()), prefix).unwrap().trunc()
            }),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_asking_every_network(
            inserted in proptest::collection::vec((nets(), 1..5_u64), 0..20),
            removed in proptest::collection::vec(any::<prop::sample::Index>(), 0..5),
            probe in nets(),
            now_ms in 0..6_u64,
        ) {
            let mut lookup = Lookup::new();
            let mut naive = std::collections::BTreeMap::new();
            for (net, end_ms) in &inserted {
                lookup.insert(*net, *end_ms);
                naive.insert(*net, *end_ms);
            }
            for index in removed.iter().filter(|_| !inserted.is_empty()) {
                let (net, _) = inserted[index.index(inserted.len())];
                lookup.remove(net);
                naive.remove(&net);
            }
            let ip = probe.addr();
            let expected = naive.iter().any(|(net, end_ms)| net.contains(&ip) && now_ms < *end_ms);
            prop_assert_eq!(lookup.contains(ip, now_ms), expected);
        }
    }
}
