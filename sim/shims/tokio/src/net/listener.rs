//! `TcpListener`.

#![expect(missing_docs, clippy::missing_errors_doc, reason = "mirrors tokio::net, which documents every item")]

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use real_tokio::net as real;
use squall_hook::SimListener;

use super::addr::{ToSocketAddrs, resolve};
use super::options::{Options, lock, plain_options};
use super::sim::{Side, Tickets, stand_in, stand_in_raw, within_budget};
use super::stream::TcpStream;

pub(super) struct SimListening {
    listener: Arc<dyn SimListener>,
    options: Mutex<Options>,
}

thread_local! {
    static TICKETS: Tickets<SimListening> = const { Tickets::new() };
}

/// A TCP socket that accepts connections.
pub struct TcpListener(pub(super) Side<real::TcpListener, SimListening>);

impl TcpListener {
    pub(super) fn simulated(listener: Arc<dyn SimListener>, options: Options) -> Self {
        Self(Side::Sim(SimListening { listener, options: Mutex::new(options) }))
    }

    pub async fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<Self> {
        let target = addr.target();
        drop(addr);
        let mut failure = io::Error::from(io::ErrorKind::InvalidInput);
        for local in resolve(target).await? {
            let listening = squall_hook::current().map(|net| net.listen(local));
            let bound = match listening {
                Some(listening) => listening.map(|listener| Self::simulated(listener, Options::default())),
                None => real::TcpListener::bind(local).await.map(|listener| Self(Side::Real(listener))),
            };
            match bound {
                Ok(listener) => return Ok(listener),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    pub fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<(TcpStream, SocketAddr)>> {
        match &self.0 {
            Side::Real(listener) => {
                listener.poll_accept(cx).map_ok(|(stream, peer)| (TcpStream(Side::Real(stream)), peer))
            }
            Side::Sim(listening) => within_budget(cx, |cx| listening.listener.poll_accept(cx))
                .map_ok(|(tcp, peer)| (TcpStream::simulated(tcp, Options::default()), peer)),
        }
    }

    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        match &self.0 {
            Side::Real(listener) => listener.accept().await.map(|(stream, peer)| (TcpStream(Side::Real(stream)), peer)),
            Side::Sim(_) => poll_fn(|cx| self.poll_accept(cx)).await,
        }
    }

    /// Takes a real listener, or a ticket that [`TcpListener::into_std`] gave for a simulated one.
    ///
    /// # Panics
    /// On a real listener inside a simulation.
    pub fn from_std(listener: std::net::TcpListener) -> io::Result<Self> {
        match TICKETS.with(|tickets| tickets.redeem(&listener)) {
            Some(simulated) => Ok(Self(Side::Sim(simulated))),
            None => real::TcpListener::from_std(listener).map(|listener| Self(Side::Real(listener))),
        }
    }

    /// The real listener; for a simulated one a socket that only [`TcpListener::from_std`] turns back.
    pub fn into_std(self) -> io::Result<std::net::TcpListener> {
        match self.0 {
            Side::Real(listener) => listener.into_std(),
            Side::Sim(listening) => TICKETS.with(|tickets| tickets.issue(listening)).map(Into::into),
        }
    }

    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(listener) => listener.local_addr(),
            Side::Sim(listening) => listening.listener.local_addr(),
        }
    }

    plain_options! {
        ttl, set_ttl: u32;
    }
}

impl TryFrom<std::net::TcpListener> for TcpListener {
    type Error = io::Error;

    fn try_from(listener: std::net::TcpListener) -> io::Result<Self> {
        Self::from_std(listener)
    }
}

impl AsRawFd for TcpListener {
    fn as_raw_fd(&self) -> RawFd {
        match &self.0 {
            Side::Real(listener) => listener.as_raw_fd(),
            Side::Sim(_) => stand_in_raw(),
        }
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Side::Real(listener) => listener.as_fd(),
            Side::Sim(_) => stand_in(),
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Side::Real(listener) => listener.fmt(formatter),
            Side::Sim(listening) => formatter
                .debug_struct("TcpListener")
                .field("addr", &listening.listener.local_addr())
                .finish_non_exhaustive(),
        }
    }
}
