//! The task of one connection.

use std::net::SocketAddr;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::machine::{ClientKey, Ends, Loss, Machine};
use super::shell::Shell;
use super::stream::Stream;

/// Size of a connection's first read buffer; it doubles while reads fill it.
const READ_BUFFER: usize = 1024;
const READ_BUFFER_MAX: usize = 64 * 1024;

/// One connection; dropping it ends the connection.
pub(super) struct Session<M: Machine> {
    shell: Shell<M>,
    key: ClientKey,
    buffer: BytesMut,
    chunk: usize,
}

impl<M: Machine> Session<M> {
    /// Takes in an accepted connection; none if it was lost before.
    pub(super) fn open(shell: &Shell<M>, stream: TcpStream, peer: SocketAddr) -> Option<Self> {
        let now = Instant::now();
        let local = stream.local_addr().ok()?;
        let mut state = shell.lock();
        let key = state.machine.attach(Ends { peer, local }, now);
        let stream = Stream::new(stream, state.tls.as_ref());
        state.add_socket(key, stream);
        state.settle(now);
        drop(state);
        Some(Self { shell: shell.clone(), key, buffer: BytesMut::new(), chunk: READ_BUFFER })
    }

    /// Runs until the connection ends.
    pub(super) async fn run(mut self) {
        std::future::poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Self { shell, key, buffer, chunk } = self;
        let key = *key;
        let mut state = shell.lock();
        let state = &mut *state;
        loop {
            if state.machine.lane(key).blocked {
                state.write(key, cx);
                state.settle(Instant::now());
            }
            let lane = state.machine.lane(key);
            if lane.is_gone() {
                return Poll::Ready(());
            }
            let open = lane.is_open();
            // Before any look at the socket: what is due later must find the waker.
            state.note_task(key, cx);
            if !open {
                return Poll::Pending;
            }
            let Some(socket) = state.socket(key) else {
                return Poll::Ready(());
            };
            let read = ready!(socket.stream.poll_read(buffer, *chunk, cx));
            let now = Instant::now();
            match read {
                Ok(0) => state.machine.lose(key, Loss::EndOfStream),
                Err(_) => state.machine.lose(key, Loss::Read),
                Ok(bytes) => {
                    if bytes >= *chunk {
                        *chunk = (*chunk * 2).min(READ_BUFFER_MAX);
                    }
                    let missing = state.machine.receive(key, buffer, now);
                    *chunk = (*chunk).max(missing.min(READ_BUFFER_MAX));
                }
            }
            state.settle(now);
        }
    }
}

impl<M: Machine> Drop for Session<M> {
    fn drop(&mut self) {
        let mut state = self.shell.lock();
        state.machine.detach(self.key);
        let socket = state.take_socket(self.key);
        state.settle(Instant::now());
        drop(state);
        if let Some(mut socket) = socket {
            socket.stream.farewell(&mut Context::from_waker(Waker::noop()));
        }
    }
}
