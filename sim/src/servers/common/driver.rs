//! The driver of a server: accepts connections and waits for the machine's deadlines.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

use super::machine::Machine;
use super::session::Session;
use super::shell::Shell;

/// The first pause after a failed accept; it doubles up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Serves until the server has stopped and its clients are gone.
pub(super) async fn serve<M: Machine>(shell: &Shell<M>, listener: TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    shell.change(|machine, now| machine.start(address, now));
    let _stop = StopOnDrop(shell);
    let mut driver = Driver {
        shell,
        listener: Some(listener),
        alarm: Box::pin(tokio::time::sleep_until(Instant::now())),
        accept_pause: ACCEPT_PAUSE,
        accept_again: None,
    };
    std::future::poll_fn(|cx| driver.poll(cx)).await;
    Ok(())
}

/// Stops the server with its driver, without which nothing would ever expire.
struct StopOnDrop<'a, M: Machine>(&'a Shell<M>);

impl<M: Machine> Drop for StopOnDrop<'_, M> {
    fn drop(&mut self) {
        self.0.change(|machine, _| machine.stop());
    }
}

struct Driver<'a, M> {
    shell: &'a Shell<M>,
    listener: Option<TcpListener>,
    alarm: Pin<Box<Sleep>>,
    accept_pause: Duration,
    /// When to accept again after a failure.
    accept_again: Option<Instant>,
}

impl<M: Machine> Driver<'_, M> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let mut state = self.shell.lock();
            state.machine.expire(now);
            state.driver = None;
            state.settle(now);
            if state.machine.is_finished() {
                return Poll::Ready(());
            }
            if !state.machine.accepts() {
                self.listener = None;
            }
            drop(state);
            // Spawned without the lock: a task that is refused is dropped at once, and that takes it.
            while let Poll::Ready((stream, peer)) = self.poll_accept(cx, now) {
                if let Some(session) = Session::open(self.shell, stream, peer) {
                    tokio::spawn(session.run());
                }
            }
            let mut state = self.shell.lock();
            let due = [state.machine.next_deadline(), self.accept_again].into_iter().flatten().min();
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
