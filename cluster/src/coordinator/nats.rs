//! NATS, through `async-nats`.
//!
//! **What is promised.** At most once to each subscriber, and never twice: servers keep nothing, and nothing is acknowledged. That
//! a message was published says that the client took it; what it or a server still held when a connection broke is lost, and
//! only the numbers and digests of the publisher tell. While connections last, nothing is lost but what this node reads too
//! slowly ([`Event::Lagged`]: a full queue keeps the oldest and drops the rest; a server cuts off who does not read at all), and
//! the messages of one publisher come in the order in which it sent them. After a reconnect, to the same server or another, the
//! client says that it is connected when its subscriptions are on their way: what is published in that moment may pass by.
//!
//! The client reconnects and resubscribes by itself. Added here: jitter on its reconnect delays, so that a returning server is
//! not met by all nodes at once; a new client when it has given up; refusal to publish while disconnected, because what the client
//! buffers then may be flushed before the peers have resubscribed.

use super::{Coordinator, Event, Listener, PublishError, TOPIC};
use crate::config::{MaxReconnects, NatsConfig};
use crate::defects::{self, Defect};
use crate::entropy::{Backoff, NodeRng};
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, ServerAddr, client::PublishErrorKind};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const FIRST_REBUILD: Duration = Duration::from_millis(100);
const LONGEST_REBUILD: Duration = Duration::from_secs(4);
const LONGEST_RECONNECT_DELAY: Duration = Duration::from_secs(4);
const SHUTDOWN_FLUSH: Duration = Duration::from_millis(500);

type SharedClient = Arc<Mutex<Option<Client>>>;

/// The running backend.
pub(super) struct Nats {
    client: SharedClient,
    hand_over: Duration,
    supervisor: JoinHandle<()>,
}

impl Nats {
    pub(super) fn start(config: &NatsConfig, listener: Arc<dyn Listener>, rng: NodeRng) -> Result<Self, String> {
        let addresses = config
            .address
            .iter()
            .map(|address| address.parse::<ServerAddr>())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("address: {error}"))?;
        // Tried once here, so that unusable credentials stop the node instead of failing for ever in the background.
        secured(authenticated(ConnectOptions::new(), config)?, config)?;
        let client = SharedClient::default();
        let supervisor = Supervisor { config: config.clone(), addresses, listener, rng, client: client.clone() };
        Ok(Self { client, hand_over: config.request_timeout, supervisor: tokio::spawn(supervisor.run()) })
    }

    fn current(&self) -> Option<Client> {
        let client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        client.as_ref().filter(|client| client.connection_state() == State::Connected).cloned()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

impl Coordinator for Nats {
    fn publish(&self, message: Bytes) -> BoxFuture<'_, Result<(), PublishError>> {
        let client = self.current();
        let size = message.len();
        Box::pin(async move {
            let client = client.ok_or(PublishError::NotConnected)?;
            match timeout(self.hand_over, client.publish(TOPIC, message)).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                    Err(PublishError::TooLarge(size))
                }
                Ok(Err(error)) => Err(PublishError::Refused(error.to_string())),
                Err(_) => Err(PublishError::TimedOut(self.hand_over)),
            }
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(client) = self.current() {
                // An unreachable server must not hold up the shutdown; what is lost here is in the store.
                let _ = timeout(SHUTDOWN_FLUSH, client.flush()).await;
            }
            self.supervisor.abort();
            self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
        })
    }
}

fn authenticated(options: ConnectOptions, config: &NatsConfig) -> Result<ConnectOptions, String> {
    if let Some(credentials) = &config.credentials {
        return options.credentials(credentials).map_err(|error| format!("credentials: {error}"));
    }
    Ok(match &config.login {
        Some(login) => options.user_and_password(login.user.clone(), login.password.clone()),
        None => options,
    })
}

fn secured(options: ConnectOptions, config: &NatsConfig) -> Result<ConnectOptions, String> {
    let options = options.require_tls(config.tls);
    let Some(authorities) = &config.authorities else {
        return Ok(options);
    };
    let provider = rustls::crypto::ring::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("tls: {error}"))?
        .with_root_certificates(authorities.roots().map_err(|problem| format!("tls.ca: {problem}"))?)
        .with_no_client_auth();
    Ok(options.tls_client_config(tls))
}

/// Why a client's life ended.
enum Ended {
    /// It gave up, or its subscription did.
    GaveUp,
    /// It could not be built.
    Refused(String),
}

struct Supervisor {
    config: NatsConfig,
    addresses: Vec<ServerAddr>,
    listener: Arc<dyn Listener>,
    rng: NodeRng,
    client: SharedClient,
}

impl Supervisor {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_REBUILD, LONGEST_REBUILD);
        loop {
            let ended = self.live(&mut backoff).await;
            self.client.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Ended::Refused(reason) = ended {
                self.listener.on_event(Event::Error(reason));
            }
            self.listener.on_event(Event::Disconnected);
            sleep(self.rebuild_delay(&mut backoff)).await;
            self.listener.on_event(Event::Rebuilt);
        }
    }

    fn rebuild_delay(&mut self, backoff: &mut Backoff) -> Duration {
        if defects::active(Defect::SubscribeBackoffOf64s) {
            return Duration::from_secs(64);
        }
        backoff.failed(&mut self.rng)
    }

    /// Builds a client and passes on what it says until it has given up.
    async fn live(&mut self, backoff: &mut Backoff) -> Ended {
        let (told, mut events) = mpsc::unbounded_channel();
        let connected = async {
            let client = self.options(told)?.connect(self.addresses.clone());
            let client = client.await.map_err(|error| error.to_string())?;
            let subscription = client.subscribe(TOPIC).await;
            Ok((client, subscription.map_err(|error| error.to_string())?))
        };
        let (client, mut subscription) = match connected.await {
            Ok(connected) => connected,
            Err(reason) => return Ended::Refused(reason),
        };
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
        loop {
            tokio::select! {
                biased;
                Some(event) = events.recv() => {
                    if event == async_nats::Event::Connected {
                        backoff.succeeded();
                    }
                    let lost = event == async_nats::Event::Disconnected;
                    self.tell(event);
                    if lost && self.must_not_reconnect() {
                        return Ended::GaveUp;
                    }
                }
                message = subscription.next() => match message {
                    Some(message) => self.listener.on_event(Event::Message(message.payload)),
                    None => return Ended::GaveUp,
                },
            }
        }
    }

    /// `max-reconnects = 0` disables the client's reconnects, says the documentation; the client has no such setting, so it is
    /// dropped when it loses its connection, and a new one is built.
    fn must_not_reconnect(&self) -> bool {
        self.config.max_reconnects == MaxReconnects::Disabled || defects::active(Defect::SubscribeBackoffOf64s)
    }

    fn tell(&self, event: async_nats::Event) {
        self.listener.on_event(match event {
            async_nats::Event::Connected => Event::Connected,
            async_nats::Event::Disconnected => Event::Disconnected,
            async_nats::Event::LameDuckMode => Event::LameDuck,
            async_nats::Event::SlowConsumer(_) => Event::Lagged,
            async_nats::Event::ServerError(error) => Event::Error(error.to_string()),
            async_nats::Event::ClientError(error) => Event::Error(error.to_string()),
            async_nats::Event::Draining | async_nats::Event::Closed => return,
        });
    }

    fn options(&mut self, told: mpsc::UnboundedSender<async_nats::Event>) -> Result<ConnectOptions, String> {
        let config = &self.config;
        let jitter = Mutex::new(self.rng.fork());
        let mut options = secured(authenticated(ConnectOptions::new(), config)?, config)?
            .retry_on_initial_connect()
            .connection_timeout(config.connection_timeout)
            .request_timeout(Some(config.request_timeout))
            .ping_interval(config.ping_interval)
            .client_capacity(config.client_capacity)
            .subscription_capacity(config.subscription_capacity)
            .read_buffer_capacity(config.read_buffer_capacity)
            .max_reconnects(match config.max_reconnects {
                MaxReconnects::Unlimited => None,
                MaxReconnects::AtMost(attempts) => Some(attempts.get()),
                // The first connection counts as one attempt per server.
                MaxReconnects::Disabled => Some(self.addresses.len()),
            })
            .reconnect_delay_callback(move |attempts| {
                let mut rng = jitter.lock().unwrap_or_else(PoisonError::into_inner);
                reconnect_delay(attempts, &mut rng)
            })
            .event_callback(move |event| {
                // The receiver is gone only when this client is, too.
                let _ = told.send(event);
                std::future::ready(())
            });
        if config.no_echo {
            options = options.no_echo();
        }
        Ok(options)
    }
}

/// The client's own doubling from 1 ms to 4 s, with half of it random.
fn reconnect_delay(attempts: usize, rng: &mut NodeRng) -> Duration {
    if attempts <= 1 {
        return Duration::ZERO;
    }
    let exponent = u32::try_from(attempts - 1).unwrap_or(u32::MAX).min(12);
    let delay = Duration::from_millis(1 << exponent).min(LONGEST_RECONNECT_DELAY);
    rng.duration(delay / 2, delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnect_delays_grow_to_four_seconds_and_differ_between_nodes() {
        let mut rng = NodeRng::from_seed(1);
        assert_eq!(reconnect_delay(1, &mut rng), Duration::ZERO);
        for attempts in 2..100 {
            assert!(reconnect_delay(attempts, &mut rng) <= LONGEST_RECONNECT_DELAY);
        }
        let late = reconnect_delay(99, &mut rng);
        assert!(late >= LONGEST_RECONNECT_DELAY / 2);
        assert_ne!(late, reconnect_delay(99, &mut NodeRng::from_seed(2)));
    }
}
