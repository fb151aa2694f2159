//! The driver of a broker: accepts connections, and does what is due.

use std::io;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::broker::Broker;
use super::connection::Session;
use super::{KafkaBroker, Superseded, link};

/// Pause after a failed accept.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the broker has shut down, or a newer life of it has begun.
pub(super) async fn serve(broker: &KafkaBroker, listener: TcpListener) -> Result<(), Superseded> {
    let driver = broker.enroll(Broker::attach_link)?;
    // Dropped with this future, and with it every connection.
    let mut tasks = JoinSet::new();
    for peer in broker.config().brokers.iter().filter(|peer| peer.id != broker.id) {
        tasks.spawn(link::send_heartbeats(broker.clone(), peer.clone()));
        tasks.spawn(link::follow(broker.clone(), peer.clone()));
    }
    let mut accept_again = Instant::now();
    loop {
        let (stopped, due) = broker.enter(|broker, quorum, now| {
            broker.tick(quorum, now);
            broker.watch_control(driver.id);
            (broker.is_stopped(), broker.next_tick(quorum, now))
        })?;
        if stopped {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = driver.notify.notified() => {}
            accepted = accept(&listener, accept_again) => match accepted {
                Ok(stream) => {
                    if let Ok(session) = Session::open(broker, stream) {
                        tasks.spawn(session.run());
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    accept_again = Instant::now() + ACCEPT_PAUSE;
                }
            },
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
            () = sleep_until(due) => {}
        }
    }
}

async fn accept(listener: &TcpListener, not_before: Instant) -> io::Result<TcpStream> {
    if not_before > Instant::now() {
        sleep_until(not_before).await;
    }
    Ok(listener.accept().await?.0)
}
