//! `TcpSocket`.

#![expect(missing_docs, clippy::missing_errors_doc, reason = "mirrors tokio::net, which documents every item")]

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, RawFd};
use std::sync::Mutex;
use std::time::Duration;

use real_tokio::net as real;

use super::listener::TcpListener;
use super::options::{Options, linger_options, linux_options, lock, plain_options};
use super::sim::{Side, stand_in, stand_in_raw};
use super::stream::TcpStream;

/// A socket of the simulated network before it connects or listens.
#[derive(Debug)]
pub(super) struct SimSocket {
    any: SocketAddr,
    /// Where `bind` put it; the network learns of it when the socket connects or listens.
    bound: Mutex<Option<SocketAddr>>,
    options: Mutex<Options>,
}

/// A TCP socket that is neither connected nor listening yet.
pub struct TcpSocket(Side<real::TcpSocket, SimSocket>);

impl TcpSocket {
    pub fn new_v4() -> io::Result<Self> {
        Self::open((Ipv4Addr::UNSPECIFIED, 0).into(), real::TcpSocket::new_v4)
    }

    pub fn new_v6() -> io::Result<Self> {
        Self::open((Ipv6Addr::UNSPECIFIED, 0).into(), real::TcpSocket::new_v6)
    }

    fn open(any: SocketAddr, real: fn() -> io::Result<real::TcpSocket>) -> io::Result<Self> {
        if squall_hook::current().is_some() {
            Ok(Self(Side::Sim(SimSocket { any, bound: Mutex::default(), options: Mutex::default() })))
        } else {
            real().map(|socket| Self(Side::Real(socket)))
        }
    }

    plain_options! {
        keepalive, set_keepalive: bool;
        reuseaddr, set_reuseaddr: bool;
        reuseport, set_reuseport: bool;
        nodelay, set_nodelay: bool;
        send_buffer_size, set_send_buffer_size: u32;
        recv_buffer_size, set_recv_buffer_size: u32;
        tos_v4, set_tos_v4: u32;
        tclass_v6, set_tclass_v6: u32;
    }

    linger_options!();
    linux_options!();

    /// The bound address. A simulated socket bound to port 0 gets its port when it connects or listens.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match &self.0 {
            Side::Real(socket) => socket.local_addr(),
            Side::Sim(socket) => Ok(lock(&socket.bound).unwrap_or(socket.any)),
        }
    }

    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        match &self.0 {
            Side::Real(socket) => socket.take_error(),
            Side::Sim(_) => Ok(None),
        }
    }

    /// Binds. A simulated socket reports an address in use when it connects or listens.
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        match &self.0 {
            Side::Real(socket) => socket.bind(addr),
            Side::Sim(socket) => {
                let mut bound = lock(&socket.bound);
                if bound.is_some() || addr.is_ipv4() != socket.any.is_ipv4() {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                *bound = Some(addr);
                Ok(())
            }
        }
    }

    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        match self.0 {
            Side::Real(socket) => socket.connect(addr).await.map(|stream| TcpStream(Side::Real(stream))),
            Side::Sim(socket) => {
                let (local, options) = socket.into_parts();
                let connecting = network()?.connect(local, addr);
                Ok(TcpStream::simulated(connecting.await?, options))
            }
        }
    }

    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        match self.0 {
            Side::Real(socket) => socket.listen(backlog).map(|listener| TcpListener(Side::Real(listener))),
            Side::Sim(socket) => {
                let any = socket.any;
                let (local, options) = socket.into_parts();
                Ok(TcpListener::simulated(network()?.listen(local.unwrap_or(any))?, options))
            }
        }
    }

    /// Takes a real socket as it is.
    ///
    /// # Panics
    /// Inside a simulation.
    #[must_use]
    pub fn from_std_stream(stream: std::net::TcpStream) -> Self {
        refuse_inside_simulation();
        Self(Side::Real(real::TcpSocket::from_std_stream(stream)))
    }
}

impl SimSocket {
    fn into_parts(self) -> (Option<SocketAddr>, Options) {
        (*lock(&self.bound), lock(&self.options).clone())
    }
}

/// The network of a socket that was opened in a simulation.
fn network() -> io::Result<std::sync::Arc<dyn squall_hook::SimNet>> {
    squall_hook::current().ok_or_else(|| io::ErrorKind::NetworkDown.into())
}

fn refuse_inside_simulation() {
    if squall_hook::current().is_some() {
        squall_hook::refuse("a socket of the standard library was handed to tokio");
    }
}

impl AsRawFd for TcpSocket {
    fn as_raw_fd(&self) -> RawFd {
        match &self.0 {
            Side::Real(socket) => socket.as_raw_fd(),
            Side::Sim(_) => stand_in_raw(),
        }
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Side::Real(socket) => socket.as_fd(),
            Side::Sim(_) => stand_in(),
        }
    }
}

impl FromRawFd for TcpSocket {
    /// # Safety
    /// As [`FromRawFd::from_raw_fd`].
    #[expect(unsafe_code, reason = "the trait demands it")]
    unsafe fn from_raw_fd(fd: RawFd) -> Self {
        refuse_inside_simulation();
        // SAFETY: the caller vouches for the descriptor, by this function's own contract.
        Self(Side::Real(unsafe { real::TcpSocket::from_raw_fd(fd) }))
    }
}

impl IntoRawFd for TcpSocket {
    /// # Panics
    /// On a simulated socket, which has no descriptor to give away.
    fn into_raw_fd(self) -> RawFd {
        match self.0 {
            Side::Real(socket) => socket.into_raw_fd(),
            Side::Sim(_) => squall_hook::refuse("the descriptor of a simulated socket was taken"),
        }
    }
}

impl fmt::Debug for TcpSocket {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Side::Real(socket) => socket.fmt(formatter),
            Side::Sim(socket) => socket.fmt(formatter),
        }
    }
}
