//! What the shell asks of a server.

use std::net::SocketAddr;

use bytes::BytesMut;
use tokio::time::Instant;

use super::lane::Lane;

/// A client's place in a server; a later client may get it when it is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientKey(u32);

impl ClientKey {
    /// The key of a place.
    ///
    /// # Panics
    /// There are more than 2³² places.
    pub(crate) fn new(index: usize) -> Self {
        Self(u32::try_from(index).expect("a server has fewer than 2^32 clients"))
    }

    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// Both ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) peer: SocketAddr,
    pub(crate) local: SocketAddr,
}

/// How a connection was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The client sent all it wanted to.
    EndOfStream,
    /// The socket, or TLS on it, can no longer be read.
    Read,
    /// The socket can no longer be written.
    Write,
}

/// A server without sockets and clock.
///
/// After each call that takes a time, the shell looks after every client of [`Machine::next_dirty`].
pub(crate) trait Machine: Send + 'static {
    /// The server begins to listen.
    fn start(&mut self, address: SocketAddr, now: Instant);

    /// Ends every connection and takes in no new one.
    fn stop(&mut self);

    /// Whether new connections are welcome.
    fn accepts(&self) -> bool;

    /// Whether the server has stopped and every client is gone.
    fn is_finished(&self) -> bool;

    /// Takes in a connection.
    fn attach(&mut self, ends: Ends, now: Instant) -> ClientKey;

    /// Forgets a client whose socket is gone.
    fn detach(&mut self, key: ClientKey);

    /// Takes what it can of a client's bytes, and tells how many are missing at least before the rest
    /// means something.
    fn receive(&mut self, key: ClientKey, input: &mut BytesMut, now: Instant) -> usize;

    /// Notes that nothing more can be read from a client, or written to it.
    fn lose(&mut self, key: ClientKey, loss: Loss);

    /// Notes that some of what waited for a client has left.
    fn wrote(&mut self, key: ClientKey);

    /// When [`Machine::expire`] has something to do next.
    fn next_deadline(&self) -> Option<Instant>;

    /// Does everything that is due.
    fn expire(&mut self, now: Instant);

    /// The next client with something to write, or that is finished.
    fn next_dirty(&mut self) -> Option<ClientKey>;

    /// How far the client's bytes have got.
    fn lane(&self, key: ClientKey) -> &Lane;

    /// The same, to be changed.
    fn lane_mut(&mut self, key: ClientKey) -> &mut Lane;
}
