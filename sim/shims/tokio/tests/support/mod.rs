//! A toy network in memory: bounded pipes between sockets of one address space, no time, no loss.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use squall_hook::{SimFuture, SimListener, SimNet, SimTcp, SimUdp, Sink};

/// What a pipe holds at most, small enough that tests meet a full one.
pub(crate) const PIPE_BYTES: usize = 16;

/// The one host name the network knows, and its address.
pub(crate) const NAME: (&str, IpAddr) = ("toy.host", IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)));

/// A queue with the tasks that wait for it.
struct Queue<T> {
    items: VecDeque<T>,
    closed: bool,
    waiting: Vec<Waker>,
}

impl<T> Queue<T> {
    fn new() -> Mutex<Self> {
        Mutex::new(Self { items: VecDeque::new(), closed: false, waiting: Vec::new() })
    }

    fn wait<R>(&mut self, cx: &Context<'_>) -> Poll<R> {
        if !self.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            self.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn wake(mut queue: MutexGuard<'_, Self>) {
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        waiting.into_iter().for_each(Waker::wake);
    }
}

struct Tcp {
    local: SocketAddr,
    peer: SocketAddr,
    incoming: Arc<Mutex<Queue<u8>>>,
    outgoing: Arc<Mutex<Queue<u8>>>,
}

fn tcp_pair(client: SocketAddr, server: SocketAddr) -> (Arc<dyn SimTcp>, Arc<dyn SimTcp>) {
    let (to_server, to_client) = (Arc::new(Queue::new()), Arc::new(Queue::new()));
    let near = Tcp { local: client, peer: server, incoming: Arc::clone(&to_client), outgoing: Arc::clone(&to_server) };
    let far = Tcp { local: server, peer: client, incoming: to_server, outgoing: to_client };
    (Arc::new(near), Arc::new(far))
}

/// Gives `sink` the first bytes of the queue, in the pieces in which they lie there.
fn deliver(queue: &Queue<u8>, max: usize, sink: Sink<'_>) -> usize {
    let (front, back) = queue.items.as_slices();
    let front = &front[..front.len().min(max)];
    let back = &back[..back.len().min(max - front.len())];
    for piece in [front, back] {
        if !piece.is_empty() {
            sink(piece);
        }
    }
    front.len() + back.len()
}

impl SimTcp for Tcp {
    fn poll_read(&self, cx: &mut Context<'_>, max: usize, sink: Sink<'_>) -> Poll<io::Result<usize>> {
        let mut queue = self.incoming.lock().unwrap();
        if queue.items.is_empty() && !queue.closed {
            return queue.wait(cx);
        }
        let length = deliver(&queue, max, sink);
        queue.items.drain(..length);
        Queue::wake(queue);
        Poll::Ready(Ok(length))
    }

    fn poll_peek(&self, cx: &mut Context<'_>, max: usize, sink: Sink<'_>) -> Poll<io::Result<usize>> {
        let mut queue = self.incoming.lock().unwrap();
        if queue.items.is_empty() && !queue.closed {
            return queue.wait(cx);
        }
        Poll::Ready(Ok(deliver(&queue, max, sink)))
    }

    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.incoming.lock().unwrap();
        if queue.items.is_empty() && !queue.closed { queue.wait(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.outgoing.lock().unwrap();
        if queue.items.len() == PIPE_BYTES { queue.wait(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut queue = self.outgoing.lock().unwrap();
        if queue.closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = PIPE_BYTES - queue.items.len();
        if room == 0 {
            return queue.wait(cx);
        }
        let before = queue.items.len();
        queue.items.extend(bufs.iter().flat_map(|buf| buf.iter().copied()).take(room));
        let length = queue.items.len() - before;
        Queue::wake(queue);
        Poll::Ready(Ok(length))
    }

    fn poll_shutdown(&self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.outgoing.lock().unwrap();
        queue.closed = true;
        Queue::wake(queue);
        Poll::Ready(Ok(()))
    }

    fn take_error(&self) -> Option<io::Error> {
        None
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }

    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        let _ = self.poll_shutdown(&mut Context::from_waker(Waker::noop()));
    }
}

type Accepted = (Arc<dyn SimTcp>, SocketAddr);
type Backlog = Arc<Mutex<Queue<Accepted>>>;

struct Listener {
    local: SocketAddr,
    backlog: Backlog,
}

impl SimListener for Listener {
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Arc<dyn SimTcp>, SocketAddr)>> {
        let mut backlog = self.backlog.lock().unwrap();
        match backlog.items.pop_front() {
            Some(accepted) => Poll::Ready(Ok(accepted)),
            None => backlog.wait(cx),
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

type Mailbox = Arc<Mutex<Queue<(Vec<u8>, SocketAddr)>>>;

struct Udp {
    local: SocketAddr,
    net: Arc<Shared>,
    mailbox: Mailbox,
}

impl SimUdp for Udp {
    fn poll_send_to(&self, _: &mut Context<'_>, buf: &[u8], to: SocketAddr) -> Poll<io::Result<usize>> {
        let members = self.net.groups.lock().unwrap().get(&to.ip()).cloned().unwrap_or_default();
        let direct = self.net.mailboxes.lock().unwrap().get(&to).cloned();
        for mailbox in members.into_iter().chain(direct) {
            let mut queue = mailbox.lock().unwrap();
            queue.items.push_back((buf.to_vec(), self.local));
            Queue::wake(queue);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut queue = self.mailbox.lock().unwrap();
        let Some((datagram, from)) = queue.items.pop_front() else {
            return queue.wait(cx);
        };
        let length = datagram.len().min(buf.len());
        buf[..length].copy_from_slice(&datagram[..length]);
        Poll::Ready(Ok((length, from)))
    }

    fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut queue = self.mailbox.lock().unwrap();
        if queue.items.is_empty() { queue.wait(cx) } else { Poll::Ready(Ok(())) }
    }

    fn join_multicast_v4(&self, group: Ipv4Addr) -> io::Result<()> {
        self.net.groups.lock().unwrap().entry(group.into()).or_default().push(Arc::clone(&self.mailbox));
        Ok(())
    }

    fn leave_multicast_v4(&self, group: Ipv4Addr) -> io::Result<()> {
        let mut groups = self.net.groups.lock().unwrap();
        groups.entry(group.into()).or_default().retain(|member| !Arc::ptr_eq(member, &self.mailbox));
        Ok(())
    }

    fn set_multicast_loop_v4(&self, _on: bool) {}

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.local)
    }
}

#[derive(Default)]
struct Shared {
    listeners: Mutex<BTreeMap<SocketAddr, Backlog>>,
    mailboxes: Mutex<BTreeMap<SocketAddr, Mailbox>>,
    groups: Mutex<BTreeMap<IpAddr, Vec<Mailbox>>>,
    ports: Mutex<u16>,
}

impl Shared {
    /// `addr` with the toy's address for the unspecified one and a fresh port for 0.
    fn place(&self, addr: SocketAddr) -> SocketAddr {
        let ip = if addr.ip().is_unspecified() { NAME.1 } else { addr.ip() };
        let mut ports = self.ports.lock().unwrap();
        *ports += 1;
        SocketAddr::new(ip, if addr.port() == 0 { 50_000 + *ports } else { addr.port() })
    }
}

/// The network. Clones are the same network.
#[derive(Clone, Default)]
pub(crate) struct ToyNet(Arc<Shared>);

impl SimNet for ToyNet {
    fn connect(&self, local: Option<SocketAddr>, peer: SocketAddr) -> SimFuture<Arc<dyn SimTcp>> {
        let shared = Arc::clone(&self.0);
        Box::pin(async move {
            let backlog = shared.listeners.lock().unwrap().get(&peer).cloned();
            let backlog = backlog.ok_or(io::ErrorKind::ConnectionRefused)?;
            let local = shared.place(local.unwrap_or((Ipv4Addr::UNSPECIFIED, 0).into()));
            let (near, far) = tcp_pair(local, peer);
            let mut backlog = backlog.lock().unwrap();
            backlog.items.push_back((far, local));
            Queue::wake(backlog);
            Ok(near)
        })
    }

    fn listen(&self, addr: SocketAddr) -> io::Result<Arc<dyn SimListener>> {
        let local = self.0.place(addr);
        let mut listeners = self.0.listeners.lock().unwrap();
        if listeners.contains_key(&local) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let backlog: Backlog = Arc::new(Queue::new());
        listeners.insert(local, Arc::clone(&backlog));
        Ok(Arc::new(Listener { local, backlog }))
    }

    fn udp(&self, addr: SocketAddr) -> io::Result<Arc<dyn SimUdp>> {
        let local = self.0.place(addr);
        let mailbox: Mailbox = Arc::new(Queue::new());
        self.0.mailboxes.lock().unwrap().insert(local, Arc::clone(&mailbox));
        Ok(Arc::new(Udp { local, net: Arc::clone(&self.0), mailbox }))
    }

    fn adopt_udp(&self, _descriptor: RawFd) -> Option<io::Result<Arc<dyn SimUdp>>> {
        None
    }

    fn address(&self) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    fn lookup(&self, host: &str) -> SimFuture<Vec<IpAddr>> {
        let found = if host == NAME.0 { Ok(vec![NAME.1]) } else { Err(io::ErrorKind::NotFound.into()) };
        Box::pin(async move { found })
    }
}

/// Runs `test` on a paused runtime inside a simulation with a fresh gate and network.
pub(crate) fn simulate<F: Future>(test: F) -> F::Output {
    squall_hook::install(Arc::new(ToyNet::default()));
    tokio::gate::reset();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_task_spawn(|_| tokio::gate::note_spawn())
        .build()
        .unwrap();
    runtime.block_on(test)
}
