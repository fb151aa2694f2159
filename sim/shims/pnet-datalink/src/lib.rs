//! The list of network interfaces, for programs that may live inside a simulation.
//!
//! The crate stands in for the published one by `[patch.crates-io]`. zenoh asks once per process for the list and keeps
//! it, but in a simulation one process holds many hosts. So an interface listed there holds no addresses: it looks them
//! up for the host that asks, each time. Every simulated host has `lo` and one Ethernet interface, `eth0`, that is up and
//! capable of multicast. Outside a simulation the list is the machine's, as the published crate gives it.
//!
//! Of the published crate there is only the list, which is all that zenoh uses.
//!
//! ```
//! let loopback = pnet_datalink::interfaces().into_iter().find(|interface| interface.is_loopback());
//! assert!(loopback.is_none_or(|interface| interface.ips.iter().any(|network| network.ip().is_loopback())));
//! ```

mod machine;

use ipnetwork::{IpNetwork, Ipv4Network};
use std::net::Ipv4Addr;

/// Linux's `IFF_` flags of an interface.
pub type InterfaceType = u32;

/// A network interface and its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkInterface {
    /// Its name.
    pub name: String,
    /// The system's number of it.
    pub index: u32,
    /// Its addresses and netmasks.
    pub ips: Addresses,
    /// The system's `IFF_` flags.
    pub flags: InterfaceType,
}

/// The addresses of an interface: a list, or those of whichever simulated host asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(Source);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Machine(Vec<IpNetwork>),
    SimulatedLoopback,
    SimulatedEthernet,
}

/// Bits of a simulated network's mask: all hosts of a world are on one link.
const PREFIX_BITS: u8 = 8;

/// The interfaces of this machine, or of every simulated host.
#[must_use]
pub fn interfaces() -> Vec<NetworkInterface> {
    if squall_hook::active() {
        return vec![
            NetworkInterface {
                name: "lo".to_owned(),
                index: 1,
                ips: Addresses(Source::SimulatedLoopback),
                flags: bits(libc::IFF_UP | libc::IFF_LOOPBACK | libc::IFF_RUNNING),
            },
            NetworkInterface {
                name: "eth0".to_owned(),
                index: 2,
                ips: Addresses(Source::SimulatedEthernet),
                flags: bits(libc::IFF_UP | libc::IFF_BROADCAST | libc::IFF_RUNNING | libc::IFF_MULTICAST),
            },
        ];
    }
    machine::interfaces()
}

fn bits(flags: libc::c_int) -> InterfaceType {
    InterfaceType::from_ne_bytes(flags.to_ne_bytes())
}

impl NetworkInterface {
    fn has(&self, flag: libc::c_int) -> bool {
        self.flags & bits(flag) != 0
    }

    /// Whether it is switched on.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.has(libc::IFF_UP)
    }

    /// Whether it can broadcast.
    #[must_use]
    pub fn is_broadcast(&self) -> bool {
        self.has(libc::IFF_BROADCAST)
    }

    /// Whether it leads back to its own host.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.has(libc::IFF_LOOPBACK)
    }

    /// Whether it has one peer.
    #[must_use]
    pub fn is_point_to_point(&self) -> bool {
        self.has(libc::IFF_POINTOPOINT)
    }

    /// Whether it can multicast.
    #[must_use]
    pub fn is_multicast(&self) -> bool {
        self.has(libc::IFF_MULTICAST)
    }

    /// Whether it has a carrier.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.has(libc::IFF_RUNNING)
    }
}

impl Addresses {
    /// The addresses as they are now, for the host that asks.
    pub fn iter(&self) -> std::vec::IntoIter<IpNetwork> {
        let networks = match &self.0 {
            Source::Machine(networks) => networks.clone(),
            Source::SimulatedLoopback => network(Ipv4Addr::LOCALHOST),
            Source::SimulatedEthernet => squall_hook::current().map_or_else(Vec::new, |net| network(net.address())),
        };
        networks.into_iter()
    }
}

fn network(address: Ipv4Addr) -> Vec<IpNetwork> {
    Ipv4Network::new(address, PREFIX_BITS).map_or_else(|_| Vec::new(), |network| vec![network.into()])
}

impl IntoIterator for &Addresses {
    type Item = IpNetwork;
    type IntoIter = std::vec::IntoIter<IpNetwork>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Addresses {
    type Item = IpNetwork;
    type IntoIter = std::vec::IntoIter<IpNetwork>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
