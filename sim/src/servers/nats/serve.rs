//! The driver of a server: accepts connections and waits for the engine's deadlines.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

use super::connection::{Session, Shared};

/// The first pause after a failed accept; it doubles up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Serves until the server has stopped and its clients are gone.
pub(super) async fn serve(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<()> {
    shared.lock().engine.set_port(listener.local_addr()?.port());
    let _stop = StopOnDrop(shared);
    let mut driver = Driver {
        shared,
        listener: Some(listener),
        alarm: Box::pin(tokio::time::sleep_until(Instant::now())),
        accept_pause: ACCEPT_PAUSE,
        accept_again: None,
    };
    std::future::poll_fn(|cx| driver.poll(cx)).await;
    Ok(())
}

/// Shuts the server down with its driver, without which nothing would ever expire.
struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.driver = None;
        state.engine.shutdown();
        state.settle(Instant::now());
    }
}

struct Driver<'a> {
    shared: &'a Arc<Shared>,
    listener: Option<TcpListener>,
    alarm: Pin<Box<Sleep>>,
    accept_pause: Duration,
    /// When to accept again after a failure.
    accept_again: Option<Instant>,
}

impl Driver<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let mut state = self.shared.lock();
            state.engine.expire(now);
            state.driver = None;
            state.settle(now);
            if state.engine.is_finished() {
                return Poll::Ready(());
            }
            if !state.engine.accepts() {
                self.listener = None;
            }
            drop(state);
            // Spawned without the lock: a task that is refused is dropped at once, and that takes it.
            while let Poll::Ready((stream, peer)) = self.poll_accept(cx, now) {
                tokio::spawn(Session::open(self.shared, stream, peer).run());
            }
            let mut state = self.shared.lock();
            let due = [state.engine.next_deadline(), self.accept_again].into_iter().flatten().min();
            state.armed = due;
            state.driver = Some(cx.waker().clone());
            drop(state);
            let Some(due) = due else {
                return Poll::Pending;
            };
            if self.alarm.deadline() != due {
                self.alarm.as_mut().reset(due);
            }
            if self.alarm.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>, now: Instant) -> Poll<(TcpStream, SocketAddr)> {
        if self.accept_again.is_some_and(|at| at > now) {
            return Poll::Pending;
        }
        self.accept_again = None;
        let Some(listener) = &self.listener else {
            return Poll::Pending;
        };
        loop {
            match listener.poll_accept(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((stream, peer))) => {
                    self.accept_pause = ACCEPT_PAUSE;
                    // Without it a delivery could wait for the acknowledgement of the one before.
                    if stream.set_nodelay(true).is_ok() {
                        return Poll::Ready((stream, peer));
                    }
                }
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    self.accept_again = Some(now + self.accept_pause);
                    self.accept_pause = (self.accept_pause * 2).min(ACCEPT_PAUSE_MAX);
                    return Poll::Pending;
                }
            }
        }
    }
}
