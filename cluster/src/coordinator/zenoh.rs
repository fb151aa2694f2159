//! Zenoh, peer to peer, through `zenoh`.
//!
//! What it promises: **at most once**; in order per publisher while the transport between two peers holds; no duplicates, because
//! there is one transport and one link per pair of peers, and peers do not forward each other's messages. (Routers in between,
//! which `config` may name, are Zenoh's to keep free of loops.) What is lost, and how a node comes to know:
//!
//! - *A peer that is gone*: everything published to it since the link broke, that is, since up to one lease before anybody noticed.
//!   Each node watches the liveliness tokens of the others. A token that appears, for the first time or again, means messages may
//!   have been missed; when the peer has shown that it knows of this node's subscription, [`Event::Gap`] or, after the last peer
//!   had been lost, [`Event::Connected`] is reported.
//! - *A queue that is full*: the client drops the message for that peer and tells nobody; the receiver sees the gap in the
//!   publisher's numbers. Blocking instead (`CongestionControl::Block`) would stop the calling thread for up to 5 s, and then close
//!   the transport. Queues are made longer than by default, and each message yields to the sender's task.
//! - *Nobody there*: published to no one. Whoever comes later reads the store and compares digests.
//!
//! There is no server to be connected to. A node counts as connected when its session is open and subscribed, and a peer has joined
//! or none has been heard of for 2 s: a node may be alone in its cluster. When its last peer is lost it cannot tell whether it is
//! the survivor or the one cut off; it counts as disconnected until a peer is back.
//!
//! Zenoh reconnects to the endpoints in `config` and to what multicast scouting finds. Peers that it knows from gossip only are not
//! dialled again after a cut that left both of them with other peers: such a pair hears of each other's blocks through the store and
//! through digests. Added here, besides the events: a new session, with back-off, when one cannot be opened or has been closed.

mod mesh;
mod settings;

use self::mesh::{Action, Greeting, Heard, Mesh, Peer};
use super::{Coordinator, Event, Listener, PublishError, TOPIC};
use crate::config::ZenohConfig;
use crate::entropy::{Backoff, NodeRng};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use zenoh::liveliness::LivelinessToken;
use zenoh::qos::CongestionControl;
use zenoh::sample::{Locality, Sample, SampleKind};
use zenoh::{Session, Wait as _};

const FIRST_REBUILD: Duration = Duration::from_millis(100);
const LONGEST_REBUILD: Duration = Duration::from_secs(4);
/// Far above what a listener, or a client's first router, takes.
const OPEN_LIMIT: Duration = Duration::from_secs(30);
/// The longest time to take leave of the peers.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long a peer may take to answer.
const GREETING_LIMIT: Duration = Duration::from_secs(2);

/// The session while this node counts as connected.
type SharedSession = Arc<Mutex<Option<Session>>>;

/// The running backend.
pub(super) struct Zenoh {
    session: SharedSession,
    /// Dropping the sender stops the supervisor, which then closes the session.
    supervisor: Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Zenoh {
    pub(super) fn start(config: &ZenohConfig, listener: Arc<dyn Listener>, rng: NodeRng) -> Result<Self, String> {
        let client = settings::client(config)?;
        let session = SharedSession::default();
        let (stop, stopped) = oneshot::channel();
        let supervisor = Supervisor { client, listener, rng, session: session.clone() };
        let task = tokio::spawn(supervisor.run(stopped));
        Ok(Self { session, supervisor: Mutex::new(Some((stop, task))) })
    }

    fn current(&self) -> Option<Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Coordinator for Zenoh {
    fn publish(&self, message: Bytes) -> BoxFuture<'_, Result<(), PublishError>> {
        let session = self.current();
        Box::pin(async move {
            let session = session.ok_or(PublishError::NotConnected)?;
            let put = session.put(TOPIC, message).congestion_control(CongestionControl::Drop);
            put.await.map_err(|error| PublishError::Refused(reason(&error)))?;
            // Putting does not wait for the sender; on a runtime with one thread, a burst would fill the queue before it runs.
            tokio::task::yield_now().await;
            Ok(())
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let supervisor = self.supervisor.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((stop, task)) = supervisor {
                drop(stop);
                // It bounds itself; what it does not manage in time goes on without anybody waiting.
                let _ = timeout(2 * CLOSE_LIMIT, task).await;
            }
        })
    }
}

/// Why a session's life ended.
enum Ended {
    /// This backend is stopping.
    Stopped,
    /// It could not be opened, or was closed.
    Failed(String),
}

struct Supervisor {
    client: zenoh::Config,
    listener: Arc<dyn Listener>,
    rng: NodeRng,
    session: SharedSession,
}

impl Supervisor {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let mut backoff = Backoff::new(FIRST_REBUILD, LONGEST_REBUILD);
        loop {
            let Ended::Failed(reason) = self.live(&mut backoff, &mut stopped).await else { return };
            self.listener.on_event(Event::Error(reason));
            self.listener.on_event(Event::Disconnected);
            tokio::select! {
                biased;
                _ = &mut stopped => return,
                () = sleep(backoff.failed(&mut self.rng)) => {}
            }
            self.listener.on_event(Event::Rebuilt);
        }
    }

    /// Opens a session, reports what happens to it, and closes it.
    async fn live(&mut self, backoff: &mut Backoff, stopped: &mut oneshot::Receiver<()>) -> Ended {
        let opened = tokio::select! {
            biased;
            _ = &mut *stopped => return Ended::Stopped,
            opened = timeout(OPEN_LIMIT, open(self.client.clone())) => opened,
        };
        let session = match opened {
            Ok(Ok(session)) => session,
            Ok(Err(reason)) => return Ended::Failed(reason),
            Err(_) => return Ended::Failed(format!("no session within {OPEN_LIMIT:?}; check `connect` and `listen`")),
        };
        let (told, mut hearing) = mpsc::unbounded_channel();
        let greeter = Greeter { session: session.clone(), told: told.downgrade() };
        let ended = match declare(&session, Peer(self.rng.next_u64()), told, self.listener.clone()) {
            Ok(token) => {
                let ended = self.attend(&greeter, &mut hearing, backoff, stopped).await;
                // Tells the peers at once that this is no cut; they would notice anyway.
                let _ = token.undeclare().await;
                ended
            }
            Err(error) => Ended::Failed(reason(&error)),
        };
        self.withdraw();
        // What remains open after that is closed by the peers when the lease is over.
        let _ = timeout(CLOSE_LIMIT, session.close()).await;
        ended
    }

    async fn attend(
        &self,
        greeter: &Greeter,
        hearing: &mut mpsc::UnboundedReceiver<Heard>,
        backoff: &mut Backoff,
        stopped: &mut oneshot::Receiver<()>,
    ) -> Ended {
        let mut mesh = Mesh::new(Instant::now());
        loop {
            for action in mesh.take_actions() {
                match action {
                    Action::Greet(greeting) => greeter.greet(greeting),
                    Action::Report(event) => self.report(event, &greeter.session, backoff),
                }
            }
            let deadline = mesh.deadline();
            tokio::select! {
                biased;
                _ = &mut *stopped => return Ended::Stopped,
                heard = hearing.recv() => match heard {
                    Some(heard) => mesh.on_heard(heard, Instant::now()),
                    // The senders live in the session's callbacks, which go with it.
                    None => return Ended::Failed("the session was closed; a new one is opened".to_owned()),
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    mesh.on_time(Instant::now());
                }
            }
        }
    }

    fn report(&self, event: Event, session: &Session, backoff: &mut Backoff) {
        match event {
            Event::Connected => {
                backoff.succeeded();
                *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
            }
            Event::Disconnected => self.withdraw(),
            _ => {}
        }
        self.listener.on_event(event);
    }

    /// Publishing is refused from here on.
    fn withdraw(&self) {
        let withdrawn = self.session.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(withdrawn);
    }
}

/// Opening blocks a thread, also where it is awaited. A session that nobody waits for any more closes itself.
async fn open(client: zenoh::Config) -> Result<Session, String> {
    match tokio::task::spawn_blocking(move || zenoh::open(client).wait()).await {
        Ok(Ok(session)) => Ok(session),
        Ok(Err(error)) => Err(reason(&error)),
        Err(error) => Err(error.to_string()),
    }
}

/// Declares what this node listens to and, last, that it is there.
fn declare(
    session: &Session,
    own: Peer,
    told: mpsc::UnboundedSender<Heard>,
    listener: Arc<dyn Listener>,
) -> zenoh::Result<LivelinessToken> {
    session
        .declare_subscriber(TOPIC)
        .allowed_origin(Locality::Remote)
        .callback(move |sample| {
            let payload = sample.payload().to_bytes().into_owned();
            listener.on_event(Event::Message(Bytes::from(payload)));
        })
        .background()
        .wait()?;
    session
        .declare_queryable(greeting_key(own))
        .callback(|query| {
            // The peer asks again if the answer cannot be sent.
            let _ = query.reply(query.key_expr().clone(), "").wait();
        })
        .background()
        .wait()?;
    session
        .liveliness()
        .declare_subscriber(format!("{TOPIC}/alive/*"))
        .history(true)
        .callback(move |sample| {
            // Fails only when nobody is listening any more.
            let _ = heard_of(&sample, own).map(|heard| told.send(heard));
        })
        .background()
        .wait()?;
    session.liveliness().declare_token(alive_key(own)).wait()
}

fn alive_key(peer: Peer) -> String {
    format!("{TOPIC}/alive/{:016x}", peer.0)
}

fn greeting_key(peer: Peer) -> String {
    format!("{TOPIC}/greeting/{:016x}", peer.0)
}

fn heard_of(sample: &Sample, own: Peer) -> Option<Heard> {
    let (_, nonce) = sample.key_expr().as_str().rsplit_once('/')?;
    let peer = Peer(u64::from_str_radix(nonce, 16).ok()?);
    (peer != own).then(|| match sample.kind() {
        SampleKind::Put => Heard::Appeared(peer),
        SampleKind::Delete => Heard::Vanished(peer),
    })
}

/// Asks peers whether they know of this node.
struct Greeter {
    session: Session,
    /// Weak, so that the end of the session's callbacks is noticed.
    told: mpsc::WeakUnboundedSender<Heard>,
}

impl Greeter {
    fn greet(&self, greeting: Greeting) {
        let Some(told) = self.told.upgrade() else { return };
        let outcome = Outcome { greeting, told };
        // If it cannot even be sent, the outcome is dropped, too.
        let _ = self
            .session
            .get(greeting_key(greeting.peer))
            .congestion_control(CongestionControl::Drop)
            .timeout(GREETING_LIMIT)
            .callback(move |reply| {
                if reply.result().is_ok() {
                    outcome.tell(Heard::Answered(outcome.greeting));
                }
            })
            .wait();
    }
}

/// Tells what became of a greeting: that it was answered, and, when all is over, that it was not. The latter means nothing after the
/// former.
struct Outcome {
    greeting: Greeting,
    told: mpsc::UnboundedSender<Heard>,
}

impl Outcome {
    fn tell(&self, heard: Heard) {
        // Fails only when nobody is listening any more.
        let _ = self.told.send(heard);
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        self.tell(Heard::Unanswered(self.greeting));
    }
}

/// An error of the client without the place in its source, which differs between machines.
fn reason(error: &zenoh::Error) -> String {
    let mut text = error.to_string();
    while let Some(start) = text.find(" at /") {
        let rest = &text[start..];
        let Some(source) = rest.find(".rs:") else { break };
        let line = &rest[source + 4..];
        let digits = line.find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len());
        let end = start + source + 4 + digits + usize::from(line[digits..].starts_with('.'));
        text.replace_range(start..end, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_tell_where_the_client_was_built() {
        let error = |text: &str| reason(&text.to_owned().into());
        let text = "no listener at /home/me/zenoh-link/src/unicast.rs:317. - Caused by in use at /b/tcp.rs:1.";
        assert_eq!(error(text), "no listener - Caused by in use");
        assert_eq!(error("stands at /dev/null"), "stands at /dev/null");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_session_that_is_closed_behind_its_back_is_replaced() {
        struct Told(mpsc::UnboundedSender<Event>);
        impl Listener for Told {
            fn on_event(&self, event: Event) {
                let _ = self.0.send(event);
            }
        }
        let (told, mut events) = mpsc::unbounded_channel();
        let config = ZenohConfig {
            config: "{listen: {endpoints: ['tcp/127.0.0.1:0']}, scouting: {multicast: {enabled: false}}}".into(),
        };
        let zenoh = Zenoh::start(&config, Arc::new(Told(told)), NodeRng::from_seed(1)).unwrap();
        assert_eq!(events.recv().await, Some(Event::Connected));
        let session = zenoh.current().unwrap();
        session.close().await.unwrap();
        assert!(matches!(events.recv().await, Some(Event::Error(_))));
        assert_eq!(events.recv().await, Some(Event::Disconnected));
        assert_eq!(zenoh.publish(Bytes::from_static(b"lost")).await, Err(PublishError::NotConnected));
        assert_eq!(events.recv().await, Some(Event::Rebuilt));
        assert_eq!(events.recv().await, Some(Event::Connected));
        zenoh.shutdown().await;
        assert!(zenoh.current().is_none());
    }
}
