//! Settings of a cluster, with the defaults of Apache Kafka.

use std::fmt;
use std::time::Duration;

/// The `node.id` of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub i32);

impl fmt::Display for BrokerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A broker and where clients and other brokers reach it (`advertised.listeners`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Which broker.
    pub id: BrokerId,
    /// Host name or address, as clients are told.
    pub host: String,
    /// Port, as clients are told.
    pub port: u16,
}

/// Everything a [`KafkaCluster`](super::KafkaCluster) can be told.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// All brokers; each of them also votes, so that more than half of them must hear each other.
    pub brokers: Vec<BrokerAddress>,
    /// The wall clock of the broker that asks, in milliseconds since 1970.
    pub wall_clock: fn() -> i64,
    /// What happens to a topic that a client asks for and nobody created.
    pub auto_create: AutoCreate,
    /// What a topic has unless its creation says otherwise.
    pub topics: TopicConfig,
    /// Intervals and deadlines.
    pub timing: Timing,
    /// Sizes.
    pub limits: Limits,
}

impl ClusterConfig {
    /// The defaults, with as many replicas of a partition as there are brokers, at most three.
    #[must_use]
    pub fn new(brokers: Vec<BrokerAddress>, wall_clock: fn() -> i64) -> Self {
        let replicas = brokers.len().min(3) as i16;
        Self {
            brokers,
            wall_clock,
            auto_create: AutoCreate::default(),
            topics: TopicConfig { replication_factor: replicas, ..TopicConfig::default() },
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }

    /// Brokers that together decide.
    pub(super) fn majority(&self) -> usize {
        self.brokers.len() / 2 + 1
    }
}

/// What happens to a topic that a client asks for and nobody created (`auto.create.topics.enable`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AutoCreate {
    /// It is created; the first answer still says that it is unknown.
    #[default]
    Enabled,
    /// It stays unknown.
    Disabled,
}

/// What a topic is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// Partitions (`num.partitions`).
    pub partitions: i32,
    /// Copies of each partition (`default.replication.factor`).
    pub replication_factor: i16,
    /// Replicas in sync below which `acks=-1` is refused (`min.insync.replicas`).
    pub min_insync_replicas: usize,
    /// Age of a record, by its timestamp, at which it goes (`retention.ms`); `None` keeps it.
    ///
    /// A real broker deletes segment by segment and spares the newest; here every batch is a segment,
    /// and none is spared.
    pub retention: Option<Duration>,
    /// Bytes of one partition beyond which the oldest batches go (`retention.bytes`); `None` is no limit.
    pub retention_bytes: Option<u64>,
    /// Bytes of one record batch (`max.message.bytes`).
    pub max_message_bytes: usize,
    /// Whose clock is in the records (`message.timestamp.type`).
    pub timestamps: TimestampType,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            partitions: 1,
            replication_factor: 1,
            min_insync_replicas: 1,
            retention: Some(Duration::from_secs(7 * 24 * 3600)),
            retention_bytes: None,
            max_message_bytes: 1_048_588,
            timestamps: TimestampType::CreateTime,
        }
    }
}

/// Whose clock is in the records of a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The leader's, when it appended the batch.
    LogAppendTime,
}

/// Intervals and deadlines of the brokers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Silence of a broker after which others take over (`broker.session.timeout.ms`).
    pub session_timeout: Duration,
    /// Time between two heartbeats (`broker.heartbeat.interval.ms`).
    pub heartbeat_interval: Duration,
    /// Lag of a follower after which it is out of sync (`replica.lag.time.max.ms`).
    pub replica_lag_max: Duration,
    /// How long a follower's fetch waits for data (`replica.fetch.wait.max.ms`).
    pub replica_fetch_wait: Duration,
    /// Silence of a leader after which a follower connects anew (`replica.socket.timeout.ms`).
    pub replica_socket_timeout: Duration,
    /// Pause of a broker before it connects anew to another (`replica.fetch.backoff.ms`).
    pub reconnect_pause: Duration,
    /// Time between two looks at what retention lets go (`log.retention.check.interval.ms`).
    pub retention_check: Duration,
    /// Silence after which a connection is closed (`connections.max.idle.ms`).
    pub idle_connection: Duration,
    /// Age at which appended bytes are surely on the disk: Kafka leaves that to the operating system.
    pub writeback: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            session_timeout: Duration::from_secs(9),
            heartbeat_interval: Duration::from_secs(2),
            replica_lag_max: Duration::from_secs(30),
            replica_fetch_wait: Duration::from_millis(500),
            replica_socket_timeout: Duration::from_secs(30),
            reconnect_pause: Duration::from_secs(1),
            retention_check: Duration::from_secs(300),
            idle_connection: Duration::from_secs(600),
            writeback: Duration::from_secs(30),
        }
    }
}

/// Sizes that the brokers enforce.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one request; a larger one ends the connection (`socket.request.max.bytes`).
    pub max_request_bytes: usize,
    /// Bytes of records in one answer to a fetch (`fetch.max.bytes`).
    pub max_fetch_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_request_bytes: 100 * 1024 * 1024, max_fetch_bytes: 55 * 1024 * 1024 }
    }
}
