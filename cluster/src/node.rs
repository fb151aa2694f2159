//! One node: boots the services on the configured backends.

use crate::blocklist::{BlockError, Entry, Readiness, Receipt, Service};
use crate::config::NodeConfig;
use crate::coordinator::{self, Coordinator, CoordinatorError};
use crate::entropy::{EntropyError, NodeRng};
use crate::ids::Incarnation;
use crate::observe::Observer;
use crate::store::Store;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::task::JoinHandle;

/// How long a graceful shutdown waits for what is not published or written yet.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Why a node does not start. An unreachable backend is no reason.
#[derive(Debug, Error)]
pub enum StartError {
    /// There is no randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The coordinator's configuration can never work.
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
}

/// A running node. Its tasks end with [`shutdown`](Self::shutdown) or when it is dropped.
pub struct Node {
    blocklist: Arc<Service>,
    coordinator: Option<Arc<dyn Coordinator>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Node {
    /// Boots a node on the current tokio runtime, and returns at once: backends are connected to in the background, and kept being
    /// tried. [`readiness`](Self::readiness) tells which have been reached.
    ///
    /// # Errors
    /// When the operating system has no randomness, or a backend's configuration can never work.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub async fn start(config: NodeConfig, observer: Arc<dyn Observer>) -> Result<Arc<Self>, StartError> {
        let mut rng = NodeRng::from_system()?;
        let incarnation = rng.incarnation();
        let (store_rng, link_rng) = (rng.fork(), rng.fork());
        let blocklist = Arc::new(Service::new(&config, incarnation, rng, observer));
        let mut tasks = Vec::new();
        let coordinator = match &config.cluster.coordinator {
            Some(settings) => Some(coordinator::start(settings, blocklist.clone(), link_rng)?),
            None => None,
        };
        if let Some(coordinator) = &coordinator {
            let publisher = blocklist.clone().run_publisher(coordinator.clone());
            tasks.push(tokio::spawn(publisher));
        }
        if let Some(settings) = config.store {
            let store = Store::new(settings, store_rng);
            tasks.push(tokio::spawn(blocklist.clone().run_store(store)));
        }
        tasks.push(tokio::spawn(blocklist.clone().run_timer()));
        Ok(Arc::new(Self { blocklist, coordinator, tasks: Mutex::new(tasks) }))
    }

    /// Blocks a network on all nodes; see [`Service::block`].
    ///
    /// # Errors
    /// When it cannot be blocked; nothing happened then.
    pub async fn block(&self, net: IpNet, reason: &str, expires_in: Option<Duration>) -> Result<Receipt, BlockError> {
        self.blocklist.block(net, reason, expires_in).await
    }

    /// Lifts the block of a network on all nodes; see [`Service::unblock`].
    ///
    /// # Errors
    /// When the node is shutting down; nothing happened then.
    pub async fn unblock(&self, net: IpNet) -> Result<Receipt, BlockError> {
        self.blocklist.unblock(net).await
    }

    /// Whether connections from `ip` are refused now.
    #[must_use]
    pub fn is_blocked(&self, ip: IpAddr) -> bool {
        self.blocklist.is_blocked(ip)
    }

    /// The list with tombstones and expired entries, ordered by network.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.blocklist.entries()
    }

    /// Which backends have been reached.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.blocklist.readiness()
    }

    /// This boot's nonce.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.blocklist.incarnation()
    }

    /// Refuses new blocks, publishes and writes what is waiting (at most 5 s), and ends all tasks.
    pub async fn shutdown(&self) {
        self.blocklist.drain(SHUTDOWN_LIMIT).await;
        if let Some(coordinator) = &self.coordinator {
            coordinator.shutdown().await;
        }
        self.abort_tasks();
    }

    fn abort_tasks(&self) {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        for task in tasks.drain(..) {
            task.abort();
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.abort_tasks();
    }
}
