//! Kafka brokers: what `rskafka` and other clients without groups and transactions need of Apache Kafka 4.
//!
//! A [`KafkaCluster`] is what outlives processes: each broker's disk, and what the brokers have agreed on.
//! A [`KafkaBroker`] is one life of a broker. It is plain tokio code, so it serves a simulated port and a
//! real one alike; brokers reach each other, as clients do, at the addresses that the configuration
//! advertises.
//!
//! ```no_run
//! use squall_sim::servers::kafka::{BrokerAddress, BrokerId, ClusterConfig, KafkaCluster};
//!
//! # async fn example() -> std::io::Result<()> {
//! let address = BrokerAddress { id: BrokerId(1), host: "127.0.0.1".into(), port: 9092 };
//! let cluster = KafkaCluster::new(ClusterConfig::new(vec![address], || 1_700_000_000_000), 42);
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9092").await?;
//! cluster.broker(BrokerId(1)).serve(listener).await
//! # }
//! ```
//!
//! - [`config`]: settings and defaults
//! - `wire`: frames, and which versions of which requests are offered; encoding is `kafka-protocol`'s
//! - `batch`, `log`: record batches as the producer sent them, and the log of one partition
//! - `quorum`: brokers, topics, leaders and replicas in sync, as agreed
//! - `broker`: one life of a broker as a pure state machine
//! - `serve`, `connection`, `link`: sockets around it, for clients and to other brokers
//!
//! As in KRaft, a broker that falls silent is fenced after [`Timing::session_timeout`], and another replica
//! in sync leads in the next epoch. A broker killed and back before its session ran out is admitted only
//! then; until then clients connect and get no answer. Brokers need to hear more than half of all, so of
//! two neither goes on alone. Followers fetch over the network, and `acks=-1` waits for those in sync.
//!
//! A log keeps what was appended: Kafka relies on replication and does not flush.
//! [`KafkaCluster::lose_unflushed`] is a power loss that takes what the operating system still held.
//!
//! Left out: consumer groups, transactions and idempotent producers, TLS and SASL, fetch sessions, topic
//! ids, compaction, quotas, dynamic configuration. ApiVersions does not offer them, and who asks anyway is
//! disconnected, as by Kafka.

mod batch;
mod broker;
pub mod config;
mod connection;
mod link;
mod log;
mod quorum;
#[cfg(test)]
mod samples;
mod serve;
mod wire;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kafka_protocol::ResponseError;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use broker::BrokerStats;
use broker::{Broker, ConnectionId};
pub use config::{AutoCreate, BrokerAddress, BrokerId, ClusterConfig, Limits, TimestampType, Timing, TopicConfig};
use quorum::{Change, Life, Quorum};

/// Why a leader could not be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// There is no such partition.
    #[error("there is no such partition: create the topic first")]
    UnknownPartition,
    /// The broker is not in sync, or not there.
    #[error("that broker is not an active replica in sync: choose one that is, or wait until it has caught up")]
    NotEligible,
}

/// Who leads a partition, as the brokers have agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The leader, if there is one.
    pub leader: Option<BrokerId>,
    /// How often the leader changed.
    pub epoch: i32,
    /// The replicas in sync.
    pub isr: Vec<BrokerId>,
}

/// What outlives the brokers' processes; clones are the same cluster.
#[derive(Clone, Debug)]
pub struct KafkaCluster {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Arc<ClusterConfig>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    quorum: Quorum,
    machines: BTreeMap<BrokerId, Machine>,
    next_life: u64,
}

/// The present life of a broker, and how to wake its connections.
#[derive(Debug)]
struct Machine {
    broker: Broker,
    bells: BTreeMap<ConnectionId, Arc<Notify>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KafkaCluster {
    /// A cluster without topics, none of whose brokers runs. All its randomness comes from the seed.
    #[must_use]
    pub fn new(config: ClusterConfig, rng_seed: u64) -> Self {
        let quorum = Quorum::new(config.timing.session_timeout, rng_seed);
        let state = State { quorum, machines: BTreeMap::new(), next_life: 0 };
        Self { shared: Arc::new(Shared { config: Arc::new(config), state: Mutex::new(state) }) }
    }

    /// A new life of a broker, on its disk. An earlier life does nothing more from now on, whether it
    /// was dropped, leaked or is still there.
    ///
    /// # Panics
    /// The configuration names no such broker.
    #[must_use]
    pub fn broker(&self, id: BrokerId) -> KafkaBroker {
        let config = &self.shared.config;
        assert!(config.brokers.iter().any(|broker| broker.id == id), "broker {id} is none of the configuration's");
        let mut state = self.shared.lock();
        state.next_life += 1;
        let life = Life(state.next_life);
        let disk = state.machines.remove(&id).map(|machine| machine.broker.disk).unwrap_or_default();
        let broker = Broker::new(id, life, config.clone(), disk, Instant::now());
        state.machines.insert(id, Machine { broker, bells: BTreeMap::new() });
        KafkaBroker { shared: self.shared.clone(), id, life }
    }

    /// Shuts the present life of a broker down in good order.
    pub fn shutdown(&self, id: BrokerId) {
        let life = self.shared.lock().machines.get(&id).map(|machine| machine.broker.life);
        if let Some(life) = life {
            KafkaBroker { shared: self.shared.clone(), id, life }.shutdown();
        }
    }

    /// Takes from a broker's disk what the operating system had not written yet, as a power loss does:
    /// everything appended within [`Timing::writeback`]. Call it while the broker is down.
    pub fn lose_unflushed(&self, id: BrokerId) {
        let writeback = self.shared.config.timing.writeback;
        if let Some(machine) = self.shared.lock().machines.get_mut(&id) {
            Broker::lose_unflushed(&mut machine.broker.disk, writeback, Instant::now());
        }
    }

    /// Makes a replica in sync the leader, as an operator does.
    ///
    /// # Errors
    /// There is no such partition, or the broker cannot lead it.
    pub fn move_leader(&self, topic: &str, partition: i32, to: BrokerId) -> Result<(), MoveError> {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let State { quorum, machines, .. } = &mut *state;
        let change = Change::MoveLeader { topic: topic.to_owned(), partition, to };
        quorum.apply(&change, now).map_err(|error| match error {
            ResponseError::UnknownTopicOrPartition => MoveError::UnknownPartition,
            _ => MoveError::NotEligible,
        })?;
        if let Some(machine) = machines.get_mut(&to) {
            machine.broker.announce(quorum, now);
            machine.ring();
        }
        Ok(())
    }

    /// Who leads a partition.
    #[must_use]
    pub fn leadership(&self, topic: &str, partition: i32) -> Option<Leadership> {
        let state = self.shared.lock();
        let partition = state.quorum.metadata().topics.get(topic)?.partition(partition)?;
        Some(Leadership { leader: partition.leader, epoch: partition.epoch, isr: partition.isr.clone() })
    }

    /// What the present life of a broker has done so far; nothing if it never lived.
    #[must_use]
    pub fn stats(&self, id: BrokerId) -> BrokerStats {
        self.shared.lock().machines.get(&id).map(|machine| machine.broker.stats()).unwrap_or_default()
    }
}

/// One life of a broker; clones are the same life.
#[derive(Clone, Debug)]
pub struct KafkaBroker {
    shared: Arc<Shared>,
    id: BrokerId,
    life: Life,
}

impl KafkaBroker {
    /// Serves clients and other brokers until the broker is shut down. Dropping the future is its death.
    ///
    /// # Errors
    /// A newer life of the broker has begun.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        serve::serve(self, listener).await.map_err(io::Error::other)
    }

    /// Shuts down in good order: others take over what this broker leads, then it stops.
    pub fn shutdown(&self) {
        // A life that is over has nothing to hand over.
        let _ = self.enter(Broker::shutdown);
    }

    /// What this life has done so far; nothing once a newer one has begun.
    #[must_use]
    pub fn stats(&self) -> BrokerStats {
        self.enter(|broker, _, _| broker.stats()).unwrap_or_default()
    }

    fn config(&self) -> &ClusterConfig {
        &self.shared.config
    }

    /// Does something as this life of the broker, and wakes those who waited for it.
    fn enter<T>(&self, act: impl FnOnce(&mut Broker, &mut Quorum, Instant) -> T) -> Result<T, Superseded> {
        let now = Instant::now();
        let mut state = self.shared.lock();
        let State { quorum, machines, .. } = &mut *state;
        let machine = machines.get_mut(&self.id).filter(|machine| machine.broker.life == self.life);
        let machine = machine.ok_or(Superseded)?;
        let result = act(&mut machine.broker, quorum, now);
        machine.ring();
        Ok(result)
    }

    /// Lets a connection or a link be woken.
    fn enroll(&self, attach: impl FnOnce(&mut Broker) -> ConnectionId) -> Result<Bell, Superseded> {
        let id = self.enter(|broker, _, _| attach(broker))?;
        let notify = Arc::new(Notify::new());
        if let Some(machine) = self.shared.lock().machines.get_mut(&self.id) {
            machine.bells.insert(id, notify.clone());
        }
        Ok(Bell { id, notify })
    }

    fn dismiss(&self, connection: ConnectionId) {
        // Of a life that is over nobody keeps a list.
        let _ = self.enter(|broker, _, _| broker.detach(connection));
        let mut state = self.shared.lock();
        if let Some(machine) = state.machines.get_mut(&self.id).filter(|machine| machine.broker.life == self.life) {
            machine.bells.remove(&connection);
        }
    }
}

impl Machine {
    fn ring(&mut self) {
        for id in self.broker.take_woken() {
            if let Some(bell) = self.bells.get(&id) {
                bell.notify_one();
            }
        }
    }
}

/// How a connection or link is called, and what wakes it.
#[derive(Debug)]
struct Bell {
    id: ConnectionId,
    notify: Arc<Notify>,
}

/// A newer life of the broker has begun.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("a newer life of this broker has begun: stop this one")]
struct Superseded;
