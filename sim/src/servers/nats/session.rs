//! The task of one connection: it reads the socket, and waits for room when writing needs it.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedReadHalf;
use tokio::time::Instant;

use super::client::CloseReason;
use super::config::TlsMode;
use super::connection::{Shared, State};
use super::engine::Engine;
use super::route::Target;
use super::router::ClientKey;
use super::secure::{Progress, Secure};

/// Size of a connection's first read buffer; it doubles while reads fill it.
const READ_BUFFER: usize = 1024;
const READ_BUFFER_MAX: usize = 64 * 1024;

/// The reading side of one connection; dropping it ends the connection.
pub(super) struct Session {
    shared: Arc<Shared>,
    key: ClientKey,
    reader: OwnedReadHalf,
    /// What the other side said, and nobody has understood yet.
    buffer: BytesMut,
    /// What it sent, where that is encrypted.
    cipher: Option<BytesMut>,
    chunk: usize,
}

impl Session {
    /// Takes in an accepted connection and greets its client.
    pub(super) fn client(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) -> Self {
        Self::open(shared, stream, |engine, now| {
            let key = engine.attach(peer, now);
            let secure = engine.tls().map(|TlsMode::Required(config)| Secure::new(config)).transpose();
            let secure = secure.unwrap_or_else(|error| {
                tracing::error!(%error, "the TLS configuration is of no use");
                engine.close(key, CloseReason::TlsHandshake);
                None
            });
            (key, secure)
        })
    }

    /// Takes in a connection to another server: one that came in, or one to this target.
    pub(super) fn route(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr, solicited: Option<Target>) -> Self {
        Self::open(shared, stream, |engine, now| (engine.attach_route(peer, solicited, now), None))
    }

    fn open(
        shared: &Arc<Shared>,
        stream: TcpStream,
        attach: impl FnOnce(&mut Engine, Instant) -> (ClientKey, Option<Secure>),
    ) -> Self {
        let now = Instant::now();
        let (reader, writer) = stream.into_split();
        let mut state = shared.lock();
        let (key, secure) = attach(&mut state.engine, now);
        let cipher = secure.is_some().then(BytesMut::new);
        state.add_socket(key, writer, secure);
        state.settle(now);
        drop(state);
        Self { shared: Arc::clone(shared), key, reader, buffer: BytesMut::new(), cipher, chunk: READ_BUFFER }
    }

    /// Runs until the connection ends.
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, key, reader, buffer, cipher, chunk } = self;
        let key = *key;
        let mut state = shared.lock();
        let state = &mut *state;
        loop {
            if state.engine.is_blocked(key) {
                state.resume_write(key, cx);
                state.settle(Instant::now());
            }
            if state.engine.is_gone(key) {
                return Poll::Ready(());
            }
            // Before any look at the socket: what is due later must find the waker.
            state.note_reader(key, cx);
            if !state.engine.listens(key) {
                return Poll::Pending;
            }
            let filled = match cipher.as_mut() {
                Some(cipher) => cipher,
                None => &mut *buffer,
            };
            let read = ready!(poll_read(reader, filled, *chunk, cx));
            let now = Instant::now();
            match read {
                Ok(0) => state.engine.close(key, CloseReason::ClientClosed),
                Err(_) => state.engine.fail(key, CloseReason::ReadError),
                Ok(bytes) => {
                    if bytes >= *chunk {
                        *chunk = (*chunk * 2).min(READ_BUFFER_MAX);
                    }
                    if let Some(cipher) = cipher.as_mut()
                        && !decrypt(state, key, cipher, buffer, now)
                    {
                        continue;
                    }
                    let received = state.engine.receive(key, buffer, now);
                    buffer.advance(received.consumed);
                    *chunk = (*chunk).max(received.missing.min(READ_BUFFER_MAX));
                }
            }
            state.settle(now);
        }
    }
}

/// Turns what a client sent into what it said. Returns whether that worked; else the connection has ended.
fn decrypt(state: &mut State, key: ClientKey, cipher: &mut BytesMut, plain: &mut BytesMut, now: Instant) -> bool {
    let Some(socket) = state.socket_mut(key) else {
        return false;
    };
    let Some(secure) = &mut socket.secure else {
        return false;
    };
    let before = secure.progress();
    let result = secure.receive(cipher, plain);
    let after = secure.progress();
    if let Err(error) = result {
        if matches!(error, rustls::Error::InvalidMessage(_)) {
            // Who does not speak TLS gets no answer in it, as with the real server.
            socket.secure = None;
        } else {
            secure.flush(&socket.writer);
        }
        tracing::debug!(%error, "TLS failed");
        let handshake = before == Progress::Handshake;
        state.engine.fail(key, if handshake { CloseReason::TlsHandshake } else { CloseReason::ReadError });
        state.settle(now);
        return false;
    }
    if before == Progress::Handshake && after == Progress::Established {
        state.engine.admit(key, now);
    }
    // The handshake has answers of its own.
    state.engine.mark_dirty(key);
    true
}

fn poll_read(
    reader: &mut OwnedReadHalf,
    buffer: &mut BytesMut,
    chunk: usize,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    buffer.reserve(chunk);
    let read: Pin<&mut _> = pin!(reader.read_buf(buffer));
    read.poll(cx)
}

impl Drop for Session {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.shared.lock();
        state.engine.detach(self.key);
        let socket = state.remove_socket(self.key);
        state.settle(now);
        drop(state);
        if let Some(mut socket) = socket {
            if let Some(secure) = &mut socket.secure {
                secure.say_goodbye(&socket.writer);
            }
            // The reading half closes the socket as a whole; closing one side first would be another protocol.
            socket.writer.forget();
        }
    }
}
