//! `UdpSocket`: peeking, options, multicast and direct access.

#![expect(missing_docs, clippy::missing_errors_doc, reason = "mirrors tokio::net, which documents every item")]

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::task::{Context, Poll};

use real_tokio::io::{Interest, ReadBuf};

use super::datagrams::recv_into;
use super::options::{linux_options, lock, plain_options};
use super::sim::{Side, at_once, within_budget};
use super::udp::UdpSocket;

impl UdpSocket {
    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.peek_from(buf).await.map(|(length, _)| length)
    }

    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_peek_from(cx, buf).map_ok(drop)
    }

    pub fn try_peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_peek_from(buf).map(|(length, _)| length)
    }

    pub async fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Side::Real(socket) => socket.peek_from(buf).await,
            Side::Sim(socket) => poll_fn(|cx| within_budget(cx, |cx| socket.poll_peek(cx, buf))).await,
        }
    }

    pub fn poll_peek_from(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_peek_from(cx, buf),
            Side::Sim(socket) => within_budget(cx, |cx| recv_into(buf, |free| socket.poll_peek(cx, free))),
        }
    }

    pub fn try_peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        match &self.0 {
            Side::Real(socket) => socket.try_peek_from(buf),
            Side::Sim(socket) => at_once(|cx| socket.poll_peek(cx, buf)),
        }
    }

    pub async fn peek_sender(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(socket) => socket.peek_sender().await,
            Side::Sim(_) => self.peek_from(&mut []).await.map(|(_, sender)| sender),
        }
    }

    pub fn poll_peek_sender(&self, cx: &mut Context<'_>) -> Poll<io::Result<SocketAddr>> {
        match &self.0 {
            Side::Real(socket) => socket.poll_peek_sender(cx),
            Side::Sim(_) => self.poll_peek_from(cx, &mut ReadBuf::new(&mut [])),
        }
    }

    pub fn try_peek_sender(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(socket) => socket.try_peek_sender(),
            Side::Sim(_) => self.try_peek_from(&mut []).map(|(_, sender)| sender),
        }
    }

    /// Runs `io` if the socket is ready; on a simulated socket, always.
    pub fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Side::Real(socket) => socket.try_io(interest, io),
            Side::Sim(_) => io(),
        }
    }

    pub async fn async_io<R>(&self, interest: Interest, mut io: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Side::Real(socket) => socket.async_io(interest, io).await,
            Side::Sim(_) => loop {
                self.ready(interest).await?;
                match io() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
            },
        }
    }

    plain_options! {
        broadcast, set_broadcast: bool;
        multicast_loop_v6, set_multicast_loop_v6: bool;
        multicast_ttl_v4, set_multicast_ttl_v4: u32;
        ttl, set_ttl: u32;
        tos_v4, set_tos_v4: u32;
        tclass_v6, set_tclass_v6: u32;
    }

    linux_options!();

    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        match &self.0 {
            Side::Real(socket) => socket.multicast_loop_v4(),
            Side::Sim(socket) => Ok(lock(&socket.options).multicast_loop_v4),
        }
    }

    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        match &self.0 {
            Side::Real(socket) => socket.set_multicast_loop_v4(on),
            Side::Sim(socket) => {
                lock(&socket.options).multicast_loop_v4 = on;
                socket.udp.set_multicast_loop_v4(on);
                Ok(())
            }
        }
    }

    /// Joins a group; the simulated network has one interface a host, so `interface` is not looked at.
    pub fn join_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        match &self.0 {
            Side::Real(socket) => socket.join_multicast_v4(multiaddr, interface),
            Side::Sim(socket) => socket.udp.join_multicast_v4(multiaddr),
        }
    }

    /// Leaves a group; `interface` as in [`UdpSocket::join_multicast_v4`].
    pub fn leave_multicast_v4(&self, multiaddr: Ipv4Addr, interface: Ipv4Addr) -> io::Result<()> {
        match &self.0 {
            Side::Real(socket) => socket.leave_multicast_v4(multiaddr, interface),
            Side::Sim(socket) => socket.udp.leave_multicast_v4(multiaddr),
        }
    }

    /// Joins a group; the simulated network has no IPv6 multicast and says so.
    pub fn join_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        match &self.0 {
            Side::Real(socket) => socket.join_multicast_v6(multiaddr, interface),
            Side::Sim(_) => Err(no_multicast_v6()),
        }
    }

    /// Leaves a group, as [`UdpSocket::join_multicast_v6`].
    pub fn leave_multicast_v6(&self, multiaddr: &Ipv6Addr, interface: u32) -> io::Result<()> {
        match &self.0 {
            Side::Real(socket) => socket.leave_multicast_v6(multiaddr, interface),
            Side::Sim(_) => Err(no_multicast_v6()),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Side::Real(socket) => socket.take_error(),
            Side::Sim(_) => Ok(None),
        }
    }
}

fn no_multicast_v6() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the simulated network has no IPv6 multicast: use join_multicast_v4")
}
