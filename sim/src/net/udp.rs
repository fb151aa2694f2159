//! UDP: datagrams that may be lost, and multicast groups.

use super::fabric::Fate;
use super::{Held, HostId, Kernel, Net, NetEvent, Reach, Waiters, hears};
use crate::record::Wire;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::task::{Poll, Waker};

/// What waits unread in one socket at most, bytes: Linux's `net.core.rmem_default`.
const RECEIVE_BUFFER_BYTES: usize = 212_992;
/// `EMSGSIZE` of Linux.
const MESSAGE_TOO_LONG: i32 = 90;
/// The largest payload of one datagram, bytes.
const MAX_DATAGRAM_BYTES: usize = 65_507;

/// A datagram under way.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
    pub(crate) payload: Bytes,
}

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Socket {
    local: SocketAddr,
    queue: VecDeque<Datagram>,
    queued_bytes: usize,
    groups: BTreeSet<Ipv4Addr>,
    sharing: PortSharing,
    /// Members on this host get what it sends to a group.
    loops: bool,
    readers: Waiters,
}

/// Whether a port may have several sockets (`SO_REUSEADDR`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortSharing {
    Exclusive,
    /// With others that share it. A datagram for one socket goes to the last that was bound.
    Shared,
}

impl Socket {
    /// Whether it gets what is sent to this address.
    fn wants(&self, to: Ipv4Addr) -> bool {
        hears(self.local.ip(), to) && (!to.is_multicast() || self.groups.contains(&to))
    }

    pub(super) fn into_waiters(self) -> Waiters {
        self.readers
    }
}

/// Names a socket for its application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UdpKey {
    pub(crate) host: HostId,
    pub(crate) port: u16,
    number: u64,
}

impl Net {
    pub(crate) fn udp_bind(&mut self, host: HostId, addr: SocketAddr, sharing: PortSharing) -> io::Result<UdpKey> {
        let number = self.socket_number();
        let kernel = self.kernel(host);
        let multicast = matches!(addr.ip(), std::net::IpAddr::V4(ip) if ip.is_multicast());
        if !kernel.owns(addr.ip()) && !multicast {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = match addr.port() {
            0 => kernel.ephemeral_port(|k, port| k.datagram_sockets(port).next().is_some())?,
            port => port,
        };
        let exclusive = |s: &Socket| s.sharing == PortSharing::Exclusive || sharing == PortSharing::Exclusive;
        if kernel.datagram_sockets(port).any(exclusive) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let socket = Socket {
            local: SocketAddr::new(addr.ip(), port),
            queue: VecDeque::new(),
            queued_bytes: 0,
            groups: BTreeSet::new(),
            sharing,
            loops: true,
            readers: Waiters::default(),
        };
        kernel.udp.insert((port, number), socket);
        Ok(UdpKey { host, port, number })
    }

    fn udp_socket(&mut self, key: UdpKey) -> io::Result<&mut Socket> {
        let socket = self.kernels[key.host.index()].udp.get_mut(&(key.port, key.number));
        socket.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(crate) fn udp_local_addr(&mut self, key: UdpKey) -> io::Result<SocketAddr> {
        Ok(self.udp_socket(key)?.local)
    }

    pub(crate) fn udp_close(&mut self, key: UdpKey) {
        if let Some(socket) = self.kernel(key.host).udp.remove(&(key.port, key.number)) {
            self.discard(socket.readers);
        }
    }

    pub(crate) fn udp_set_loop(&mut self, key: UdpKey, loops: bool) {
        if let Ok(socket) = self.udp_socket(key) {
            socket.loops = loops;
        }
    }

    pub(crate) fn udp_group(&mut self, key: UdpKey, group: Ipv4Addr, join: Membership) -> io::Result<()> {
        if !group.is_multicast() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let groups = &mut self.udp_socket(key)?.groups;
        let known = match join {
            Membership::Join => groups.insert(group),
            Membership::Leave => groups.remove(&group),
        };
        if known { Ok(()) } else { Err(io::ErrorKind::AddrNotAvailable.into()) }
    }

    pub(crate) fn udp_send(&mut self, key: UdpKey, payload: Bytes, to: SocketAddr) -> io::Result<usize> {
        let SocketAddr::V4(to) = to else { return Err(io::ErrorKind::AddrNotAvailable.into()) };
        if payload.len() > MAX_DATAGRAM_BYTES {
            return Err(io::Error::from_raw_os_error(MESSAGE_TOO_LONG));
        }
        let to = if to.ip().is_unspecified() { SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port()) } else { to };
        let socket = self.udp_socket(key)?;
        let (local, loops) = (socket.local, socket.loops);
        let host = self.route(key.host, *to.ip());
        let reach = if host == Some(key.host) { Reach::Here } else { Reach::Away };
        let from = self.kernel(key.host).source_ip(Some(local.ip()), *to.ip(), reach)?;
        let (len, from) = (payload.len(), SocketAddrV4::new(from, local.port()));
        let datagram = Datagram { from, to, payload };
        if to.ip().is_multicast() {
            let mut members = self.members(to);
            members.retain(|member| loops || *member != key.host);
            for member in members {
                self.send_datagram(key.host, member, datagram.clone());
            }
        } else if let Some(host) = host {
            self.send_datagram(key.host, host, datagram);
        }
        Ok(len)
    }

    /// Hosts with a socket in the group.
    fn members(&self, group: SocketAddrV4) -> Vec<HostId> {
        let joined = |k: &Kernel| k.datagram_sockets(group.port()).any(|s| s.wants(*group.ip()));
        (0..).map(HostId).zip(&self.kernels).filter(|(_, k)| joined(k)).map(|(id, _)| id).collect()
    }

    pub(super) fn send_datagram(&mut self, from: HostId, to: HostId, datagram: Datagram) {
        match self.fabric.judge(self.now_ns, from, to, datagram.payload.len()) {
            Fate::Arrives(at) => self.queue.push(at, NetEvent::Datagram { to, datagram }),
            Fate::Held(fault) => self.held.entry(fault).or_default().push_back(Held::Datagram { from, to, datagram }),
            Fate::Lost(why) => {
                let ends = (from, datagram.from.port(), to, datagram.to.port());
                self.recorder.lost(self.now_ns, ends, Wire::Datagram, why, &datagram.payload);
            }
        }
    }

    pub(super) fn datagram_arrives(&mut self, to: HostId, datagram: Datagram) {
        let from = self.by_ip.get(datagram.from.ip()).copied().unwrap_or(to);
        let ends = (from, datagram.from.port(), to, datagram.to.port());
        let kernel = &self.kernels[to.index()];
        let (port, to_ip) = (datagram.to.port(), *datagram.to.ip());
        let heard = (port, 0)..=(port, u64::MAX);
        let hearing = kernel.udp.range(heard).filter(|(_, s)| kernel.up && s.wants(to_ip)).map(|(key, _)| *key);
        let mut hearing: Vec<(u16, u64)> = hearing.collect();
        if !to_ip.is_multicast() {
            hearing.drain(..hearing.len().saturating_sub(1));
        }
        if hearing.is_empty() {
            self.recorder.lost(self.now_ns, ends, Wire::Datagram, super::Lost::HostDown, &datagram.payload);
        }
        for key in hearing {
            let Some(socket) = self.kernels[to.index()].udp.get_mut(&key) else { continue };
            if socket.queued_bytes + datagram.payload.len() > RECEIVE_BUFFER_BYTES {
                self.recorder.lost(self.now_ns, ends, Wire::Datagram, super::Lost::Random, &datagram.payload);
                continue;
            }
            self.recorder.arrived(self.now_ns, ends, Wire::Datagram, &datagram.payload);
            socket.queued_bytes += datagram.payload.len();
            socket.queue.push_back(datagram.clone());
            let readers = std::mem::take(&mut socket.readers);
            self.wake(readers);
        }
    }

    pub(crate) fn udp_recv(&mut self, key: UdpKey, waker: &Waker) -> Poll<io::Result<Datagram>> {
        let socket = match self.udp_socket(key) {
            Ok(socket) => socket,
            Err(e) => return Poll::Ready(Err(e)),
        };
        if let Some(datagram) = socket.queue.pop_front() {
            socket.queued_bytes -= datagram.payload.len();
            return Poll::Ready(Ok(datagram));
        }
        socket.readers.add(waker);
        Poll::Pending
    }

    pub(crate) fn udp_readable(&mut self, key: UdpKey, waker: &Waker) -> Poll<io::Result<()>> {
        let socket = match self.udp_socket(key) {
            Ok(socket) => socket,
            Err(e) => return Poll::Ready(Err(e)),
        };
        if !socket.queue.is_empty() {
            return Poll::Ready(Ok(()));
        }
        socket.readers.add(waker);
        Poll::Pending
    }
}

impl Kernel {
    /// The datagram sockets of a port, in the order they were bound.
    fn datagram_sockets(&self, port: u16) -> impl Iterator<Item = &Socket> {
        self.udp.range((port, 0)..=(port, u64::MAX)).map(|(_, socket)| socket)
    }
}

/// Joining or leaving a multicast group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Join,
    Leave,
}
