//! TCP by the segment: connection set-up, order, windows, back-off, FIN and RST.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | connections and their two ends; set-up and listeners |
//! | `flow.rs` | one direction: order, loss as delay, giving up |
//! | `stream.rs` | what an application does with its end |

mod flow;
mod stream;

use super::{Closing, HostId, Net, NetEvent, Waiters};
use crate::record::Wire;
use bytes::Bytes;
use flow::Flow;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV4};
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

/// One end of a connection, as its host's kernel sees it.
#[derive(Debug)]
struct End {
    host: HostId,
    addr: SocketAddrV4,
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
        if conn.ends.iter().any(|e| e.app || e.phase != Phase::Gone) {
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
        kernel.listeners.insert(port, Listener { number, local, backlog: VecDeque::new(), acceptors: Waiters::default() });
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

    pub(crate) fn close_listener(&mut self, key: ListenerKey) {
        let Ok(listener) = self.listener(key) else { return };
        let waiting = std::mem::take(&mut listener.backlog);
        self.kernel(key.host).listeners.remove(&key.port);
        for end in waiting {
            self.reset(end, io::ErrorKind::ConnectionReset);
        }
    }

    /// Sends a SYN; [`Net::connected`] tells when it is answered.
    pub(crate) fn connect(&mut self, host: HostId, local: Option<SocketAddr>, peer: SocketAddr) -> io::Result<EndKey> {
        let IpAddr::V4(peer_ip) = peer.ip() else { return Err(io::ErrorKind::NetworkUnreachable.into()) };
        let Some(to) = self.route(host, peer_ip) else { return Err(io::ErrorKind::HostUnreachable.into()) };
        let kernel = self.kernel(host);
        let port = match local.map_or(0, |l| l.port()) {
            0 => kernel.ephemeral_port(|_, _| false)?,
            port => port,
        };
        let here = SocketAddrV4::new(if to == host { peer_ip } else { kernel.ip }, port);
        let there = SocketAddrV4::new(peer_ip, peer.port());
        let key = self.conns.insert([End { app: true, ..End::new(host, here) }, End::new(to, there)]);
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
        let (host, phase, app) = (end.host, end.phase, end.app);
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
                let writers = std::mem::take(&mut end.writers);
                self.wake(writers);
            }
            (Segment::Rst, Phase::Opening) => self.fail(to, io::ErrorKind::ConnectionRefused),
            (Segment::Rst, Phase::Open) => self.fail(to, io::ErrorKind::ConnectionReset),
            (Segment::Data(bytes), Phase::Open) if app => self.data_arrives(to, bytes),
            (Segment::Fin, Phase::Open) => self.fin_arrives(to),
            // The client gave up meanwhile, or its data found the door closed.
            (Segment::SynAck | Segment::Data(_), _) => self.refuse(to),
            (Segment::Fin, Phase::Gone) => self.refuse(to),
            (Segment::Syn | Segment::Rst | Segment::Fin, _) => {}
        }
    }

    fn syn_arrives(&mut self, server: EndKey, sequence: u64) {
        let Some(end) = self.conns.end(server) else { return };
        let (host, port) = (end.host, end.addr.port());
        let Some(listener) = self.kernels[host.index()].listeners.get_mut(&port) else {
            self.refuse(server);
            return;
        };
        if listener.backlog.len() >= BACKLOG {
            self.stall(server.peer(), sequence, Segment::Syn);
            return;
        }
        listener.backlog.push_back(server);
        let acceptors = std::mem::take(&mut listener.acceptors);
        self.wake(acceptors);
        if let Some(end) = self.conns.end(server) {
            end.phase = Phase::Open;
            end.app = true;
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

    /// Answers a segment that no socket wants.
    fn refuse(&mut self, end: EndKey) {
        self.transmit_rst(end);
        self.forget(end);
    }

    /// Both this end and, once the RST arrives, its peer are over.
    fn reset(&mut self, end: EndKey, kind: io::ErrorKind) {
        self.transmit_rst(end);
        self.fail(end, kind);
    }

    /// This end is over: its application learns why.
    fn fail(&mut self, key: EndKey, kind: io::ErrorKind) {
        let Some(end) = self.conns.end(key) else { return };
        end.error = Some(kind);
        let (readers, writers) = (std::mem::take(&mut end.readers), std::mem::take(&mut end.writers));
        self.wake(readers);
        self.wake(writers);
        self.forget(key);
    }

    /// The kernel drops its state of this end.
    fn forget(&mut self, key: EndKey) {
        let Some(end) = self.conns.end(key) else { return };
        end.phase = Phase::Gone;
        end.flow = Flow::default();
        self.reap(key);
    }

    fn reap(&mut self, key: EndKey) {
        if let Some(conn) = self.conns.reap(key) {
            for end in conn.ends {
                self.discard(end.readers);
                self.discard(end.writers);
            }
        }
    }

    /// What [`Net::close_all`] does to the connections of a host.
    pub(super) fn close_connections(&mut self, host: HostId, how: Closing) {
        for key in self.conns.keys_where(|_, end| end.host == host) {
            match how {
                Closing::Orderly => self.close(key),
                Closing::Vanish => {
                    if let Some(end) = self.conns.end(key) {
                        end.app = false;
                    }
                    self.forget(key);
                }
            }
        }
    }

    /// Resets every open connection between two sets of hosts; returns how many there were.
    pub(crate) fn reset_between(&mut self, a: &super::HostSet, b: &super::HostSet) -> u64 {
        let between = |c: &Conn, end: &End| {
            let other = c.ends.iter().find(|e| !std::ptr::eq(*e, end));
            let open = end.phase == Phase::Open;
            open && other.is_some_and(|o| a.contains(end.host) && b.contains(o.host))
        };
        let keys = self.conns.keys_where(between);
        for key in &keys {
            self.reset(*key, io::ErrorKind::ConnectionReset);
            self.fail(key.peer(), io::ErrorKind::ConnectionReset);
        }
        keys.len() as u64
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

    /// An RST is sent once, outside the flow: it needs no acknowledgement.
    fn transmit_rst(&mut self, from: EndKey) {
        let Some((to_host, _, from_host, _)) = self.ends_of(from) else { return };
        if let super::fabric::Fate::Arrives(at) = self.fabric.judge(self.now_ns, from_host, to_host, 0) {
            self.queue.push(at, NetEvent::Segment { to: from.peer(), sequence: u64::MAX, what: Segment::Rst });
        }
    }
}
