//! A listener that outlives failures to accept.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::Sleep;

/// The first pause after a failed accept; it doubles up to the longest.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
const ACCEPT_PAUSE_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Acceptor {
    listener: Option<TcpListener>,
    pause: Duration,
    /// Rings when to accept again after a failure.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener: Some(listener), pause: ACCEPT_PAUSE, alarm: None }
    }

    /// Stops listening.
    pub(crate) fn close(&mut self) {
        self.listener = None;
    }

    /// The next connection.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(TcpStream, SocketAddr)> {
        if let Some(alarm) = &mut self.alarm {
            ready!(alarm.as_mut().poll(cx));
            self.alarm = None;
        }
        let Some(listener) = &self.listener else {
            return Poll::Pending;
        };
        loop {
            match listener.poll_accept(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok((stream, peer))) => {
                    self.pause = ACCEPT_PAUSE;
                    // Without it a delivery could wait for the acknowledgement of the one before.
                    if stream.set_nodelay(true).is_ok() {
                        return Poll::Ready((stream, peer));
                    }
                }
                Poll::Ready(Err(error)) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    let mut alarm = Box::pin(tokio::time::sleep(self.pause));
                    self.pause = (self.pause * 2).min(ACCEPT_PAUSE_MAX);
                    if alarm.as_mut().poll(cx).is_pending() {
                        self.alarm = Some(alarm);
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
