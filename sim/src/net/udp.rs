//! UDP: datagrams that may be lost, and multicast groups.

use super::fabric::Fate;
use super::{Held, HostId, Net, NetEvent, Reach, Waiters, hears};
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
    number: u64,
    local: SocketAddr,
    queue: VecDeque<Datagram>,
    queued_bytes: usize,
    groups: BTreeSet<Ipv4Addr>,
    readers: Waiters,
}

impl Socket {
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
    pub(crate) fn udp_bind(&mut self, host: HostId, addr: SocketAddr) -> io::Result<UdpKey> {
        let number = self.socket_number();
        let kernel = self.kernel(host);
        let multicast = matches!(addr.ip(), std::net::IpAddr::V4(ip) if ip.is_multicast());
        if !kernel.owns(addr.ip()) && !multicast {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = match addr.port() {
            0 => kernel.ephemeral_port(|k, port| k.udp.contains_key(&port))?,
            port if kernel.udp.contains_key(&port) => return Err(io::ErrorKind::AddrInUse.into()),
            port => port,
        };
        let socket = Socket {
            number,
            local: SocketAddr::new(addr.ip(), port),
            queue: VecDeque::new(),
            queued_bytes: 0,
            groups: BTreeSet::new(),
            readers: Waiters::default(),
        };
        kernel.udp.insert(port, socket);
        Ok(UdpKey { host, port, number })
    }

    fn udp_socket(&mut self, key: UdpKey) -> io::Result<&mut Socket> {
        let socket = self.kernels[key.host.index()].udp.get_mut(&key.port);
        socket.filter(|s| s.number == key.number).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(crate) fn udp_local_addr(&mut self, key: UdpKey) -> io::Result<SocketAddr> {
        Ok(self.udp_socket(key)?.local)
    }

    pub(crate) fn udp_close(&mut self, key: UdpKey) {
        if self.udp_socket(key).is_ok()
            && let Some(socket) = self.kernel(key.host).udp.remove(&key.port)
        {
            self.discard(socket.readers);
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
        let local = self.udp_socket(key)?.local;
        let host = self.route(key.host, *to.ip());
        let reach = if host == Some(key.host) { Reach::Here } else { Reach::Away };
        let from = self.kernel(key.host).source_ip(Some(local.ip()), *to.ip(), reach)?;
        let (len, from) = (payload.len(), SocketAddrV4::new(from, local.port()));
        let datagram = Datagram { from, to, payload };
        if to.ip().is_multicast() {
            let members: Vec<HostId> = self.members(*to.ip(), to.port());
            for member in members {
                self.send_datagram(key.host, member, datagram.clone());
            }
        } else if let Some(host) = host {
            self.send_datagram(key.host, host, datagram);
        }
        Ok(len)
    }

    fn members(&self, group: Ipv4Addr, port: u16) -> Vec<HostId> {
        let joined = |k: &super::Kernel| k.udp.get(&port).is_some_and(|s| s.groups.contains(&group));
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
        let kernel = &mut self.kernels[to.index()];
        let to_ip = *datagram.to.ip();
        let socket = kernel.udp.get_mut(&datagram.to.port()).filter(|_| kernel.up);
        let Some(socket) = socket.filter(|s| to_ip.is_multicast() || hears(s.local.ip(), to_ip)) else {
            self.recorder.lost(self.now_ns, ends, Wire::Datagram, super::Lost::HostDown, &datagram.payload);
            return;
        };
        if socket.queued_bytes + datagram.payload.len() > RECEIVE_BUFFER_BYTES {
            self.recorder.lost(self.now_ns, ends, Wire::Datagram, super::Lost::Random, &datagram.payload);
            return;
        }
        self.recorder.arrived(self.now_ns, ends, Wire::Datagram, &datagram.payload);
        socket.queued_bytes += datagram.payload.len();
        socket.queue.push_back(datagram);
        let readers = std::mem::take(&mut socket.readers);
        self.wake(readers);
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

/// Joining or leaving a multicast group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Membership {
    Join,
    Leave,
}
