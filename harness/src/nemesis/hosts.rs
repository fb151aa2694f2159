//! Sets of hosts, as bits: a plan for a thousand nodes takes thousands of them apart.

use super::topology::HostIndex;
use std::ops::Sub;

const BITS: usize = u64::BITS as usize;

/// A set of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hosts {
    words: Vec<u64>,
}

impl Hosts {
    pub(crate) fn contains(&self, host: HostIndex) -> bool {
        let host = host as usize;
        self.words.get(host / BITS).is_some_and(|word| word & (1 << (host % BITS)) != 0)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.words.iter().all(|&word| word == 0)
    }

    /// The members, in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = HostIndex> {
        let members = |(place, &word): (usize, &u64)| {
            (0..BITS).filter(move |bit| word & (1 << bit) != 0).map(move |bit| (place * BITS + bit) as HostIndex)
        };
        self.words.iter().enumerate().flat_map(members)
    }
}

impl FromIterator<HostIndex> for Hosts {
    fn from_iter<I: IntoIterator<Item = HostIndex>>(hosts: I) -> Self {
        let mut words = Vec::new();
        for host in hosts {
            let host = host as usize;
            if words.len() <= host / BITS {
                words.resize(host / BITS + 1, 0);
            }
            words[host / BITS] |= 1 << (host % BITS);
        }
        Self { words }
    }
}

impl<const N: usize> From<[HostIndex; N]> for Hosts {
    fn from(hosts: [HostIndex; N]) -> Self {
        hosts.into_iter().collect()
    }
}

impl Sub for &Hosts {
    type Output = Hosts;

    fn sub(self, other: Self) -> Hosts {
        let mut words = self.words.clone();
        for (word, without) in words.iter_mut().zip(&other.words) {
            *word &= !without;
        }
        Hosts { words }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn sets_of_bits_behave_as_sets(
            one in prop::collection::btree_set(0..200_u32, 0..40),
            two in prop::collection::btree_set(0..200_u32, 0..40),
        ) {
            let (a, b): (Hosts, Hosts) = (one.iter().copied().collect(), two.iter().copied().collect());
            let members = |hosts: &Hosts| hosts.iter().collect::<BTreeSet<_>>();
            prop_assert_eq!(members(&a), one.clone());
            prop_assert_eq!(members(&(&a - &b)), &one - &two);
            prop_assert_eq!((&a - &b).is_empty(), one.is_subset(&two));
            prop_assert!((0..220).all(|host| a.contains(host) == one.contains(&host)));
        }
    }
}
