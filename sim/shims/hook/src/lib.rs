//! The provider table between the tokio shim and whichever simulated network is installed.
//!
//! The shim must not depend on the simulator (the simulator depends on tokio), so both sides meet
//! here. The crate has no dependencies and no `unsafe`. A simulation calls [`install`]; from then on the
//! shim's sockets on that thread come from the installed [`SimNet`], and opening a real socket on
//! any other thread of the process is a panic that says so.
//!
//! ```
//! assert!(!squall_hook::active());
//! assert!(squall_hook::current().is_none());
//! ```

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::RawFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

/// What an operation that takes simulated time returns.
pub type SimFuture<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

/// What surrounds the work of a helper thread, for which the simulation's thread waits.
pub struct HelperScope {
    /// Runs on the helper before its work.
    pub enter: Box<dyn FnOnce() + Send>,
    /// Runs on the helper after its work, also if that panicked.
    pub leave: Box<dyn FnOnce() + Send>,
    /// Runs on the thread that waited, once the helper has ended.
    pub resume: Box<dyn FnOnce()>,
}

/// Where a socket puts the bytes it has read; called once or more, with at most the bytes asked for in all.
pub type Sink<'a> = &'a mut dyn FnMut(&[u8]);

/// One end of a simulated TCP connection. Dropping it closes the socket.
pub trait SimTcp: Send + Sync {
    /// Reads up to `max` bytes into `sink`; 0 is the end of the stream.
    fn poll_read(&self, cx: &mut Context<'_>, max: usize, sink: Sink<'_>) -> Poll<io::Result<usize>>;
    /// Like [`SimTcp::poll_read`], leaving the bytes in place.
    fn poll_peek(&self, cx: &mut Context<'_>, max: usize, sink: Sink<'_>) -> Poll<io::Result<usize>>;
    /// Ready when a read would not wait.
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ready when a write would not wait.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Writes from the slices in order; returns how many bytes were taken.
    fn poll_write(&self, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>>;
    /// Sends FIN after everything written.
    fn poll_shutdown(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// The error that ended the connection, once.
    fn take_error(&self) -> Option<io::Error>;
    /// This end's address.
    ///
    /// # Errors
    /// When the socket is gone.
    fn local_addr(&self) -> io::Result<SocketAddr>;
    /// The other end's address.
    ///
    /// # Errors
    /// When the socket is gone.
    fn peer_addr(&self) -> io::Result<SocketAddr>;
}

/// A simulated listening socket.
pub trait SimListener: Send + Sync {
    /// The next connection of the backlog.
    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Arc<dyn SimTcp>, SocketAddr)>>;
    /// The bound address.
    ///
    /// # Errors
    /// When the socket is gone.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A simulated datagram socket.
pub trait SimUdp: Send + Sync {
    /// Sends one datagram; returns its length.
    fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], to: SocketAddr) -> Poll<io::Result<usize>>;
    /// Receives one datagram into `buf`, cutting what does not fit.
    fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>>;
    /// Ready when a receive would not wait.
    fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Joins a multicast group.
    ///
    /// # Errors
    /// When the address is no multicast address.
    fn join_multicast_v4(&self, group: Ipv4Addr) -> io::Result<()>;
    /// Leaves a multicast group.
    ///
    /// # Errors
    /// When the socket is not a member.
    fn leave_multicast_v4(&self, group: Ipv4Addr) -> io::Result<()>;
    /// Whether members on this host get what the socket sends to a group.
    fn set_multicast_loop_v4(&self, on: bool);
    /// The bound address.
    ///
    /// # Errors
    /// When the socket is gone.
    fn local_addr(&self) -> io::Result<SocketAddr>;
}

/// A simulated network. Each call is on behalf of the host whose task is running.
pub trait SimNet: Send + Sync {
    /// Opens a connection, from `local` if given.
    fn connect(&self, local: Option<SocketAddr>, peer: SocketAddr) -> SimFuture<Arc<dyn SimTcp>>;
    /// Listens on `addr`; port 0 picks a free one.
    ///
    /// # Errors
    /// As `bind(2)`: address in use, or not one of this host.
    fn listen(&self, addr: SocketAddr) -> io::Result<Arc<dyn SimListener>>;
    /// Binds a datagram socket; port 0 picks a free one.
    ///
    /// # Errors
    /// As `bind(2)`: address in use, or not one of this host.
    fn udp(&self, addr: SocketAddr) -> io::Result<Arc<dyn SimUdp>>;
    /// The simulated socket for a descriptor that simulated code got from libc and has bound; `None` if this
    /// network did not give it out. The descriptor itself stays the caller's, to close.
    fn adopt_udp(&self, descriptor: RawFd) -> Option<io::Result<Arc<dyn SimUdp>>>;
    /// The host's address, on its one interface beside the loopback.
    fn address(&self) -> Ipv4Addr;
    /// Resolves a host name.
    fn lookup(&self, host: &str) -> SimFuture<Vec<IpAddr>>;
}

thread_local! {
    static NET: RefCell<Option<Arc<dyn SimNet>>> = const { RefCell::new(None) };
}
/// Set for good once a process has held a simulation.
static STRICT: AtomicBool = AtomicBool::new(false);
static HELPER_SCOPE: OnceLock<fn() -> HelperScope> = OnceLock::new();

/// Routes this thread's sockets to `net` until [`uninstall`].
pub fn install(net: Arc<dyn SimNet>) {
    NET.with(|slot| *slot.borrow_mut() = Some(net));
    STRICT.store(true, Ordering::SeqCst);
}

/// Ends what [`install`] began. Sockets of this thread stay refused.
pub fn uninstall() {
    NET.with(|slot| *slot.borrow_mut() = None);
}

/// Whether this thread is inside a simulation.
#[must_use]
pub fn active() -> bool {
    NET.try_with(|slot| slot.borrow().is_some()).unwrap_or(false)
}

/// The network of this thread's simulation; `None` in a process that never held one.
///
/// # Panics
/// On a thread outside the simulation of a process that holds one: what is about to open is a
/// real socket, which no seed can reproduce.
#[must_use]
pub fn current() -> Option<Arc<dyn SimNet>> {
    let net = NET.try_with(|slot| slot.borrow().clone()).ok().flatten();
    if net.is_none() && STRICT.load(Ordering::SeqCst) {
        refuse("a socket was opened on a thread outside the simulation");
    }
    net
}

/// Ends the run because simulated code reached for the real machine.
///
/// # Panics
/// Always; the message says what was refused and what to use instead.
pub fn refuse(what: &str) -> ! {
    panic!(
        "{what}: a simulated program may use only tokio's network, tasks and timers, since nothing else can be replayed from a seed"
    );
}

static EXEMPTION: OnceLock<fn(&mut dyn FnMut())> = OnceLock::new();

/// Registers how the shim may do what simulated code may not: start a helper thread, open a spare socket.
pub fn set_exemption(exempt: fn(&mut dyn FnMut())) {
    let _first_wins = EXEMPTION.set(exempt);
}

/// Runs `work`, which belongs to the shim and not to the simulated code that called it.
///
/// # Panics
/// When the registered exemption does not run its work.
pub fn exempt<R>(work: impl FnOnce() -> R) -> R {
    let Some(exempt) = EXEMPTION.get() else { return work() };
    let (mut work, mut result) = (Some(work), None);
    exempt(&mut || result = work.take().map(|work| work()));
    result.expect("the exemption runs what it is given")
}

/// Registers how a helper thread (`spawn_blocking`) gets the simulation's network, clock and entropy, and how they
/// come back: called on the simulation's thread.
pub fn set_helper_scope(scope: fn() -> HelperScope) {
    let _first_wins = HELPER_SCOPE.set(scope);
}

/// What has to surround the work of a helper thread started now.
#[must_use]
pub fn helper_scope() -> HelperScope {
    match HELPER_SCOPE.get() {
        Some(scope) => scope(),
        None => HelperScope { enter: Box::new(|| ()), leave: Box::new(|| ()), resume: Box::new(|| ()) },
    }
}
