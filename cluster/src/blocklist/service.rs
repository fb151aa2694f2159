//! The running block list of one node: the shell around the state machine, with its tasks.

use super::pending::Durability;
use super::state::{Core, Now, Publish, Readiness, StoreJob};
use super::{BlockError, Entry, MAX_REASON_BYTES, State};
use crate::config::NodeConfig;
use crate::coordinator::{self, Coordinator, Listener};
use crate::defects::{self, Defect};
use crate::entropy::NodeRng;
use crate::ids::Incarnation;
use crate::observe::Observer;
use crate::store::Store;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// What became of an accepted block or unblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The version it was given; it is in force on this node.
    pub entry: Entry,
    /// Whether the store has it.
    pub durability: Durability,
}

/// The block list of one node. Cheap to share; its tasks are run by the node.
pub struct Service {
    core: Mutex<Core>,
    observer: Arc<dyn Observer>,
    store_timeout: Duration,
    publish_wake: Notify,
    store_wake: Notify,
    timer_wake: Notify,
    drained: Notify,
}

impl Service {
    pub(crate) fn new(
        config: &NodeConfig,
        incarnation: Incarnation,
        rng: NodeRng,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let store_timeout = config.store.as_ref().map(|store| store.statement_timeout);
        Self {
            core: Mutex::new(Core::new(config, incarnation, rng, Now::read())),
            observer,
            store_timeout: store_timeout.unwrap_or_default(),
            publish_wake: Notify::new(),
            store_wake: Notify::new(),
            timer_wake: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Blocks a network on all nodes, for good or for a time.
    ///
    /// It is in force on this node when this is called, and returns when the store has it or has not answered in time; cancelling
    /// changes nothing about the block.
    ///
    /// # Errors
    /// When the network is never blocked, or the reason or expiry make no sense; nothing happened then.
    pub async fn block(&self, net: IpNet, reason: &str, expires_in: Option<Duration>) -> Result<Receipt, BlockError> {
        let net = canonical(net);
        if reason.len() > MAX_REASON_BYTES {
            return Err(BlockError::ReasonTooLong(reason.len()));
        }
        if reason.contains('\0') {
            return Err(BlockError::ReasonWithNul);
        }
        let expires_in_ms = expires_in.map(crate::time::duration_ms);
        if expires_in_ms == Some(0) {
            return Err(BlockError::NoDuration);
        }
        let reason = reason.to_owned();
        self.change(net, |core, now| {
            if let Some(exempt) = core.list.exemption(net) {
                return Err(BlockError::Exempt { net, exempt });
            }
            let expires_ms = expires_in_ms.map(|ms| {
                let end_ms = now.wall_ms.saturating_add(ms);
                end_ms.min(crate::events::MAX_WALL_MS)
            });
            Ok(State::Blocked { reason, expires_ms })
        })
        .await
    }

    /// Lifts the block of exactly this network on all nodes; blocks of networks around or within it stay.
    ///
    /// # Errors
    /// When the node is shutting down; nothing happened then.
    pub async fn unblock(&self, net: IpNet) -> Result<Receipt, BlockError> {
        self.change(canonical(net), |_, _| Ok(State::Unblocked)).await
    }

    async fn change(
        &self,
        net: IpNet,
        state: impl FnOnce(&Core, Now) -> Result<State, BlockError>,
    ) -> Result<Receipt, BlockError> {
        let (entry, stored) = self.with(|core, now| {
            if core.closing {
                return Err(BlockError::ShuttingDown);
            }
            let state = state(core, now)?;
            let entry = core.change(net, state, now);
            Ok((entry, core.wait_stored(net)))
        })?;
        let durability = match stored {
            _ if defects::active(Defect::AcknowledgeBeforeStored) => Durability::Stored,
            Some(stored) => match timeout(self.store_timeout, stored).await {
                Ok(Ok(())) => Durability::Stored,
                Ok(Err(_)) | Err(_) => Durability::Pending,
            },
            None => Durability::Pending,
        };
        Ok(Receipt { entry, durability })
    }

    /// Whether connections from `ip` are refused now.
    #[must_use]
    pub fn is_blocked(&self, ip: IpAddr) -> bool {
        let now_ms = crate::time::wall_ms();
        self.lock().list.is_blocked(ip, now_ms)
    }

    /// The list with tombstones, ordered by network.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().list.entries().cloned().collect()
    }

    /// Which backends have been reached.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.lock().readiness()
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.lock().incarnation
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the state machine, then does what it asks for. The observer is called without the lock: it may ask this service.
    fn with<T>(&self, call: impl FnOnce(&mut Core, Now) -> T) -> T {
        let (result, effects) = {
            let mut core = self.lock();
            let result = call(&mut core, Now::read());
            (result, std::mem::take(&mut core.effects))
        };
        if let Some(message) = effects.received {
            self.observer.received(message);
        }
        for event in effects.events {
            self.observer.observe(event);
        }
        for (wanted, wake) in [
            (effects.publish, &self.publish_wake),
            (effects.store, &self.store_wake),
            (effects.timer, &self.timer_wake),
        ] {
            if wanted {
                wake.notify_one();
            }
        }
        result
    }

    /// Hands over what is to be published.
    pub(crate) async fn run_publisher(self: Arc<Self>, coordinator: Arc<dyn Coordinator>) {
        loop {
            while defects::active(Defect::SpinWhileDisconnected) && self.with(|core, _| core.link_is_lost()) {
                tokio::task::yield_now().await;
            }
            match self.with(Core::next_publication) {
                Publish::Now(publication) => {
                    let outcome = coordinator.publish(publication.message.clone()).await;
                    if defects::active(Defect::DuplicatePublish) && outcome.is_ok() {
                        let _same_number_again = coordinator.publish(publication.message.clone()).await;
                    }
                    self.with(|core, now| core.published(publication, outcome, now));
                }
                Publish::WaitUntil(at) => wait(&self.publish_wake, Some(at)).await,
                Publish::Idle => {
                    self.drained.notify_waiters();
                    wait(&self.publish_wake, None).await;
                }
            }
        }
    }

    /// Reads and writes the store.
    pub(crate) async fn run_store(self: Arc<Self>, mut store: Store) {
        loop {
            match self.with(Core::next_store_job) {
                StoreJob::Load { reason, horizon_ms } => {
                    if defects::active(Defect::TaskPerResync) {
                        let _never_joined = tokio::spawn(std::future::pending::<()>());
                    }
                    let outcome = store.load(horizon_ms).await;
                    self.with(|core, now| core.loaded(reason, outcome, now));
                }
                StoreJob::Save(batch) => {
                    let outcome = store.save(&batch).await;
                    assert!(
                        outcome.is_ok() || !defects::active(Defect::PanicOnStoreError),
                        "called `Result::unwrap()` on an `Err` value: {outcome:?}"
                    );
                    self.with(|core, now| core.saved(&batch, outcome, now));
                }
                StoreJob::Purge { horizon_ms } => {
                    let outcome = store.purge(horizon_ms).await;
                    self.with(|core, now| core.purged(outcome, now));
                }
                StoreJob::WaitUntil(at) => wait(&self.store_wake, Some(at)).await,
                StoreJob::Idle => {
                    self.drained.notify_waiters();
                    wait(&self.store_wake, None).await;
                }
            }
        }
    }

    /// Publishes digests and forgets old entries when it is time.
    pub(crate) async fn run_timer(self: Arc<Self>) {
        loop {
            let deadline = self.with(|core, now| {
                core.on_time(now);
                core.armed()
            });
            wait(&self.timer_wake, deadline).await;
        }
    }

    /// Refuses new blocks and waits until everything is published and written, at most for `limit`.
    pub(crate) async fn drain(&self, limit: Duration) {
        let drained = async {
            loop {
                let idle = self.drained.notified();
                let mut idle = std::pin::pin!(idle);
                // Listening before looking: no wake-up falls in between.
                idle.as_mut().enable();
                if self.with(|core, _| {
                    core.closing = true;
                    core.is_drained()
                }) {
                    return;
                }
                idle.await;
            }
        };
        // What is not written by then is reported by nobody, as after a crash.
        let _ = timeout(limit, drained).await;
    }
}

impl Listener for Service {
    fn on_event(&self, event: coordinator::Event) {
        self.with(|core, now| core.on_event(event, now));
    }
}

/// Waits for a wake-up, or until `deadline`.
async fn wait(wake: &Notify, deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::select! {
            biased;
            () = wake.notified() => {}
            () = sleep_until(deadline) => {}
        },
        None => wake.notified().await,
    }
}

/// Host bits zero, and IPv4 addresses in IPv6 clothing as what they are, so that one network has one entry.
fn canonical(net: IpNet) -> IpNet {
    const MAPPED_BITS: u8 = 96;
    if let IpNet::V6(v6) = net
        && v6.prefix_len() >= MAPPED_BITS
        && let Some(v4) = v6.addr().to_ipv4_mapped()
        && let Ok(v4) = IpNet::new(v4.into(), v6.prefix_len() - MAPPED_BITS)
    {
        return v4.trunc();
    }
    net.trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_one_name() {
        for (given, expected) in [
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("::ffff:192.0.2.7/128", "192.0.2.7/32"),
            ("::ffff:192.0.2.7/120", "192.0.2.0/24"),
            ("::ffff:0:0/90", "::ffc0:0:0/90"),
            ("2001:db8::1/32", "2001:db8::/32"),
        ] {
            assert_eq!(canonical(given.parse().unwrap()).to_string(), expected, "{given}");
        }
    }
}
