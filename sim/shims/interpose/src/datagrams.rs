//! Datagram sockets that simulated code opens through libc, as `socket2` does, before it hands them to tokio.
//!
//! Such code gets a descriptor that stands in for the socket: a Unix one that nobody can reach. What is set on it is
//! remembered here, until the simulation [takes](take) it to bind a simulated socket. Binding is thus settled late: a
//! port of 0 is still 0, and an address in use is reported by tokio's `from_std`.

use libc::c_int;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A socket that was opened and not yet handed to tokio.
#[derive(Clone, Debug)]
pub struct Opened {
    domain: c_int,
    bound: Option<SocketAddr>,
    groups: BTreeSet<Ipv4Addr>,
    options: BTreeMap<(c_int, c_int), Vec<u8>>,
}

/// Descriptors are the process's, and so is the table.
static OPENED: Mutex<BTreeMap<RawFd, Opened>> = Mutex::new(BTreeMap::new());
/// How many there are: nearly always none, and then no call has to lock.
static COUNT: AtomicUsize = AtomicUsize::new(0);

fn opened() -> MutexGuard<'static, BTreeMap<RawFd, Opened>> {
    OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the socket that `descriptor` stands in for. The descriptor is a plain one from then on.
#[must_use]
pub fn take(descriptor: RawFd) -> Option<Opened> {
    if COUNT.load(Ordering::Acquire) == 0 {
        return None;
    }
    let mut table = opened();
    let taken = table.remove(&descriptor);
    COUNT.store(table.len(), Ordering::Release);
    taken
}

/// From now on `descriptor` stands in for a socket of this domain.
pub(crate) fn stand_in(descriptor: RawFd, domain: c_int) {
    let socket = Opened { domain, bound: None, groups: BTreeSet::new(), options: BTreeMap::new() };
    let mut table = opened();
    table.insert(descriptor, socket);
    COUNT.store(table.len(), Ordering::Release);
}

/// Works on what `descriptor` stands in for; `None` if it is an ordinary descriptor.
pub(crate) fn with<R>(descriptor: RawFd, work: impl FnOnce(&mut Opened) -> R) -> Option<R> {
    if COUNT.load(Ordering::Acquire) == 0 {
        return None;
    }
    opened().get_mut(&descriptor).map(work)
}

impl Opened {
    /// Where it is bound, or the unspecified address of its family.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.bound.unwrap_or_else(|| self.any())
    }

    /// The IPv4 groups it has joined, in order.
    pub fn groups(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.groups.iter().copied()
    }

    /// Whether it shares its port with others that do (`SO_REUSEADDR`).
    #[must_use]
    pub fn shares_port(&self) -> bool {
        self.flag(libc::SOL_SOCKET, libc::SO_REUSEADDR).unwrap_or(false)
    }

    /// Whether members on its own host get what it sends to a group (`IP_MULTICAST_LOOP`).
    #[must_use]
    pub fn loops(&self) -> bool {
        self.flag(libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP).unwrap_or(true)
    }

    fn any(&self) -> SocketAddr {
        if self.domain == libc::AF_INET6 {
            (Ipv6Addr::UNSPECIFIED, 0).into()
        } else {
            (Ipv4Addr::UNSPECIFIED, 0).into()
        }
    }

    fn flag(&self, level: c_int, name: c_int) -> Option<bool> {
        self.options.get(&(level, name)).map(|value| value.iter().any(|byte| *byte != 0))
    }

    /// bind(2), without a look at the network.
    pub(crate) fn bind(&mut self, addr: SocketAddr) -> Result<(), c_int> {
        if addr.is_ipv4() != self.any().is_ipv4() {
            return Err(libc::EAFNOSUPPORT);
        }
        if self.bound.is_some() {
            return Err(libc::EINVAL);
        }
        self.bound = Some(addr);
        Ok(())
    }

    /// setsockopt(2).
    pub(crate) fn set(&mut self, level: c_int, name: c_int, value: &[u8]) -> Result<(), c_int> {
        match (level, name) {
            (libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP) => {
                let group = group_of(value)?;
                if self.groups.insert(group) { Ok(()) } else { Err(libc::EADDRINUSE) }
            }
            (libc::IPPROTO_IP, libc::IP_DROP_MEMBERSHIP) => {
                let group = group_of(value)?;
                if self.groups.remove(&group) { Ok(()) } else { Err(libc::EADDRNOTAVAIL) }
            }
            // The simulated network has no IPv6 multicast: no interface can join.
            (libc::IPPROTO_IPV6, libc::IPV6_ADD_MEMBERSHIP) => Err(libc::ENODEV),
            _ => {
                self.options.insert((level, name), value.to_vec());
                Ok(())
            }
        }
    }

    /// getsockopt(2): what was set, or Linux's default where it is not zero.
    pub(crate) fn get(&self, level: c_int, name: c_int) -> Vec<u8> {
        let default = match (level, name) {
            (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_DGRAM,
            (libc::SOL_SOCKET, libc::SO_DOMAIN) => self.domain,
            (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_UDP,
            (libc::IPPROTO_IP, libc::IP_TTL) => 64,
            (libc::IPPROTO_IP, libc::IP_MULTICAST_TTL | libc::IP_MULTICAST_LOOP) => 1,
            _ => 0,
        };
        self.options.get(&(level, name)).cloned().unwrap_or_else(|| default.to_ne_bytes().to_vec())
    }
}

/// The group in an `ip_mreq` or `ip_mreqn`, both of which begin with it.
fn group_of(request: &[u8]) -> Result<Ipv4Addr, c_int> {
    let octets: [u8; 4] = request.get(..4).and_then(|head| head.try_into().ok()).ok_or(libc::EINVAL)?;
    let group = Ipv4Addr::from(octets);
    if group.is_multicast() { Ok(group) } else { Err(libc::EINVAL) }
}
