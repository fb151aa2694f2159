//! What all simulated sockets share: budget, buffers, and the descriptors that stand in for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker, ready};

use real_tokio::net as real;
use real_tokio::task::coop;

/// A socket of the real network or of the simulated one.
pub(super) enum Side<R, S> {
    Real(R),
    Sim(S),
}

/// Polls a socket within the task's budget, as tokio does with real sockets: a task that always
/// finds its socket ready must still let others run.
pub(super) fn within_budget<T>(cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    let budget = ready!(coop::poll_proceed(cx));
    let polled = poll(cx);
    if polled.is_ready() {
        budget.made_progress();
    }
    polled
}

/// What a poll gives at once; `WouldBlock` if it would wait.
pub(super) fn at_once<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

/// Copies what a socket delivers piece by piece into `buf`.
pub(super) fn filling(buf: &mut [u8]) -> impl FnMut(&[u8]) {
    let mut rest = buf;
    move |bytes| {
        let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
        head.copy_from_slice(bytes);
        rest = tail;
    }
}

/// Copies what a socket delivers piece by piece across `bufs`.
pub(super) fn scattering<'a>(bufs: &'a mut [io::IoSliceMut<'_>]) -> impl FnMut(&[u8]) + 'a {
    let mut bufs = bufs.iter_mut();
    let mut rest: &mut [u8] = &mut [];
    move |mut bytes| {
        while !bytes.is_empty() {
            if rest.is_empty() {
                match bufs.next() {
                    Some(buf) => rest = &mut *buf,
                    None => return,
                }
            }
            let length = bytes.len().min(rest.len());
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(length);
            head.copy_from_slice(&bytes[..length]);
            rest = tail;
            bytes = &bytes[length..];
        }
    }
}

/// The descriptor of one spare socket, never connected, for all simulated sockets: options that
/// are set through a descriptor land there.
pub(super) fn stand_in() -> BorrowedFd<'static> {
    static SPARE: OnceLock<real::TcpSocket> = OnceLock::new();
    let spare = SPARE.get_or_init(|| match squall_hook::exempt(real::TcpSocket::new_v4) {
        Ok(socket) => socket,
        Err(error) => panic!("cannot open a socket to stand in for simulated ones: {error}"),
    });
    spare.as_fd()
}

pub(super) fn stand_in_raw() -> RawFd {
    stand_in().as_raw_fd()
}

/// `into_std` hands out a fresh socket, never connected, as a ticket, and `from_std` trades it
/// back for the simulated socket. Clients do this to set keep-alive.
#[derive(Debug)]
pub(super) struct Tickets<T>(RefCell<BTreeMap<RawFd, T>>);

impl<T> Tickets<T> {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(BTreeMap::new()))
    }

    /// Keeps `socket` until its ticket comes back. A ticket dropped instead leaves the socket
    /// open until its descriptor is used for another ticket.
    pub(super) fn issue(&self, socket: T) -> io::Result<OwnedFd> {
        let ticket = squall_hook::exempt(real::TcpSocket::new_v4)?.as_fd().try_clone_to_owned()?;
        let _unclaimed = self.0.borrow_mut().insert(ticket.as_raw_fd(), socket);
        Ok(ticket)
    }

    /// The socket for this ticket; `None` for a real socket outside a simulation.
    ///
    /// # Panics
    /// On a real socket inside a simulation.
    pub(super) fn redeem(&self, ticket: &impl AsRawFd) -> Option<T> {
        let found = self.0.borrow_mut().remove(&ticket.as_raw_fd());
        if found.is_none() && squall_hook::current().is_some() {
            squall_hook::refuse("a socket of the standard library was handed to tokio");
        }
        found
    }
}
