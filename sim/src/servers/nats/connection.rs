//! The asynchronous shell: sockets around the [`Engine`].
//!
//! One task per connection reads its socket (`session`); whoever makes bytes for a client also tries to write them at
//! once. Only when a socket takes no more is its own task woken to wait for room. One more task, the
//! driver, accepts connections and sleeps until the engine's earliest deadline, for all clients together.

use std::io::IoSlice;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::Instant;

use super::client::CloseReason;
use super::engine::Engine;
use super::router::ClientKey;
use super::secure::{Secure, Written};

/// Buffers written by one call.
const SLICES: usize = 8;

/// What the tasks of one server share.
#[derive(Debug)]
pub(super) struct Shared(Mutex<State>);

impl Shared {
    pub(super) fn new(engine: Engine) -> Self {
        Self(Mutex::new(State {
            engine,
            sockets: Vec::new(),
            driver: None,
            router: None,
            open: Open::NotYet,
            armed: None,
        }))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the server listens for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Open {
    NotYet,
    Already,
}

/// The engine and its sockets.
#[derive(Debug)]
pub(super) struct State {
    pub(super) engine: Engine,
    /// By client.
    sockets: Vec<Option<Socket>>,
    /// The driver task.
    pub(super) driver: Option<Waker>,
    /// The task that opens routes.
    pub(super) router: Option<Waker>,
    /// Whether the server listens for clients, before which it opens no routes.
    pub(super) open: Open,
    /// When the driver wakes on its own.
    pub(super) armed: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Socket {
    pub(super) writer: OwnedWriteHalf,
    /// The task that reads the socket.
    reader: Option<Waker>,
    pub(super) secure: Option<Secure>,
}

impl Socket {
    fn write(&mut self, engine: &Engine, key: ClientKey) -> Written {
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = engine.outbox(key).slices(&mut slices);
        match (&mut self.secure, &slices[..count]) {
            (None, [slice]) => Written::from_io(self.writer.try_write(slice)),
            (None, slices) => Written::from_io(self.writer.try_write_vectored(slices)),
            (Some(secure), slices) => secure.write(slices, &self.writer),
        }
    }

    /// Writes what TLS has to say for itself.
    fn flush(&mut self) -> Written {
        self.secure.as_mut().map_or(Written::Some(0), |secure| secure.flush(&self.writer))
    }
}

impl State {
    pub(super) fn add_socket(&mut self, key: ClientKey, writer: OwnedWriteHalf, secure: Option<Secure>) {
        if self.sockets.len() <= key.index() {
            self.sockets.resize_with(key.index() + 1, || None);
        }
        self.sockets[key.index()] = Some(Socket { writer, reader: None, secure });
    }

    pub(super) fn socket_mut(&mut self, key: ClientKey) -> Option<&mut Socket> {
        self.sockets.get_mut(key.index()).and_then(Option::as_mut)
    }

    pub(super) fn remove_socket(&mut self, key: ClientKey) -> Option<Socket> {
        self.sockets.get_mut(key.index()).and_then(Option::take)
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
        if self.engine.has_dials() || self.engine.is_stopped() {
            self.wake_router();
        }
    }

    pub(super) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    pub(super) fn wake_router(&mut self) {
        if let Some(router) = self.router.take() {
            router.wake();
        }
    }

    /// Writes what waits for a client until it is gone or the socket takes no more.
    fn write(&mut self, key: ClientKey, now: Instant) {
        let Some(socket) = self.sockets.get_mut(key.index()).and_then(Option::as_mut) else {
            return;
        };
        match socket.flush() {
            Written::Some(_) => {}
            Written::Full => return self.engine.block(key, now),
            Written::Failed => return self.engine.fail(key, CloseReason::WriteError),
        }
        while !self.engine.outbox(key).is_empty() {
            match socket.write(&self.engine, key) {
                Written::Some(bytes) => self.engine.wrote(key, bytes),
                Written::Full => return self.engine.block(key, now),
                Written::Failed => return self.engine.fail(key, CloseReason::WriteError),
            }
        }
    }

    /// Goes on writing to a socket that was full, and asks to be woken when it has room.
    pub(super) fn resume_write(&mut self, key: ClientKey, cx: &mut Context<'_>) {
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
    pub(super) fn note_reader(&mut self, key: ClientKey, cx: &Context<'_>) {
        if let Some(socket) = self.sockets[key.index()].as_mut() {
            match &mut socket.reader {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }
}
