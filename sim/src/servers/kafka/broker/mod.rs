//! One life of a broker as a pure state machine: frames and the time in, frames out.
//!
//! [`Broker`] owns no socket and reads no clock. A request is answered at once or becomes a [`Delayed`],
//! which its connection keeps and offers again by [`Broker::resume`] when it is woken, or when the deadline
//! has come. Kafka calls the place where these wait its purgatory.

mod admin;
mod fetch;
mod follow;
mod membership;
mod metadata;
mod offsets;
mod produce;
mod replicas;
mod request;
#[cfg(test)]
mod tests;
mod watchers;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::config::{BrokerId, ClusterConfig};
use super::log::PartitionLog;
use super::quorum::{Change, Life, Metadata, PartitionKey, Quorum};
pub(super) use follow::Absorbed;
pub(super) use membership::Heartbeat;
use membership::Membership;
use replicas::Replica;
pub(super) use request::Step;
use watchers::{Watch, Watchers};

/// One connection of a broker, or one of its links to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConnectionId(pub(super) u64);

/// What a broker's disk holds; it outlives the broker's lives.
pub(super) type Disk = BTreeMap<PartitionKey, PartitionLog>;

/// What a broker has done so far in this life.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerStats {
    /// Connections now, those of other brokers included.
    pub connections: usize,
    /// Connections ever.
    pub total_connections: u64,
    /// Requests received.
    pub requests: u64,
    /// Record batches that producers appended.
    pub appended_batches: u64,
    /// Their bytes.
    pub appended_bytes: u64,
    /// Answers to consumers that carried records.
    pub deliveries: u64,
    /// Bytes of the records in them.
    pub delivered_bytes: u64,
    /// Partitions led now.
    pub led_partitions: usize,
}

/// How far an orderly shutdown is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// Hands over what it leads, at the longest until then.
    Leaving {
        until: Instant,
    },
    Stopped,
}

/// One life of a broker.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) id: BrokerId,
    pub(super) life: Life,
    config: Arc<ClusterConfig>,
    pub(super) disk: Disk,
    /// What this broker knows of the register; nothing until it takes part.
    image: Option<Arc<Metadata>>,
    replicas: BTreeMap<PartitionKey, Replica>,
    membership: Membership,
    watchers: Watchers,
    next_connection: u64,
    next_retention: Instant,
    phase: Phase,
    stats: BrokerStats,
}

impl Broker {
    pub(super) fn new(id: BrokerId, life: Life, config: Arc<ClusterConfig>, disk: Disk, now: Instant) -> Self {
        let peers = config.brokers.iter().map(|broker| broker.id).filter(|peer| *peer != id);
        Self {
            id,
            life,
            membership: Membership::new(peers, config.majority()),
            next_retention: now + config.timing.retention_check,
            config,
            disk,
            image: None,
            replicas: BTreeMap::new(),
            watchers: Watchers::default(),
            next_connection: 0,
            phase: Phase::Serving,
            stats: BrokerStats::default(),
        }
    }

    pub(super) fn stats(&self) -> BrokerStats {
        let led_partitions = self.replicas.values().filter(|replica| replica.is_leader()).count();
        BrokerStats { led_partitions, ..self.stats.clone() }
    }

    /// Takes in a new connection.
    pub(super) fn attach(&mut self) -> ConnectionId {
        self.stats.connections += 1;
        self.stats.total_connections += 1;
        self.attach_link()
    }

    /// An identity for one of this broker's own links.
    pub(super) fn attach_link(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    /// Forgets a connection that is gone.
    pub(super) fn detach(&mut self, connection: ConnectionId) {
        self.stats.connections -= 1;
        self.watchers.forget(connection);
        self.membership.forget(connection);
    }

    /// The connections to look after, each of which has something new to see.
    pub(super) fn take_woken(&mut self) -> Vec<ConnectionId> {
        self.watchers.take_woken()
    }

    /// Wakes a connection when the broker takes part, or when what it knows of the cluster changes.
    pub(super) fn watch_control(&mut self, connection: ConnectionId) {
        self.watchers.watch(Watch::Control, connection);
    }

    /// Starts an orderly shutdown.
    pub(super) fn shutdown(&mut self, quorum: &mut Quorum, now: Instant) {
        if self.phase == Phase::Serving {
            self.phase = Phase::Leaving { until: now + self.config.timing.session_timeout };
            let leave = Change::Leave { broker: self.id, life: self.life };
            self.propose(quorum, None, vec![leave], now);
            self.watchers.fire(Watch::Control);
        }
    }

    /// Whether the broker has shut down.
    pub(super) fn is_stopped(&self) -> bool {
        self.phase == Phase::Stopped
    }

    /// When [`Broker::tick`] must be called next.
    pub(super) fn next_tick(&self, quorum: &Quorum, now: Instant) -> Instant {
        let leaving = match self.phase {
            Phase::Leaving { until } => until,
            _ => now + self.config.timing.heartbeat_interval,
        };
        // Others must be noticed when they fall silent; an earlier life of this one must run out.
        let session = match self.image {
            Some(_) => quorum.next_session_end(self.id),
            None => quorum.session_end(self.id),
        };
        let regular = (now + self.config.timing.heartbeat_interval).min(self.next_retention).min(leaving);
        // A session that is over and not yet expired is waiting for a majority, so there is no hurry.
        session.filter(|end| *end > now).map_or(regular, |end| regular.min(end))
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, quorum: &mut Quorum, now: Instant) {
        if let Phase::Leaving { until } = self.phase
            && until <= now
        {
            self.phase = Phase::Stopped;
        }
        self.settle(quorum, now);
        if self.image.is_some() && quorum.next_session_end(self.id).is_some_and(|end| end <= now) {
            self.propose(quorum, None, vec![Change::ExpireSessions], now);
        }
        self.shrink_isr(quorum, now);
        if self.next_retention <= now {
            self.next_retention = now + self.config.timing.retention_check;
            self.retain();
        }
    }

    /// Loses what the disk had not yet written at `now`.
    pub(super) fn lose_unflushed(disk: &mut Disk, writeback: Duration, now: Instant) {
        let since = now.checked_sub(writeback).unwrap_or(now);
        disk.values_mut().for_each(|log| log.lose_since(since));
    }

    fn retain(&mut self) {
        let Some(image) = self.image.clone() else { return };
        let now_ms = (self.config.wall_clock)();
        for topic in image.topics.values() {
            for index in 0..topic.partitions.len() {
                if let Some(log) = self.disk.get_mut(&topic.key(index as i32)) {
                    log.retain(topic.config.retention, topic.config.retention_bytes, now_ms);
                }
            }
        }
    }
}

/// The code that an answer carries.
fn code(outcome: Result<(), ResponseError>) -> i16 {
    outcome.map_or_else(|error| error.code(), |()| 0)
}
