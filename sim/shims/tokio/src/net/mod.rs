//! `tokio::net` over the simulated network, or over the real one where no simulation is installed.
//!
//! Each socket is one of two kinds from its creation on. What a simulated socket does comes from
//! `squall_hook`'s provider traits; options such as `nodelay` or `ttl` are remembered and returned,
//! with no effect. Unix domain sockets are the real ones.
//!
//! Two things a provider has to know: the `try_` methods poll with a waker that does nothing, and
//! several tasks may wait on one socket at a time. So it keeps every distinct waker of a direction,
//! rather than the last.

mod addr;
mod datagrams;
mod listener;
mod options;
mod sim;
mod socket;
mod split;
mod stream;
mod stream_io;
mod udp;
mod udp_options;

pub use real_tokio::net::{UnixDatagram, UnixListener, UnixSocket, UnixStream, unix};

pub use self::addr::{ToSocketAddrs, lookup_host};
pub use self::listener::TcpListener;
pub use self::socket::TcpSocket;
pub use self::stream::TcpStream;
pub use self::udp::UdpSocket;

/// TCP utility types.
pub mod tcp {
    pub use super::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
}
