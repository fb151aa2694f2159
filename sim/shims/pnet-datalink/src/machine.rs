//! The interfaces of the machine, by getifaddrs(3).
#![expect(unsafe_code, reason = "walking getifaddrs' list")]

use crate::{Addresses, NetworkInterface, Source};
use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use libc::{sockaddr, sockaddr_in, sockaddr_in6};
use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Every interface once, in the system's order; none if the system does not tell.
pub(crate) fn interfaces() -> Vec<NetworkInterface> {
    let mut first = std::ptr::null_mut();
    // SAFETY: a local that receives the list.
    if unsafe { libc::getifaddrs(&raw mut first) } != 0 {
        return Vec::new();
    }
    let mut found: Vec<NetworkInterface> = Vec::new();
    let mut next = first;
    // SAFETY: null or an entry of the list, which is freed below only.
    while let Some(entry) = unsafe { next.as_ref() } {
        next = entry.ifa_next;
        // SAFETY: an entry's name is a C string.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) };
        let text = name.to_string_lossy();
        let known = found.iter().position(|interface| interface.name == text);
        let at = known.unwrap_or_else(|| {
            // SAFETY: a C string.
            let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
            let ips = Addresses(Source::Machine(Vec::new()));
            found.push(NetworkInterface { name: text.into_owned(), index, ips, flags: entry.ifa_flags });
            found.len() - 1
        });
        // SAFETY: an entry's addresses are null or as long as their family demands.
        let network = unsafe { network(entry.ifa_addr, entry.ifa_netmask) };
        if let (Source::Machine(networks), Some(network)) = (&mut found[at].ips.0, network) {
            networks.push(network);
        }
    }
    // SAFETY: the list that getifaddrs gave.
    unsafe { libc::freeifaddrs(first) };
    found
}

/// # Safety
/// Each is null or a socket address as long as its family demands.
unsafe fn network(address: *const sockaddr, mask: *const sockaddr) -> Option<IpNetwork> {
    // SAFETY: the caller's contract.
    match unsafe { (ip(address)?, ip(mask)?) } {
        (IpAddr::V4(address), IpAddr::V4(mask)) => Ipv4Network::with_netmask(address, mask).ok().map(IpNetwork::V4),
        (IpAddr::V6(address), IpAddr::V6(mask)) => Ipv6Network::with_netmask(address, mask).ok().map(IpNetwork::V6),
        _ => None,
    }
}

/// # Safety
/// Null or a socket address as long as its family demands.
unsafe fn ip(address: *const sockaddr) -> Option<IpAddr> {
    // SAFETY: the caller's contract.
    let family = libc::c_int::from(unsafe { address.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: as long as its family demands.
            let v4 = unsafe { address.cast::<sockaddr_in>().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as long as its family demands.
            let v6 = unsafe { address.cast::<sockaddr_in6>().read_unaligned() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}
