//! `type = "redis"`.

use super::super::reader::Table;
use super::is_empty_list;
use super::tls::Authorities;
use std::num::NonZeroUsize;
use std::time::Duration;

/// The client waits `2^retry · 10 ms` at most, which overflows beyond this.
const MAX_RETRIES: u64 = 32;
const MAX_CONNECTIONS: u64 = 65_536;
const CLUSTER_ONLY: [&str; 5] = ["user", "password", "retry", "read-from-replicas", "protocol-version"];

/// A Redis server or Redis Cluster, `type = "redis"`.
///
/// A node holds two connections to a server: one subscribes, one publishes. In a cluster, what publishes has a connection to each
/// server. A node publishes one message after another.
///
/// | key | default | |
/// |---|---|---|
/// | `redis-type` | `single` | `single` or `cluster` |
/// | `urls` | required | a list of `redis://[user:password@]host:port[/db]`, or `rediss://` for TLS |
/// | `timeout` | `10s` | longest time for one command, and for connecting; also when a silent connection is given up |
/// | `tls.ca` | none | PEM text of the authorities to trust instead of the system's; for `rediss://` only |
/// | `pool.max-connections` | 10 | messages that are on their way to the server at once |
/// | `pool.create-timeout` | `30s` | longest time to connect to one of the `urls` and to subscribe; `timeout` if that is shorter |
/// | `pool.wait-timeout` | `30s` | longest time that a message waits for its turn when `max-connections` are on their way |
/// | `pool.recycle-timeout` | `30s` | longest time to answer the regular check of a connection; `timeout` if that is shorter |
/// | `user`, `password` | none | cluster only; a single server's go into its URL |
/// | `retry.total` | the client's, 16 | cluster only; how often the client tries a command again, within `timeout` |
/// | `retry.min-wait`, `retry.max-wait` | the client's | cluster only; bounds of its wait in between |
/// | `read-from-replicas` | `false` | cluster only; reaches the client, but neither publishing nor subscribing reads a key |
/// | `protocol-version` | `resp2` | cluster only; `resp2` or `resp3`, of all connections. A single server's goes into its URL |
///
/// **Several `urls` of a single server** are tried in order, at each connection from the first. They must be names of one
/// server, or of a primary and what takes its place: nodes that are connected to different servers do not hear each other.
/// In a cluster, one of them is subscribed to, and to publish the client learns the others from them: list several.
///
/// **The pool.** The client's connections carry any number of commands at once, so there are no pooled connections: the
/// `pool` keys keep their meaning for the messages and connections that there are.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Servers.
    pub urls: Vec<String>,
    /// What they are.
    pub kind: RedisKind,
    /// Longest time for one command, and for connecting.
    pub timeout: Duration,
    /// Whom to trust instead of the system's authorities.
    pub authorities: Option<Authorities>,
    /// `pool`.
    pub pool: RedisPool,
}

/// `redis-type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisKind {
    /// One server, or one at a time.
    Single,
    /// A Redis Cluster.
    Cluster(RedisCluster),
}

/// `pool`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisPool {
    /// Messages on their way at once.
    pub max_connections: NonZeroUsize,
    /// Longest time to connect and subscribe.
    pub create_timeout: Duration,
    /// Longest time that a message waits for its turn.
    pub wait_timeout: Duration,
    /// Longest time to answer a check.
    pub recycle_timeout: Duration,
}

/// What only a Redis Cluster has.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisCluster {
    /// The user, if not the default one.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<String>,
    /// How often a command is tried again.
    pub retries: Option<u32>,
    /// Shortest wait in between.
    pub min_wait: Option<Duration>,
    /// Longest wait in between.
    pub max_wait: Option<Duration>,
    /// Who answers reads.
    pub reads: RedisReads,
    /// How the connections talk.
    pub protocol: RedisProtocol,
}

/// `read-from-replicas`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisReads {
    /// `false`.
    Primaries,
    /// `true`.
    Replicas,
}

/// `protocol-version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedisProtocol {
    /// `resp2`.
    Resp2,
    /// `resp3`.
    Resp3,
}

impl std::fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Logs must not carry credentials.
        let urls: Vec<_> = self.urls.iter().map(|url| without_login(url)).collect();
        f.debug_struct("RedisConfig")
            .field("urls", &urls)
            .field("kind", &self.kind)
            .field("timeout", &self.timeout)
            .field("authorities", &self.authorities)
            .field("pool", &self.pool)
            .finish()
    }
}

impl std::fmt::Debug for RedisCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCluster")
            .field("user", &self.user)
            .field("retries", &self.retries)
            .field("min_wait", &self.min_wait)
            .field("max_wait", &self.max_wait)
            .field("reads", &self.reads)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// The URL without user and password.
fn without_login(url: &str) -> String {
    match (url.split_once("://"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}

impl RedisConfig {
    pub(in crate::config) fn read(table: &Table<'_, '_>) -> Self {
        table.missing("urls");
        let urls = table.items("urls", "text such as \"redis://redis1:6379\" or \"rediss://redis1:6379\"", |value| {
            value.as_str().filter(|text| is_url(text)).map(str::to_owned)
        });
        if urls.is_empty() && table.get("urls").is_some_and(is_empty_list) {
            table.refuse("urls", "is empty", "name at least one server");
        }
        let (pool, tls) = (table.table("pool"), table.table("tls"));
        let authorities = Authorities::read(&tls);
        if authorities.is_some() && !urls.iter().any(|url| url.starts_with("rediss://")) {
            tls.refuse("ca", "is of no use without TLS", "write the urls as rediss://, or drop it");
        }
        let config = Self {
            urls,
            kind: kind(table),
            timeout: table.positive("timeout", Duration::from_secs(10)),
            authorities,
            pool: RedisPool {
                max_connections: pool
                    .integer("max-connections", 1..=MAX_CONNECTIONS)
                    .and_then(|connections| usize::try_from(connections).ok())
                    .and_then(NonZeroUsize::new)
                    .unwrap_or(const { NonZeroUsize::new(10).expect("ten is not zero") }),
                create_timeout: pool.positive("create-timeout", Duration::from_secs(30)),
                wait_timeout: pool.positive("wait-timeout", Duration::from_secs(30)),
                recycle_timeout: pool.positive("recycle-timeout", Duration::from_secs(30)),
            },
        };
        for table in [&pool, &tls] {
            table.finish();
        }
        config
    }
}

fn kind(table: &Table<'_, '_>) -> RedisKind {
    match table.string("redis-type").as_deref() {
        Some("cluster") => RedisKind::Cluster(cluster(table)),
        Some("single") | None => {
            for key in CLUSTER_ONLY.into_iter().filter(|key| table.get(key).is_some()) {
                table.refuse(
                    key,
                    "is for a Redis Cluster",
                    "set redis-type = \"cluster\", or put it into the URL: redis://user:password@host:6379?protocol=resp3",
                );
            }
            RedisKind::Single
        }
        Some(_) => {
            table.refuse("redis-type", "is unknown", "write \"single\" or \"cluster\"");
            RedisKind::Single
        }
    }
}

fn cluster(table: &Table<'_, '_>) -> RedisCluster {
    let retry = table.table("retry");
    let wait = |key| retry.get(key).map(|_| retry.positive(key, Duration::from_secs(1)));
    let cluster = RedisCluster {
        user: table.string("user"),
        password: table.string("password"),
        retries: retry.integer("total", 0..=MAX_RETRIES).and_then(|retries| u32::try_from(retries).ok()),
        min_wait: wait("min-wait"),
        max_wait: wait("max-wait"),
        reads: match table.boolean("read-from-replicas", false) {
            true => RedisReads::Replicas,
            false => RedisReads::Primaries,
        },
        protocol: match table.string("protocol-version").as_deref() {
            Some("resp3") => RedisProtocol::Resp3,
            Some("resp2") | None => RedisProtocol::Resp2,
            Some(_) => {
                table.refuse("protocol-version", "is unknown", "write \"resp2\" or \"resp3\"");
                RedisProtocol::Resp2
            }
        },
    };
    retry.finish();
    if cluster.user.is_some() && cluster.password.is_none() {
        table.refuse("user", "has no `password`", "add the password, or drop the user");
    }
    if let (Some(min), Some(max)) = (cluster.min_wait, cluster.max_wait)
        && min > max
    {
        retry.refuse("min-wait", "is longer than `max-wait`", "exchange the two");
    }
    cluster
}

#[cfg(feature = "redis")]
fn is_url(text: &str) -> bool {
    has_scheme(text) && ::redis::Client::open(text).is_ok()
}

#[cfg(not(feature = "redis"))]
fn is_url(text: &str) -> bool {
    has_scheme(text)
}

fn has_scheme(text: &str) -> bool {
    ["redis://", "rediss://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
}
