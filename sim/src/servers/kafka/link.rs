//! A broker's own connections to another: one for heartbeats, one to fetch from it.
//!
//! Two, because a fetch may wait at the other side for data, and everything on its connection with it.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{BrokerHeartbeatRequest, FetchRequest};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::broker::{Absorbed, Broker, Heartbeat};
use super::config::BrokerAddress;
use super::connection::{Broken, Frames};
use super::wire;
use super::{Bell, KafkaBroker};

/// The first pause before another attempt to connect; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// Tells another broker, for ever, that this one lives.
pub(super) async fn send_heartbeats(broker: KafkaBroker, peer: BrokerAddress) {
    let Ok(bell) = broker.enroll(Broker::attach_link) else { return };
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(broken) = heartbeats(&broker, &peer, &bell, &mut pause).await;
        if !rest(&broker, &peer, broken, &mut pause).await {
            return;
        }
    }
}

/// Follows, for ever, what another broker leads.
pub(super) async fn follow(broker: KafkaBroker, peer: BrokerAddress) {
    let Ok(bell) = broker.enroll(Broker::attach_link) else { return };
    let mut pause = FIRST_PAUSE;
    loop {
        let Err(broken) = fetches(&broker, &peer, &bell, &mut pause).await;
        if !rest(&broker, &peer, broken, &mut pause).await {
            return;
        }
    }
}

/// Waits before the next attempt; false if there shall be none.
async fn rest(broker: &KafkaBroker, peer: &BrokerAddress, broken: Broken, pause: &mut Duration) -> bool {
    if matches!(broken, Broken::Superseded(_)) {
        return false;
    }
    tracing::debug!(broker = %broker.id, peer = %peer.id, error = %broken, "link to another broker broke");
    sleep(*pause).await;
    *pause = (*pause * 2).min(broker.config().timing.reconnect_pause);
    true
}

async fn connect(broker: &KafkaBroker, peer: &BrokerAddress) -> Result<Frames, Broken> {
    let patience = broker.config().timing.session_timeout / 2;
    let stream = timeout(patience, TcpStream::connect((peer.host.as_str(), peer.port))).await??;
    Ok(Frames::new(stream, broker.config().limits.max_request_bytes)?)
}

async fn call(frames: &mut Frames, request: &Bytes, patience: Duration) -> Result<Bytes, Broken> {
    timeout(patience, async {
        frames.write(request).await?;
        frames.read().await?.ok_or(Broken::Unfinished)
    })
    .await?
}

async fn heartbeats(
    broker: &KafkaBroker,
    peer: &BrokerAddress,
    bell: &Bell,
    pause: &mut Duration,
) -> Result<Infallible, Broken> {
    let mut frames = connect(broker, peer).await?;
    broker.enter(|broker, _, _| broker.reconnected(peer.id))?;
    let patience = broker.config().timing.session_timeout / 2;
    loop {
        match broker.enter(|broker, _, now| broker.next_heartbeat(peer.id, bell.id, now))?? {
            Heartbeat::WaitUntil(at) => tokio::select! {
                biased;
                () = bell.notify.notified() => {}
                () = sleep_until(at) => {}
            },
            Heartbeat::Send(frame) => {
                let sent = Instant::now();
                let answer = call(&mut frames, &frame, patience).await?;
                wire::open_response::<BrokerHeartbeatRequest>(answer, wire::PEER_HEARTBEAT, 0)?;
                *pause = FIRST_PAUSE;
                broker.enter(|broker, quorum, now| broker.heard_by(peer.id, sent, quorum, now))?;
            }
        }
    }
}

async fn fetches(
    broker: &KafkaBroker,
    peer: &BrokerAddress,
    bell: &Bell,
    pause: &mut Duration,
) -> Result<Infallible, Broken> {
    let mut frames = None;
    loop {
        let plan = broker.enter(|broker, _, _| {
            broker.watch_control(bell.id);
            broker.plan_fetch(peer.id)
        })?;
        let Some(request) = plan else {
            bell.notify.notified().await;
            continue;
        };
        let connected = match &mut frames {
            Some(frames) => frames,
            None => frames.insert(connect(broker, peer).await?),
        };
        let frame = wire::request(wire::PEER_FETCH, 0, &request)?;
        let answer = call(connected, &frame, broker.config().timing.replica_socket_timeout).await?;
        let answer = wire::open_response::<FetchRequest>(answer, wire::PEER_FETCH, 0)?;
        *pause = FIRST_PAUSE;
        if broker.enter(|broker, _, now| broker.absorb(&request, answer, now))? == Absorbed::WithErrors {
            sleep(broker.config().timing.reconnect_pause).await;
        }
    }
}
