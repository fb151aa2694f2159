//! The sockets of one server.
//!
//! One task per connection reads its socket; whoever makes bytes for a client also tries to write them at
//! once. Only when a socket takes no more is its own task woken to wait for room. One more task, the
//! driver, accepts connections and sleeps until the machine's earliest deadline, for all clients together.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::net::TcpListener;
use tokio::time::Instant;

use super::driver;
use super::machine::{ClientKey, Loss, Machine};
use super::stream::Stream;

/// Buffers written by one call.
const SLICES: usize = 8;

/// A server with its sockets; clones are the same server.
pub(crate) struct Shell<M> {
    state: Arc<Mutex<State<M>>>,
}

impl<M> Clone for Shell<M> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

impl<M: Machine> Shell<M> {
    /// The shell of a machine; with a configuration every connection speaks TLS.
    pub(crate) fn new(machine: M, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let state = State { machine, tls, sockets: Vec::new(), driver: None, armed: None };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves until the machine has stopped and its clients are gone; dropping the future stops it.
    pub(crate) async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        driver::serve(self, listener).await
    }

    /// Reads something of the machine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&M) -> T) -> T {
        look(&self.lock().machine)
    }

    /// Changes the machine, and looks after everything that follows from it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut M, Instant) -> T) -> T {
        let now = Instant::now();
        let mut state = self.lock();
        let result = change(&mut state.machine, now);
        state.settle(now);
        state.wake_driver();
        result
    }
}

/// The machine and its sockets.
pub(super) struct State<M> {
    pub(super) machine: M,
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
    /// By client.
    sockets: Vec<Option<Socket>>,
    /// The driver task.
    pub(super) driver: Option<Waker>,
    /// When the driver wakes on its own.
    pub(super) armed: Option<Instant>,
}

pub(super) struct Socket {
    pub(super) stream: Stream,
    /// The connection's own task.
    task: Option<Waker>,
}

impl<M: Machine> State<M> {
    pub(super) fn add_socket(&mut self, key: ClientKey, stream: Stream) {
        if self.sockets.len() <= key.index() {
            self.sockets.resize_with(key.index() + 1, || None);
        }
        self.sockets[key.index()] = Some(Socket { stream, task: None });
    }

    pub(super) fn take_socket(&mut self, key: ClientKey) -> Option<Socket> {
        self.sockets.get_mut(key.index()).and_then(Option::take)
    }

    pub(super) fn socket(&mut self, key: ClientKey) -> Option<&mut Socket> {
        self.sockets.get_mut(key.index()).and_then(Option::as_mut)
    }

    /// Looks after every client with something to write, and after the driver's alarm.
    ///
    /// Must follow every use of the machine that may have made bytes or timers.
    pub(super) fn settle(&mut self, now: Instant) {
        let mut nobody = Context::from_waker(Waker::noop());
        while let Some(key) = self.machine.next_dirty() {
            if !self.machine.lane(key).blocked {
                self.write(key, &mut nobody);
            }
            if std::mem::take(&mut self.machine.lane_mut(key).attention)
                && let Some(task) = self.socket(key).and_then(|socket| socket.task.take())
            {
                task.wake();
            }
        }
        let due = self.machine.next_deadline();
        let earlier = due.is_some_and(|due| self.armed.is_none_or(|armed| due < armed));
        if earlier || due.is_some_and(|due| due <= now) || self.machine.is_finished() {
            self.wake_driver();
        }
    }

    pub(super) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Writes what waits for a client until it is gone or the socket takes no more.
    ///
    /// Only the client's own task may pass a context that wakes somebody, and only it may go on once the
    /// socket is full.
    pub(super) fn write(&mut self, key: ClientKey, cx: &mut Context<'_>) {
        let Some(socket) = self.sockets.get_mut(key.index()).and_then(Option::as_mut) else {
            return;
        };
        let stream = &mut socket.stream;
        let lane = self.machine.lane_mut(key);
        let mut written = 0;
        let outcome = loop {
            if lane.outbox.is_empty() {
                break stream.poll_flush(cx);
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = lane.outbox.slices(&mut slices);
            match stream.poll_write(&slices[..count], cx) {
                Poll::Ready(Ok(0)) => break Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(bytes)) => {
                    lane.outbox.advance(bytes);
                    written += bytes;
                }
                Poll::Ready(Err(error)) => break Poll::Ready(Err(error)),
                Poll::Pending => break Poll::Pending,
            }
        };
        lane.blocked = outcome.is_pending();
        lane.attention |= outcome.is_pending();
        if written > 0 {
            self.machine.wrote(key);
        }
        if let Poll::Ready(Err(error)) = outcome {
            tracing::debug!(%error, "cannot write to a client");
            self.machine.lose(key, Loss::Write);
        }
    }

    /// Keeps the waker of a connection's task.
    pub(super) fn note_task(&mut self, key: ClientKey, cx: &Context<'_>) {
        if let Some(socket) = self.socket(key) {
            match &mut socket.task {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
    }
}
