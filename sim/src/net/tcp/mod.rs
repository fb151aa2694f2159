//! TCP by the segment: connection set-up, order, windows, back-off, FIN and RST.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | connections and their two ends; set-up and listeners |
//! | `close.rs` | how connections end: refusals, resets, processes that die and hosts that vanish |
//! | `flow.rs` | one direction: order, loss as delay, giving up |
//! | `stream.rs` | what an application does with its end |

mod close;
mod flow;
mod stream;

use super::{HostId, Net, Reach, Waiters};
use crate::record::Wire;
use bytes::Bytes;
use flow::Flow;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::task::{Poll, Waker};

/// Bytes written at one end and not yet read at the other, at most: a send and a receive buffer.
pub(super) const WINDOW_BYTES: usize = 512 * 1024;
/// Connections that wait for `accept`, at most; further SYNs are dropped. Linux's `net.core.somaxconn`.
const BACKLOG: usize = 4_096;

/// One end of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EndKey {
    conn: u32,
    /// Guards against a slot's next connection.
    generation: u32,
    side: u8,
}

impl EndKey {
    fn peer(self) -> Self {
        Self { side: 1 - self.side, ..self }
    }
}

/// What travels.
#[derive(Clone, Debug)]
pub(crate) enum Segment {
    Syn,
    SynAck,
    Data(Bytes),
    Fin,
    Rst,
}

impl Segment {
    fn wire(&self) -> (Wire, &[u8]) {
        match self {
            Self::Syn => (Wire::Syn, &[]),
            Self::SynAck => (Wire::SynAck, &[]),
            Self::Data(bytes) => (Wire::Data, bytes),
            Self::Fin => (Wire::Fin, &[]),
            Self::Rst => (Wire::Rst, &[]),
        }
    }
}

/// How far an end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Client: SYN sent. Server: SYN not yet arrived.
    Opening,
    Open,
    /// The kernel has forgotten it: what still arrives is answered with RST.
    Gone,
}

/// How an application's socket shows addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    /// As IPv6 addresses that stand for IPv4 ones: what a dual-stack listener accepts.
    Mapped,
}

impl Family {
    fn of(addr: SocketAddr) -> Self {
        if addr.is_ipv6() { Self::Mapped } else { Self::V4 }
    }

    fn show(self, addr: SocketAddrV4) -> SocketAddr {
        match self {
            Self::V4 => addr.into(),
            Self::Mapped => (addr.ip().to_ipv6_mapped(), addr.port()).into(),
        }
    }
}

/// One end of a connection, as its host's kernel sees it.
#[derive(Debug)]
struct End {
    host: HostId,
    addr: SocketAddrV4,
    family: Family,
    phase: Phase,
    /// An application holds it (or it waits in a backlog).
    app: bool,
    error: Option<io::ErrorKind>,
    rx: VecDeque<Bytes>,
    rx_bytes: usize,
    rx_eof: bool,
    /// Read here, not yet free again in the peer's window.
    unreturned_bytes: usize,
    /// Written here and, as far as this end knows, not yet read by the peer.
    outstanding_bytes: usize,
    fin_sent: bool,
    flow: Flow,
    readers: Waiters,
    writers: Waiters,
}

#[derive(Debug)]
struct Conn {
    generation: u32,
    ends: [End; 2],
}

/// All connections of the world.
#[derive(Debug, Default)]
pub(crate) struct Conns {
    slots: Vec<Option<Conn>>,
    generations: Vec<u32>,
    free: Vec<u32>,
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    number: u64,
    local: SocketAddr,
    backlog: VecDeque<EndKey>,
    acceptors: Waiters,
}

/// Names a listener for its application.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ListenerKey {
    host: HostId,
    port: u16,
    number: u64,
}

impl End {
    fn new(host: HostId, addr: SocketAddrV4) -> Self {
        Self {
            host,
            addr,
            family: Family::V4,
            phase: Phase::Opening,
            app: false,
            error: None,
            rx: VecDeque::new(),
            rx_bytes: 0,
            rx_eof: false,
            unreturned_bytes: 0,
            outstanding_bytes: 0,
            fin_sent: false,
            flow: Flow::default(),
            readers: Waiters::default(),
            writers: Waiters::default(),
        }
    }
}

impl Conns {
    fn insert(&mut self, ends: [End; 2]) -> EndKey {
        let conn = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            u32::try_from(self.slots.len() - 1).expect("fewer than 2^32 connections")
        });
        self.generations[conn as usize] += 1;
        let generation = self.generations[conn as usize];
        self.slots[conn as usize] = Some(Conn { generation, ends });
        EndKey { conn, generation, side: 0 }
    }

    fn end(&mut self, key: EndKey) -> Option<&mut End> {
        let conn = self.slots[key.conn as usize].as_mut().filter(|c| c.generation == key.generation)?;
        Some(&mut conn.ends[usize::from(key.side)])
    }

    /// Frees the connection once both kernels have forgotten it and no application holds it.
    fn reap(&mut self, key: EndKey) -> Option<Conn> {
        let slot = &mut self.slots[key.conn as usize];
        let conn = slot.as_ref().filter(|c| c.generation == key.generation)?;
        let [client, server] = &conn.ends;
        let unused = |end: &End| !end.app && end.phase == Phase::Gone;
        // A SYN under way opens nothing once its client is gone.
        if !unused(client) || !(unused(server) || server.phase == Phase::Opening) {
            return None;
        }
        self.free.push(key.conn);
        slot.take()
    }

    /// Ends of `host` that an application holds.
    pub(super) fn held_by_app(&self, host: HostId) -> usize {
        let ends = self.slots.iter().flatten().flat_map(|c| &c.ends);
        ends.filter(|e| e.host == host && e.app && e.phase != Phase::Gone).count()
    }

    fn keys_where(&self, matches: impl Fn(&Conn, &End) -> bool) -> Vec<EndKey> {
        let mut keys = Vec::new();
        for (conn, slot) in (0..).zip(&self.slots) {
            let Some(c) = slot else { continue };
            for side in 0..2 {
                if matches(c, &c.ends[usize::from(side)]) {
                    keys.push(EndKey { conn, generation: c.generation, side });
                }
            }
        }
        keys
    }
}

impl Net {
    pub(crate) fn listen(&mut self, host: HostId, addr: SocketAddr) -> io::Result<ListenerKey> {
        let number = self.socket_number();
        let kernel = self.kernel(host);
        if !kernel.owns(addr.ip()) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let port = match addr.port() {
            0 => kernel.ephemeral_port(|k, port| k.listeners.contains_key(&port))?,
            port if kernel.listeners.contains_key(&port) => return Err(io::ErrorKind::AddrInUse.into()),
            port => port,
        };
        let local = SocketAddr::new(addr.ip(), port);
        kernel
            .listeners
            .insert(port, Listener { number, local, backlog: VecDeque::new(), acceptors: Waiters::default() });
        Ok(ListenerKey { host, port, number })
    }

    fn listener(&mut self, key: ListenerKey) -> io::Result<&mut Listener> {
        let listener = self.kernels[key.host.index()].listeners.get_mut(&key.port);
        listener.filter(|l| l.number == key.number).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    pub(crate) fn listener_addr(&mut self, key: ListenerKey) -> io::Result<SocketAddr> {
        Ok(self.listener(key)?.local)
    }

    pub(crate) fn accept(&mut self, key: ListenerKey, waker: &Waker) -> Poll<io::Result<EndKey>> {
        let listener = match self.listener(key) {
            Ok(listener) => listener,
            Err(e) => return Poll::Ready(Err(e)),
        };
        if let Some(end) = listener.backlog.pop_front() {
            return Poll::Ready(Ok(end));
        }
        listener.acceptors.add(waker);
        Poll::Pending
    }

    /// Sends a SYN; [`Net::connected`] tells when it is answered.
    pub(crate) fn connect(&mut self, host: HostId, local: Option<SocketAddr>, peer: SocketAddr) -> io::Result<EndKey> {
        let IpAddr::V4(peer_ip) = peer.ip().to_canonical() else {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        };
        let peer_ip = if peer_ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { peer_ip };
        let Some(to) = self.route(host, peer_ip) else { return Err(io::ErrorKind::HostUnreachable.into()) };
        let kernel = self.kernel(host);
        let ip =
            kernel.source_ip(local.map(|l| l.ip()), peer_ip, if to == host { Reach::Here } else { Reach::Away })?;
        let port = match local.map_or(0, |l| l.port()) {
            0 => kernel.ephemeral_port(|_, _| false)?,
            port => port,
        };
        let here = SocketAddrV4::new(ip, port);
        let there = SocketAddrV4::new(peer_ip, peer.port());
        let mine = End { app: true, family: Family::of(peer), ..End::new(host, here) };
        let key = self.conns.insert([mine, End::new(to, there)]);
        self.transmit(key, Segment::Syn);
        Ok(key)
    }

    /// Ready when the connection is open, or cannot be.
    pub(crate) fn connected(&mut self, key: EndKey, waker: &Waker) -> Poll<io::Result<()>> {
        let Some(end) = self.conns.end(key) else { return Poll::Ready(Err(io::ErrorKind::NotConnected.into())) };
        if let Some(kind) = end.error.take() {
            return Poll::Ready(Err(kind.into()));
        }
        if end.phase == Phase::Open {
            return Poll::Ready(Ok(()));
        }
        end.writers.add(waker);
        Poll::Pending
    }

    /// A segment reaches the host of `to`.
    pub(super) fn segment_arrives(&mut self, to: EndKey, sequence: u64, what: Segment) {
        let Some(end) = self.conns.end(to) else { return };
        let (host, phase, app, ended) = (end.host, end.phase, end.app, end.rx_eof);
        if !self.kernels[host.index()].up {
            // Nobody acknowledges: the sender's kernel will try again.
            self.stall(to.peer(), sequence, what);
            return;
        }
        self.record_arrival(to, &what);
        match (what, phase) {
            (Segment::Syn, Phase::Opening) => self.syn_arrives(to, sequence),
            (Segment::SynAck, Phase::Opening) => {
                let Some(end) = self.conns.end(to) else { return };
                end.phase = Phase::Open;
                end.flow.syn_is_answered();
                let writers = std::mem::take(&mut end.writers);
                self.wake(writers);
            }
            (Segment::Rst, Phase::Opening) => self.fail(to, io::ErrorKind::ConnectionRefused),
            // After the peer's FIN, Linux reports an RST as a broken pipe.
            (Segment::Rst, Phase::Open) if ended => self.fail(to, io::ErrorKind::BrokenPipe),
            (Segment::Rst, Phase::Open) => self.fail(to, io::ErrorKind::ConnectionReset),
            (Segment::Data(bytes), Phase::Open) if app => self.data_arrives(to, bytes),
            (Segment::Fin, Phase::Open) => self.fin_arrives(to),
            // The client gave up meanwhile, or its data found the door closed.
            (what @ (Segment::Data(_) | Segment::Fin | Segment::SynAck), Phase::Gone)
            | (what @ Segment::Data(_), _) => self.refuse_segment(to, sequence, what),
            (Segment::Syn | Segment::SynAck | Segment::Rst | Segment::Fin, _) => {}
        }
    }

    fn syn_arrives(&mut self, server: EndKey, sequence: u64) {
        let Some(end) = self.conns.end(server) else { return };
        let (host, addr) = (end.host, end.addr);
        let listener = self.kernels[host.index()].listeners.get_mut(&addr.port());
        let Some(listener) = listener.filter(|l| super::hears(l.local.ip(), *addr.ip())) else {
            self.refuse_segment(server, sequence, Segment::Syn);
            return;
        };
        if listener.backlog.len() >= BACKLOG {
            self.stall(server.peer(), sequence, Segment::Syn);
            return;
        }
        listener.backlog.push_back(server);
        let family = Family::of(listener.local);
        let acceptors = std::mem::take(&mut listener.acceptors);
        self.wake(acceptors);
        if let Some(end) = self.conns.end(server) {
            end.phase = Phase::Open;
            end.app = true;
            end.family = family;
        }
        self.transmit(server, Segment::SynAck);
    }

    fn fin_arrives(&mut self, to: EndKey) {
        let Some(end) = self.conns.end(to) else { return };
        end.rx_eof = true;
        let (readers, fin_sent) = (std::mem::take(&mut end.readers), end.fin_sent);
        self.wake(readers);
        let peer_has_mine = self.conns.end(to.peer()).is_some_and(|peer| peer.rx_eof);
        if fin_sent && peer_has_mine {
            self.forget(to);
            self.forget(to.peer());
        }
    }

    fn ends_of(&mut self, to: EndKey) -> Option<(HostId, u16, HostId, u16)> {
        let (host, port) = self.conns.end(to).map(|e| (e.host, e.addr.port()))?;
        let (from, from_port) = self.conns.end(to.peer()).map(|e| (e.host, e.addr.port()))?;
        Some((from, from_port, host, port))
    }

    fn record_arrival(&mut self, to: EndKey, what: &Segment) {
        if let Some(ends) = self.ends_of(to) {
            let (wire, payload) = what.wire();
            self.recorder.arrived(self.now_ns, ends, wire, payload);
        }
    }
}
