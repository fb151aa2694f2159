//! `TcpStream`.

#![expect(missing_docs, clippy::missing_errors_doc, reason = "mirrors tokio::net, which documents every item")]

use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BufMut;
use real_tokio::io::{Interest, ReadBuf, Ready};
use real_tokio::net as real;
use squall_hook::SimTcp;

use super::addr::{ToSocketAddrs, resolve};
use super::options::{Options, linger_options, lock, plain_options};
use super::sim::{Side, Tickets, at_once, filling, scattering, stand_in, stand_in_raw, within_budget};
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};

/// The simulated kind of stream.
pub(super) struct SimStream {
    pub(super) tcp: Arc<dyn SimTcp>,
    pub(super) options: Mutex<Options>,
}

thread_local! {
    static TICKETS: Tickets<SimStream> = const { Tickets::new() };
}

/// A TCP connection.
pub struct TcpStream(pub(super) Side<real::TcpStream, SimStream>);

impl TcpStream {
    pub(super) fn simulated(tcp: Arc<dyn SimTcp>, options: Options) -> Self {
        Self(Side::Sim(SimStream { tcp, options: Mutex::new(options) }))
    }

    pub async fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let target = addr.target();
        drop(addr);
        let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
        for peer in resolve(target).await? {
            let connecting = squall_hook::current().map(|net| net.connect(None, peer));
            let connected = match connecting {
                Some(connecting) => connecting.await.map(|tcp| Self::simulated(tcp, Options::default())),
                None => real::TcpStream::connect(peer).await.map(|stream| Self(Side::Real(stream))),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    /// Takes a real stream, or a ticket that [`TcpStream::into_std`] gave for a simulated one.
    ///
    /// # Panics
    /// On a real stream inside a simulation.
    pub fn from_std(stream: std::net::TcpStream) -> io::Result<Self> {
        match TICKETS.with(|tickets| tickets.redeem(&stream)) {
            Some(simulated) => Ok(Self(Side::Sim(simulated))),
            None => real::TcpStream::from_std(stream).map(|stream| Self(Side::Real(stream))),
        }
    }

    /// The real stream; for a simulated one an unconnected socket that only [`TcpStream::from_std`]
    /// turns back.
    pub fn into_std(self) -> io::Result<std::net::TcpStream> {
        match self.0 {
            Side::Real(stream) => stream.into_std(),
            Side::Sim(stream) => TICKETS.with(|tickets| tickets.issue(stream)).map(Into::into),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(stream) => stream.local_addr(),
            Side::Sim(stream) => stream.tcp.local_addr(),
        }
    }

    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(stream) => stream.peer_addr(),
            Side::Sim(stream) => stream.tcp.peer_addr(),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Side::Real(stream) => stream.take_error(),
            Side::Sim(stream) => Ok(stream.tcp.take_error()),
        }
    }

    plain_options! {
        nodelay, set_nodelay: bool;
        quickack, set_quickack: bool;
        ttl, set_ttl: u32;
    }

    linger_options!();

    pub fn poll_peek(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
        match &self.0 {
            Side::Real(stream) => stream.poll_peek(cx, buf),
            Side::Sim(stream) => {
                within_budget(cx, |cx| stream.tcp.poll_peek(cx, buf.remaining(), &mut |bytes| buf.put_slice(bytes)))
            }
        }
    }

    pub async fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| self.poll_peek(cx, &mut buf)).await
    }

    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(stream) => stream.poll_read_ready(cx),
            Side::Sim(stream) => within_budget(cx, |cx| stream.tcp.poll_read_ready(cx)),
        }
    }

    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(stream) => stream.poll_write_ready(cx),
            Side::Sim(stream) => within_budget(cx, |cx| stream.tcp.poll_write_ready(cx)),
        }
    }

    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match &self.0 {
            Side::Real(stream) => stream.ready(interest).await,
            Side::Sim(stream) => poll_fn(|cx| within_budget(cx, |cx| poll_interest(&*stream.tcp, interest, cx))).await,
        }
    }

    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(stream) => stream.try_read(buf),
            Side::Sim(stream) => at_once(|cx| stream.tcp.poll_read(cx, buf.len(), &mut filling(buf))),
        }
    }

    pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(stream) => stream.try_read_vectored(bufs),
            Side::Sim(stream) => {
                let room = bufs.iter().map(|buf| buf.len()).sum();
                at_once(|cx| stream.tcp.poll_read(cx, room, &mut scattering(bufs)))
            }
        }
    }

    pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
        match &self.0 {
            Side::Real(stream) => stream.try_read_buf(buf),
            Side::Sim(stream) => {
                let room = buf.chunk_mut().len();
                at_once(|cx| stream.tcp.poll_read(cx, room, &mut |bytes| buf.put_slice(bytes)))
            }
        }
    }

    pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(stream) => stream.try_write(buf),
            Side::Sim(_) => self.try_write_vectored(&[IoSlice::new(buf)]),
        }
    }

    pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match &self.0 {
            Side::Real(stream) => stream.try_write_vectored(bufs),
            Side::Sim(stream) => at_once(|cx| stream.tcp.poll_write(cx, bufs)),
        }
    }

    /// Runs `io` if the socket is ready; on a simulated socket, always.
    pub fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Side::Real(stream) => stream.try_io(interest, io),
            Side::Sim(_) => io(),
        }
    }

    pub async fn async_io<R>(&self, interest: Interest, mut io: impl FnMut() -> io::Result<R>) -> io::Result<R> {
        match &self.0 {
            Side::Real(stream) => stream.async_io(interest, io).await,
            Side::Sim(_) => loop {
                self.ready(interest).await?;
                match io() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return done,
                }
            },
        }
    }

    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::borrowed(self)
    }

    #[must_use]
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::owned(self)
    }
}

/// Ready with all that is ready of what is asked for.
fn poll_interest(tcp: &dyn SimTcp, interest: Interest, cx: &mut Context<'_>) -> Poll<io::Result<Ready>> {
    let mut ready = Ready::EMPTY;
    if interest.is_readable() && tcp.poll_read_ready(cx)?.is_ready() {
        ready |= Ready::READABLE;
    }
    if interest.is_writable() && tcp.poll_write_ready(cx)?.is_ready() {
        ready |= Ready::WRITABLE;
    }
    if ready.is_empty() { Poll::Pending } else { Poll::Ready(Ok(ready)) }
}

impl TryFrom<std::net::TcpStream> for TcpStream {
    type Error = io::Error;

    fn try_from(stream: std::net::TcpStream) -> io::Result<Self> {
        Self::from_std(stream)
    }
}

impl AsRef<Self> for TcpStream {
    fn as_ref(&self) -> &Self {
        self
    }
}

impl AsRawFd for TcpStream {
    fn as_raw_fd(&self) -> RawFd {
        match &self.0 {
            Side::Real(stream) => stream.as_raw_fd(),
            Side::Sim(_) => stand_in_raw(),
        }
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Side::Real(stream) => stream.as_fd(),
            Side::Sim(_) => stand_in(),
        }
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Side::Real(stream) => stream.fmt(formatter),
            Side::Sim(stream) => formatter
                .debug_struct("TcpStream")
                .field("addr", &stream.tcp.local_addr())
                .field("peer", &stream.tcp.peer_addr())
                .finish_non_exhaustive(),
        }
    }
}
