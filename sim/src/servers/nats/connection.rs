//! The asynchronous shell: sockets around the [`Engine`].
//!
//! One task per connection reads its socket; whoever makes bytes for a client also tries to write them at
//! once. Only when a socket takes no more is its own task woken to wait for room. One more task, the
//! driver, accepts connections and sleeps until the engine's earliest deadline, for all clients together.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::Instant;

use super::client::CloseReason;
use super::engine::Engine;
use super::router::ClientKey;

/// Size of a connection's first read buffer; it doubles while reads fill it.
const READ_BUFFER: usize = 1024;
const READ_BUFFER_MAX: usize = 64 * 1024;
/// Buffers written by one call.
const SLICES: usize = 8;

/// What the tasks of one server share.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn new(engine: Engine) -> Self {
        Self(Mutex::new(State { engine, sockets: Vec::new(), driver: None, armed: None }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The engine and its sockets.
#[derive(Debug)]
pub(super) struct State {
    pub(super) engine: Engine,
    /// By client.
    sockets: Vec<Option<Socket>>,
    /// The driver task.
    pub(super) driver: Option<Waker>,
    /// When the driver wakes on its own.
    pub(super) armed: Option<Instant>,
}

#[derive(Debug)]
struct Socket {
    writer: OwnedWriteHalf,
    /// The task that reads the socket.
    reader: Option<Waker>,
}

/// What one attempt to write came to.
enum Written {
    Some(usize),
    Full,
    Failed,
}

impl Socket {
    fn write(&self, engine: &Engine, key: ClientKey) -> Written {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = engine.outbox(key).slices(&mut slices);
        let written = match &slices[..count] {
            [slice] => self.writer.try_write(slice),
            slices => self.writer.try_write_vectored(slices),
        };
        match written {
            Ok(0) => Written::Failed,
            Ok(bytes) => Written::Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Written::Full,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Written::Some(0),
            Err(_) => Written::Failed,
        }
    }
}

impl State {
    fn add_socket(&mut self, key: ClientKey, writer: OwnedWriteHalf) {
        if self.sockets.len() <= key.index() {
            self.sockets.resize_with(key.index() + 1, || None);
        }
        self.sockets[key.index()] = Some(Socket { writer, reader: None });
    }

    /// Looks after every client with something to write, and after the driver's alarm.
    ///
    /// Must follow every use of the engine that may have made bytes or timers.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(key) = self.engine.next_dirty() {
            if !self.engine.is_blocked(key) {
                self.write(key, now);
            }
            let socket = self.sockets.get_mut(key.index()).and_then(Option::as_mut);
            if self.engine.take_attention(key)
                && let Some(reader) = socket.and_then(|socket| socket.reader.take())
            {
                reader.wake();
            }
        }
        let due = self.engine.next_deadline();
        let earlier = due.is_some_and(|due| self.armed.is_none_or(|armed| due < armed));
        if earlier || self.engine.is_finished() {
            self.wake_driver();
        }
    }

    pub(super) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Writes what waits for a client until it is gone or the socket takes no more.
    fn write(&mut self, key: ClientKey, now: Instant) {
        let Some(socket) = self.sockets.get(key.index()).and_then(Option::as_ref) else {
            return;
        };
        while !self.engine.outbox(key).is_empty() {
            match socket.write(&self.engine, key) {
                Written::Some(bytes) => self.engine.wrote(key, bytes),
                Written::Full => return self.engine.block(key, now),
                Written::Failed => return self.engine.fail(key, CloseReason::WriteError),
            }
        }
    }

    /// Goes on writing to a socket that was full, and asks to be woken when it has room.
    fn resume_write(&mut self, key: ClientKey, cx: &mut Context<'_>) {
        while self.engine.is_blocked(key) {
            let Some(socket) = self.sockets[key.index()].as_ref() else {
                return;
            };
            match socket.writer.as_ref().poll_write_ready(cx) {
                Poll::Pending => return,
                Poll::Ready(Err(_)) => self.engine.fail(key, CloseReason::WriteError),
                Poll::Ready(Ok(())) => {
                    self.engine.unblock(key);
                    self.write(key, Instant::now());
                }
            }
        }
    }

    /// Keeps the waker of a connection's task.
    fn note_reader(&mut self, key: ClientKey, cx: &Context<'_>) {
        if let Some(socket) = self.sockets[key.index()].as_mut() {
            match &mut socket.reader {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }
}

/// The reading side of one connection; dropping it ends the connection.
pub(super) struct Session {
    shared: Arc<Shared>,
    key: ClientKey,
    reader: OwnedReadHalf,
    buffer: BytesMut,
    chunk: usize,
}

impl Session {
    /// Takes in an accepted connection and greets its client.
    pub(super) fn open(shared: &Arc<Shared>, stream: tokio::net::TcpStream, peer: std::net::SocketAddr) -> Self {
        let now = Instant::now();
        let (reader, writer) = stream.into_split();
        let mut state = shared.lock();
        let key = state.engine.attach(peer, now);
        state.add_socket(key, writer);
        state.settle(now);
        drop(state);
        Self { shared: Arc::clone(shared), key, reader, buffer: BytesMut::new(), chunk: READ_BUFFER }
    }

    /// Runs until the connection ends.
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shared, key, reader, buffer, chunk } = self;
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
            let read = ready!(poll_read(reader, buffer, *chunk, cx));
            let now = Instant::now();
            match read {
                Ok(0) => state.engine.close(key, CloseReason::ClientClosed),
                Err(_) => state.engine.fail(key, CloseReason::ReadError),
                Ok(bytes) => {
                    if bytes >= *chunk {
                        *chunk = (*chunk * 2).min(READ_BUFFER_MAX);
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
        let socket = state.sockets[self.key.index()].take();
        state.settle(now);
        drop(state);
        if let Some(socket) = socket {
            // The reading half closes the socket as a whole; closing one side first would be another protocol.
            socket.writer.forget();
        }
    }
}
