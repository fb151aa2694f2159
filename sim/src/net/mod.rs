//! The simulated network: kernels with TCP and UDP sockets, and a fabric that decides each packet's fate.
//!
//! An own socket layer rather than a borrowed one: loss, acknowledgement and back-off are events at
//! exact times, nothing is swept when nothing happened, and a host's kernel can vanish (power loss) or
//! close everything (process death) with all its sockets. TCP is modelled by the segment, not by the
//! byte: order, windows, head-of-line blocking, retransmission with back-off, FIN and RST are what the
//! programs of a run can see. An acknowledgement is no packet of its own, but a cut of the way back stalls
//! the sender after one retransmission time-out, as it does a real one.

mod costs;
mod fabric;
mod profile;
mod provider;
mod tcp;
mod udp;
mod waiters;

pub use costs::HostCosts;
pub(crate) use costs::Processors;
pub(crate) use fabric::{Action, Fabric, Lost, Rule};
pub use profile::{Latency, NetworkProfile};
pub(crate) use provider::Provider;
use waiters::Waiters;

use crate::engine::EventQueue;
use crate::record::Recorder;
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::task::Waker;

/// A machine of the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub(crate) u32);

impl HostId {
    /// Its place in the list of hosts the world began with, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostSet(Vec<u64>);

impl HostSet {
    pub(crate) fn contains(&self, host: HostId) -> bool {
        self.0.get(host.index() / 64).is_some_and(|word| word >> (host.index() % 64) & 1 == 1)
    }
}

impl FromIterator<HostId> for HostSet {
    fn from_iter<I: IntoIterator<Item = HostId>>(hosts: I) -> Self {
        let mut words = Vec::new();
        for host in hosts {
            let word = host.index() / 64;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1_u64 << (host.index() % 64);
        }
        Self(words)
    }
}

/// What is due in the network at some instant.
#[derive(Debug)]
pub(crate) enum NetEvent {
    /// A TCP segment arrives at `to`.
    Segment { to: tcp::EndKey, sequence: u64, what: tcp::Segment },
    /// The retransmission timer of what `end` sends.
    Retransmit { end: tcp::EndKey },
    /// Bytes that the peer has read are free in `end`'s window again.
    Credit { end: tcp::EndKey, bytes: usize },
    /// A datagram arrives.
    Datagram { to: HostId, datagram: udp::Datagram },
}

/// What a rule holds back until it is released.
#[derive(Debug)]
pub(crate) enum Held {
    Segment { from: tcp::EndKey, sequence: u64, what: tcp::Segment },
    Datagram { from: HostId, to: HostId, datagram: udp::Datagram },
}

/// One host's kernel.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) ip: Ipv4Addr,
    /// Power is on. A host whose process is dead but whose kernel runs answers with RST.
    pub(crate) up: bool,
    next_port: u16,
    listeners: BTreeMap<u16, tcp::Listener>,
    /// By port, and by the socket's number where several share one.
    udp: BTreeMap<(u16, u64), udp::Socket>,
}

/// All kernels and the links between them.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) now_ns: u64,
    pub(crate) queue: EventQueue<NetEvent>,
    /// Woken after the engine's borrow ends: a waker may run or drop anything.
    pub(crate) wakes: Vec<Waker>,
    /// Dropped there, for the same reason.
    pub(crate) discarded: Vec<Waker>,
    pub(crate) recorder: Recorder,
    pub(crate) fabric: Fabric,
    pub(crate) kernels: Vec<Kernel>,
    by_ip: FxHashMap<Ipv4Addr, HostId>,
    by_name: BTreeMap<String, HostId>,
    conns: tcp::Conns,
    held: BTreeMap<usize, VecDeque<Held>>,
    /// Distinguishes sockets that reuse a port of one host.
    next_socket: u64,
}

const FIRST_EPHEMERAL_PORT: u16 = 32_768;

impl Net {
    pub(crate) fn new(fabric: Fabric, recorder: Recorder, hosts: &[(String, Ipv4Addr)]) -> Self {
        let kernels = hosts.iter().map(|(_, ip)| Kernel {
            ip: *ip,
            up: false,
            next_port: FIRST_EPHEMERAL_PORT,
            listeners: BTreeMap::new(),
            udp: BTreeMap::new(),
        });
        let ids = || (0..).map(HostId);
        Self {
            now_ns: 0,
            queue: EventQueue::new(),
            wakes: Vec::new(),
            discarded: Vec::new(),
            recorder,
            fabric,
            kernels: kernels.collect(),
            by_ip: hosts.iter().map(|h| h.1).zip(ids()).collect(),
            by_name: hosts.iter().map(|h| h.0.clone()).zip(ids()).collect(),
            conns: tcp::Conns::default(),
            held: BTreeMap::new(),
            next_socket: 0,
        }
    }

    pub(crate) fn host_named(&self, name: &str) -> Option<HostId> {
        self.by_name.get(name).copied()
    }

    /// The host an address of `from`'s view belongs to.
    fn route(&self, from: HostId, ip: Ipv4Addr) -> Option<HostId> {
        if ip.is_loopback() || ip.is_unspecified() {
            return Some(from);
        }
        self.by_ip.get(&ip).copied()
    }

    pub(crate) fn kernel(&mut self, host: HostId) -> &mut Kernel {
        &mut self.kernels[host.index()]
    }

    /// Does what is due now.
    pub(crate) fn deliver_due(&mut self) {
        while let Some(event) = self.queue.pop_due(self.now_ns) {
            match event {
                NetEvent::Segment { to, sequence, what } => self.segment_arrives(to, sequence, what),
                NetEvent::Retransmit { end } => self.retransmit(end),
                NetEvent::Credit { end, bytes } => self.credit_arrives(end, bytes),
                NetEvent::Datagram { to, datagram } => self.datagram_arrives(to, datagram),
            }
        }
    }

    /// Gives what `fault` held back its way, in order.
    pub(crate) fn release(&mut self, fault: usize) {
        for held in self.held.remove(&fault).unwrap_or_default() {
            match held {
                Held::Segment { from, sequence, what } => self.transmit_as(from, sequence, what),
                Held::Datagram { from, to, datagram } => self.send_datagram(from, to, datagram),
            }
        }
    }

    /// The process of `host` is gone. Its kernel closes what it had open, or vanishes with it.
    pub(crate) fn close_all(&mut self, host: HostId, how: Closing) {
        let kernel = self.kernel(host);
        let sockets = std::mem::take(&mut kernel.udp);
        if how == Closing::Vanish {
            kernel.up = false;
        }
        for socket in sockets.into_values() {
            self.discard(socket.into_waiters());
        }
        self.close_listeners(host, how);
        self.close_connections(host, how);
    }

    /// Sockets of any kind that `host` has open.
    pub(crate) fn open_sockets(&self, host: HostId) -> usize {
        let kernel = &self.kernels[host.index()];
        kernel.listeners.len() + kernel.udp.len() + self.conns.held_by_app(host)
    }

    fn wake(&mut self, mut waiters: Waiters) {
        waiters.drain_into(&mut self.wakes);
    }

    fn discard(&mut self, mut waiters: Waiters) {
        waiters.drain_into(&mut self.discarded);
    }

    fn socket_number(&mut self) -> u64 {
        self.next_socket += 1;
        self.next_socket
    }
}

/// How a host's sockets end with its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// The kernel lives on and closes them: FIN, or RST where data was unread.
    Orderly,
    /// The power is off: peers hear nothing.
    Vanish,
}

/// Where a destination is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// On the sender's own host.
    Here,
    /// On another.
    Away,
}

/// Whether a socket bound to `bound` gets what is sent to `to`.
fn hears(bound: IpAddr, to: Ipv4Addr) -> bool {
    bound.is_unspecified() || bound == IpAddr::V4(to)
}

impl Kernel {
    /// A free local port above the well-known ones, by rotation as a kernel does it.
    fn ephemeral_port(&mut self, taken: impl Fn(&Self, u16) -> bool) -> std::io::Result<u16> {
        for _ in FIRST_EPHEMERAL_PORT..=u16::MAX {
            let port = self.next_port;
            self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_EPHEMERAL_PORT);
            if !taken(self, port) {
                return Ok(port);
            }
        }
        Err(std::io::ErrorKind::AddrInUse.into())
    }

    /// Where packets to `to` come from, for a socket bound to `bound`.
    fn source_ip(&self, bound: Option<IpAddr>, to: Ipv4Addr, reach: Reach) -> std::io::Result<Ipv4Addr> {
        match bound {
            Some(IpAddr::V4(ip)) if !ip.is_unspecified() && !ip.is_multicast() => match reach {
                _ if !self.owns(ip.into()) => Err(std::io::ErrorKind::AddrNotAvailable.into()),
                // Nothing would find its way back.
                Reach::Away if ip.is_loopback() => Err(std::io::ErrorKind::InvalidInput.into()),
                _ => Ok(ip),
            },
            _ if to.is_loopback() => Ok(Ipv4Addr::LOCALHOST),
            _ => Ok(self.ip),
        }
    }

    /// Whether a socket of this host may be bound to `ip`.
    fn owns(&self, ip: IpAddr) -> bool {
        ip.is_unspecified() || ip.is_loopback() || ip == IpAddr::V4(self.ip)
    }
}
