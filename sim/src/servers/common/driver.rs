//! The driver of a server: accepts connections and waits for the machine's deadlines.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::net::TcpListener;
use tokio::time::{Instant, Sleep};

use super::acceptor::Acceptor;
use super::machine::Machine;
use super::session::Session;
use super::shell::Shell;

/// Serves until the server has stopped and its clients are gone.
pub(super) async fn serve<M: Machine>(shell: &Shell<M>, listener: TcpListener) -> io::Result<()> {
    let address = listener.local_addr()?;
    shell.change(|machine, now| machine.start(address, now));
    let _stop = StopOnDrop(shell);
    let alarm = Box::pin(tokio::time::sleep_until(Instant::now()));
    let mut driver = Driver { shell, acceptor: Acceptor::new(listener), alarm };
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
    acceptor: Acceptor,
    alarm: Pin<Box<Sleep>>,
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
                self.acceptor.close();
            }
            drop(state);
            // Spawned without the lock: a task that is refused is dropped at once, and that takes it.
            while let Poll::Ready((stream, peer)) = self.acceptor.poll(cx) {
                if let Some(session) = Session::open(self.shell, stream, peer) {
                    tokio::spawn(session.run());
                }
            }
            let mut state = self.shell.lock();
            let due = state.machine.next_deadline();
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
