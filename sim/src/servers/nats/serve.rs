//! The driver of a server: accepts connections and waits for the engine's deadlines.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep};

use super::connection::{Open, Shared};
use super::session::Session;
use crate::servers::common::acceptor::Acceptor;

/// Serves until the server has stopped and its clients are gone.
pub(super) async fn serve(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    {
        let mut state = shared.lock();
        state.engine.set_address(address);
        state.open = Open::Already;
        state.wake_router();
    }
    let _stop = StopOnDrop(shared);
    let mut driver =
        Driver { shared, acceptor: Acceptor::new(listener), alarm: Box::pin(tokio::time::sleep_until(Instant::now())) };
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
    acceptor: Acceptor,
    alarm: Pin<Box<Sleep>>,
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
                self.acceptor.close();
            }
            drop(state);
            // Spawned without the lock: a task that is refused is dropped at once, and that takes it.
            while let Poll::Ready((stream, peer)) = self.acceptor.poll(cx) {
                tokio::spawn(Session::client(self.shared, stream, peer).run());
            }
            let mut state = self.shared.lock();
            let due = state.engine.next_deadline();
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
}
