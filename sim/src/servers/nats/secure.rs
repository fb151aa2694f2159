//! TLS on one connection, as bytes in and bytes out; the socket stays with its owner.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use bytes::{Buf, BufMut, BytesMut};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::tcp::OwnedWriteHalf;

/// Plain bytes encrypted at a time; the next ones wait until these have left.
const BATCH: usize = 64 * 1024;

/// What one attempt to write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// This many bytes of those given have left.
    Some(usize),
    /// The socket takes no more.
    Full,
    /// The socket is broken.
    Failed,
}

impl Written {
    pub(super) fn from_io(result: io::Result<usize>) -> Self {
        match result {
            Ok(0) => Self::Failed,
            Ok(bytes) => Self::Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Full,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Self::Some(0),
            Err(_) => Self::Failed,
        }
    }
}

/// How far a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The handshake goes on.
    Handshake,
    /// Both sides are sure of each other.
    Established,
}

/// The server's side of one TLS connection.
///
/// The greeting of NATS goes out in plain text, so this begins with the first bytes that come in.
#[derive(Debug)]
pub(super) struct Secure {
    connection: Box<ServerConnection>,
    begun: bool,
    /// Plain bytes that were encrypted and have not all left.
    accepted: usize,
}

impl Secure {
    /// # Errors
    /// The configuration does not suit TLS over TCP.
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        let mut connection = Box::new(ServerConnection::new(Arc::clone(config))?);
        connection.set_buffer_limit(Some(BATCH));
        Ok(Self { connection, begun: false, accepted: 0 })
    }

    pub(super) fn progress(&self) -> Progress {
        if self.connection.is_handshaking() { Progress::Handshake } else { Progress::Established }
    }

    /// Turns what the peer sent into what it said.
    ///
    /// # Errors
    /// That was not TLS, or not TLS that both sides can agree on.
    pub(super) fn receive(&mut self, input: &mut BytesMut, output: &mut BytesMut) -> Result<(), rustls::Error> {
        self.begun = true;
        while !input.is_empty() {
            let taken = self.connection.read_tls(&mut &input[..]);
            let taken = taken.map_err(|error| rustls::Error::General(error.to_string()))?;
            input.advance(taken);
            let state = self.connection.process_new_packets()?;
            let plain = state.plaintext_bytes_to_read();
            let start = output.len();
            output.put_bytes(0, plain);
            self.connection
                .reader()
                .read_exact(&mut output[start..])
                .unwrap_or_else(|error| unreachable!("the connection said it holds {plain} bytes: {error}"));
            if taken == 0 || state.peer_has_closed() {
                break;
            }
        }
        Ok(())
    }

    /// Writes these bytes, or goes on writing them: until they have left, they must come again.
    pub(super) fn write(&mut self, slices: &[IoSlice<'_>], socket: &OwnedWriteHalf) -> Written {
        if !self.begun {
            return Written::from_io(socket.try_write_vectored(slices));
        }
        if self.accepted == 0 {
            match self.connection.writer().write_vectored(slices) {
                Ok(accepted) => self.accepted = accepted,
                Err(_) => return Written::Failed,
            }
        }
        match self.flush(socket) {
            Written::Some(_) => Written::Some(std::mem::take(&mut self.accepted)),
            other => other,
        }
    }

    /// Writes everything that is encrypted already.
    pub(super) fn flush(&mut self, socket: &OwnedWriteHalf) -> Written {
        while self.connection.wants_write() {
            match Written::from_io(self.connection.write_tls(&mut Raw(socket))) {
                Written::Some(_) => {}
                other => return other,
            }
        }
        Written::Some(0)
    }

    /// Tells the peer that nothing follows, if the socket takes that at once.
    pub(super) fn say_goodbye(&mut self, socket: &OwnedWriteHalf) {
        if self.begun {
            self.connection.send_close_notify();
            self.flush(socket);
        }
    }
}

/// A socket as rustls wants it.
struct Raw<'a>(&'a OwnedWriteHalf);

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
