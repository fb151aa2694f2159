//! What `UdpSocket` adds to the simulated network's datagrams: a fixed peer, and peeking.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use real_tokio::io::ReadBuf;
use squall_hook::SimUdp;

use super::options::{Options, lock};

/// The largest payload a datagram can carry.
pub(super) const DATAGRAM_MAX: usize = 65_535;

/// `EDESTADDRREQ` of Linux: a send without a destination.
const DESTINATION_REQUIRED: i32 = 89;

/// The simulated kind of socket.
pub(super) struct SimDatagrams {
    pub(super) udp: Arc<dyn SimUdp>,
    /// Where `connect` points; datagrams from elsewhere are dropped.
    pub(super) peer: Mutex<Option<SocketAddr>>,
    /// The datagram that a peek has taken off the network.
    peeked: Mutex<Option<(Vec<u8>, SocketAddr)>>,
    pub(super) options: Mutex<Options>,
}

impl SimDatagrams {
    pub(super) fn new(udp: Arc<dyn SimUdp>) -> Self {
        Self { udp, peer: Mutex::default(), peeked: Mutex::default(), options: Mutex::default() }
    }

    fn admits(&self, sender: SocketAddr) -> bool {
        lock(&self.peer).is_none_or(|peer| peer == sender)
    }

    pub(super) fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match *lock(&self.peer) {
            Some(peer) => self.udp.poll_send_to(cx, buf, peer),
            None => Poll::Ready(Err(io::Error::from_raw_os_error(DESTINATION_REQUIRED))),
        }
    }

    fn poll_network(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        loop {
            let (length, sender) = ready!(self.udp.poll_recv_from(cx, buf))?;
            if self.admits(sender) {
                return Poll::Ready(Ok((length, sender)));
            }
        }
    }

    pub(super) fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        if let Some((datagram, sender)) = lock(&self.peeked).take() {
            return Poll::Ready(Ok((copy(&datagram, buf), sender)));
        }
        self.poll_network(cx, buf)
    }

    pub(super) fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut peeked = lock(&self.peeked);
        if peeked.is_none() {
            let mut datagram = vec![0; DATAGRAM_MAX];
            let (length, sender) = ready!(self.poll_network(cx, &mut datagram))?;
            datagram.truncate(length);
            *peeked = Some((datagram, sender));
        }
        match &*peeked {
            Some((datagram, sender)) => Poll::Ready(Ok((copy(datagram, buf), *sender))),
            None => Poll::Pending,
        }
    }

    pub(super) fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if lock(&self.peeked).is_some() { Poll::Ready(Ok(())) } else { self.udp.poll_recv_ready(cx) }
    }
}

fn copy(datagram: &[u8], buf: &mut [u8]) -> usize {
    let length = datagram.len().min(buf.len());
    buf[..length].copy_from_slice(&datagram[..length]);
    length
}

/// Receives into what is left of `buf`, by way of `recv`.
pub(super) fn recv_into<T>(
    buf: &mut ReadBuf<'_>,
    recv: impl FnOnce(&mut [u8]) -> Poll<io::Result<(usize, T)>>,
) -> Poll<io::Result<T>> {
    let (length, from) = ready!(recv(buf.initialize_unfilled()))?;
    buf.advance(length);
    Poll::Ready(Ok(from))
}
