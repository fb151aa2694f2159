//! The driver of a server's routes: accepts those of other servers and opens its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{Open, Shared};
use super::route::{Dial, Target};
use super::session::Session;
use crate::servers::common::acceptor::Acceptor;

/// How long an attempt to connect may take.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves until the server has stopped.
pub(super) async fn serve(shared: &Arc<Shared>, listener: TcpListener) -> io::Result<()> {
    let port = listener.local_addr()?.port();
    let _stop = StopOnDrop(shared);
    std::future::poll_fn(|cx| poll_open(shared, cx)).await;
    shared.lock().engine.start_cluster(port);
    let mut routes = Routes { shared, acceptor: Acceptor::new(listener), dials: JoinSet::new() };
    std::future::poll_fn(|cx| routes.poll(cx)).await;
    Ok(())
}

/// Shuts the server down with its routes.
struct StopOnDrop<'a>(&'a Shared);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.router = None;
        state.engine.shutdown();
        state.settle(Instant::now());
        state.wake_driver();
    }
}

/// Ready once the server listens for clients, or never will.
fn poll_open(shared: &Shared, cx: &mut Context<'_>) -> Poll<()> {
    let mut state = shared.lock();
    if state.open == Open::Already || state.engine.is_stopped() {
        return Poll::Ready(());
    }
    state.router = Some(cx.waker().clone());
    Poll::Pending
}

/// What became of an attempt to connect.
struct Dialled {
    target: Target,
    result: io::Result<(TcpStream, SocketAddr)>,
}

struct Routes<'a> {
    shared: &'a Arc<Shared>,
    acceptor: Acceptor,
    dials: JoinSet<Dialled>,
}

impl Routes<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while let Poll::Ready((stream, peer)) = self.acceptor.poll(cx) {
            tokio::spawn(Session::route(self.shared, stream, peer, None).run());
        }
        loop {
            while let Poll::Ready(Some(dialled)) = self.dials.poll_join_next(cx) {
                match dialled {
                    Ok(dialled) => self.connected(dialled),
                    Err(error) => tracing::error!(%error, "an attempt to open a route ended early"),
                }
            }
            let mut state = self.shared.lock();
            if state.engine.is_stopped() {
                return Poll::Ready(());
            }
            state.router = Some(cx.waker().clone());
            let dials = state.engine.take_dials();
            drop(state);
            if dials.is_empty() {
                return Poll::Pending;
            }
            for dial in dials {
                self.dials.spawn(open(dial));
            }
        }
    }

    fn connected(&self, Dialled { target, result }: Dialled) {
        match result {
            Ok((stream, peer)) => {
                tokio::spawn(Session::route(self.shared, stream, peer, Some(target)).run());
            }
            Err(error) => {
                tracing::debug!(%error, address = target.address, "cannot open a route");
                self.shared.lock().engine.unreachable(target);
            }
        }
    }
}

async fn open(Dial { target, delay }: Dial) -> Dialled {
    tokio::time::sleep(delay).await;
    let connect = async {
        let stream = TcpStream::connect(&target.address).await?;
        stream.set_nodelay(true)?;
        let peer = stream.peer_addr()?;
        Ok((stream, peer))
    };
    let result = tokio::time::timeout(DIAL_TIMEOUT, connect).await.unwrap_or_else(|late| Err(late.into()));
    Dialled { target, result }
}
