//! `UdpSocket`: binding, sending, receiving.

#![expect(missing_docs, clippy::missing_errors_doc, reason = "mirrors tokio::net, which documents every item")]

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BufMut;
use real_tokio::io::{Interest, ReadBuf, Ready};
use real_tokio::net as real;
use squall_hook::SimUdp;

use super::addr::{ToSocketAddrs, resolve};
use super::datagrams::{DATAGRAM_MAX, SimDatagrams, recv_into};
use super::options::lock;
use super::sim::{Side, Tickets, at_once, stand_in, stand_in_raw, within_budget};

thread_local! {
    static TICKETS: Tickets<SimDatagrams> = const { Tickets::new() };
}

/// A UDP socket.
pub struct UdpSocket(pub(super) Side<real::UdpSocket, SimDatagrams>);

impl UdpSocket {
    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let target = addr.target();
        drop(addr);
        let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
        for local in resolve(target).await? {
            let simulated = squall_hook::current().map(|net| net.udp(local));
            let bound = match simulated {
                Some(simulated) => simulated.map(Self::simulated),
                None => real::UdpSocket::bind(local).await.map(|socket| Self(Side::Real(socket))),
            };
            match bound {
                Ok(socket) => return Ok(socket),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn simulated(udp: Arc<dyn SimUdp>) -> Self {
        Self(Side::Sim(SimDatagrams::new(udp)))
    }

    /// Takes a real socket; or a ticket that [`UdpSocket::into_std`] gave for a simulated one; or a descriptor that
    /// the simulation gave to code that opened a socket through libc, as `socket2` does.
    ///
    /// # Panics
    /// On a real socket inside a simulation.
    pub fn from_std(socket: std::net::UdpSocket) -> io::Result<Self> {
        if squall_hook::active()
            && let Some(adopted) = squall_hook::current().and_then(|net| net.adopt_udp(socket.as_raw_fd()))
        {
            return adopted.map(Self::simulated);
        }
        match TICKETS.with(|tickets| tickets.redeem(&socket)) {
            Some(simulated) => Ok(Self(Side::Sim(simulated))),
            None => real::UdpSocket::from_std(socket).map(|socket| Self(Side::Real(socket))),
        }
    }

    /// The real socket; for a simulated one a socket that only [`UdpSocket::from_std`] turns back.
    pub fn into_std(self) -> io::Result<std::net::UdpSocket> {
        match self.0 {
            Side::Real(socket) => socket.into_std(),
            Side::Sim(socket) => TICKETS.with(|tickets| tickets.issue(socket)).map(Into::into),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(socket) => socket.local_addr(),
            Side::Sim(socket) => socket.udp.local_addr(),
        }
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(socket) => socket.peer_addr(),
            Side::Sim(socket) => lock(&socket.peer).ok_or_else(|| io::ErrorKind::NotConnected.into()),
        }
    }

    pub async fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        let target = addr.target();
        drop(addr);
        let peers = resolve(target).await?;
        match &self.0 {
            Side::Real(socket) => {
                let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
                for peer in peers {
                    match socket.connect(peer).await {
                        Ok(()) => return Ok(()),
                        Err(error) => failure = error,
                    }
                }
                Err(failure)
            }
            Side::Sim(socket) => {
                *lock(&socket.peer) = peers.first().copied();
                Ok(())
            }
        }
    }

    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.0 {
            Side::Real(socket) => socket.ready(interest).await,
            Side::Sim(_) => poll_fn(|cx| self.poll_interest(interest, cx)).await,
        }
    }

    fn poll_interest(&self, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
        let mut ready = Ready::EMPTY;
        if interest.is_writable() {
            ready |= Ready::WRITABLE;
        }
        if interest.is_readable() && self.poll_recv_ready(cx)?.is_ready() {
            ready |= Ready::READABLE;
        }
        if ready.is_empty() { Poll::Pending } else { Poll::Ready(Ok(ready)) }
    }

    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_recv_ready(cx),
            Side::Sim(socket) => within_budget(cx, |cx| socket.poll_recv_ready(cx)),
        }
    }

    pub fn poll_send_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_send_ready(cx),
            Side::Sim(_) => within_budget(cx, |_| Poll::Ready(Ok(()))),
        }
    }

    pub fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_send(cx, buf),
            Side::Sim(socket) => within_budget(cx, |cx| socket.poll_send(cx, buf)),
        }
    }

    pub async fn send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.send(buf).await,
            Side::Sim(_) => poll_fn(|cx| self.poll_send(cx, buf)).await,
        }
    }

    pub fn try_send(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.try_send(buf),
            Side::Sim(socket) => at_once(|cx| socket.poll_send(cx, buf)),
        }
    }

    pub fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], target: SocketAddr) -> Poll<io::Result<usize>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_send_to(cx, buf, target),
            Side::Sim(socket) => within_budget(cx, |cx| socket.udp.poll_send_to(cx, buf, target)),
        }
    }

    pub async fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let target = addr.target();
        drop(addr);
        let to = resolve(target).await?[0];
        match &self.0 {
            Side::Real(socket) => socket.send_to(buf, to).await,
            Side::Sim(_) => poll_fn(|cx| self.poll_send_to(cx, buf, to)).await,
        }
    }

    pub fn try_send_to(&self, buf: &[u8], target: SocketAddr) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.try_send_to(buf, target),
            Side::Sim(socket) => at_once(|cx| socket.udp.poll_send_to(cx, buf, target)),
        }
    }

    pub fn poll_recv(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_recv(cx, buf),
            Side::Sim(_) => self.poll_recv_from(cx, buf).map_ok(drop),
        }
    }

    pub async fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.recv(buf).await,
            Side::Sim(_) => self.recv_from(buf).await.map(|(length, _)| length),
        }
    }

    pub fn try_recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.try_recv(buf),
            Side::Sim(_) => self.try_recv_from(buf).map(|(length, _)| length),
        }
    }

    pub fn poll_recv_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_recv_from(cx, buf),
            Side::Sim(socket) => within_budget(cx, |cx| recv_into(buf, |free| socket.poll_recv(cx, free))),
        }
    }

    pub async fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Side::Real(socket) => socket.recv_from(buf).await,
            Side::Sim(socket) => poll_fn(|cx| within_budget(cx, |cx| socket.poll_recv(cx, buf))).await,
        }
    }

    pub fn try_recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Side::Real(socket) => socket.try_recv_from(buf),
            Side::Sim(socket) => at_once(|cx| socket.poll_recv(cx, buf)),
        }
    }

    pub async fn recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.recv_buf(buf).await,
            Side::Sim(_) => self.recv_buf_from(buf).await.map(|(length, _)| length),
        }
    }

    pub fn try_recv_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Side::Real(socket) => socket.try_recv_buf(buf),
            Side::Sim(_) => self.try_recv_buf_from(buf).map(|(length, _)| length),
        }
    }

    pub async fn recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Side::Real(socket) => socket.recv_buf_from(buf).await,
            Side::Sim(_) => {
                let mut datagram = vec![0; buf.chunk_mut().len().min(DATAGRAM_MAX)];
                let (length, sender) = self.recv_from(&mut datagram).await?;
                buf.put_slice(&datagram[..length]);
                Ok((length, sender))
            }
        }
    }

    pub fn try_recv_buf_from<B: BufMut>(&self, buf: &mut B) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Side::Real(socket) => socket.try_recv_buf_from(buf),
            Side::Sim(_) => {
                let mut datagram = vec![0; buf.chunk_mut().len().min(DATAGRAM_MAX)];
                let (length, sender) = self.try_recv_from(&mut datagram)?;
                buf.put_slice(&datagram[..length]);
                Ok((length, sender))
            }
        }
    }
}

impl TryFrom<std::net::UdpSocket> for UdpSocket {
    type Error = io::Error;

    fn try_from(socket: std::net::UdpSocket) -> io::Result<Self> {
        Self::from_std(socket)
    }
}

impl AsRawFd for UdpSocket {
    fn as_raw_fd(&self) -> RawFd {
        match &self.0 {
            Side::Real(socket) => socket.as_raw_fd(),
            Side::Sim(_) => stand_in_raw(),
        }
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Side::Real(socket) => socket.as_fd(),
            Side::Sim(_) => stand_in(),
        }
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Side::Real(socket) => socket.fmt(formatter),
            Side::Sim(socket) => {
                formatter.debug_struct("UdpSocket").field("addr", &socket.udp.local_addr()).finish_non_exhaustive()
            }
        }
    }
}
