//! Connections to Redis: one that subscribes, and one that publishes, which in a cluster is the cluster client's.

use super::super::TOPIC;
use crate::config::{Authorities, RedisCluster, RedisConfig, RedisKind, RedisProtocol, RedisReads};
use crate::time::duration_ms;
use ::redis::aio::{MultiplexedConnection, PubSubSink, PubSubStream};
use ::redis::cluster::ClusterClient;
use ::redis::cluster_async::ClusterConnection;
use ::redis::cluster_read_routing::RandomReplicaStrategy;
use ::redis::{
    AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo as _, ProtocolVersion, RedisResult, TlsCertificates, Value,
};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::try_join;
use std::fmt::Display;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// A cluster's silent servers must leave time to go on without them: the client connects to those of the configuration first,
/// then to all that they name.
const CONNECTION_ROUNDS: u32 = 4;

/// What is connected to.
pub(super) struct Server {
    /// Tried in order to subscribe.
    clients: Vec<Client>,
    /// Publishes if this is a cluster; else the server that is subscribed to does.
    cluster: Option<ClusterClient>,
    /// Longest time to connect and subscribe.
    create: Duration,
    /// Longest time for one command.
    command: Duration,
    /// Longest time to answer a check.
    check: Duration,
}

/// A subscription and a way to publish.
pub(super) struct Session {
    pub(super) publisher: Publisher,
    pub(super) inbound: Inbound,
    pub(super) subscriber: PubSubSink,
}

#[derive(Clone)]
pub(super) enum Publisher {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Publisher {
    pub(super) async fn publish(&self, message: &[u8]) -> RedisResult<()> {
        self.send(::redis::cmd("PUBLISH").arg(TOPIC).arg(message)).await
    }

    /// The cluster client connects again by itself, and which of its connections the next message takes is its business.
    async fn check(&self) -> RedisResult<()> {
        match self {
            Self::Single(_) => self.send(&::redis::cmd("PING")).await,
            Self::Cluster(_) => Ok(()),
        }
    }

    async fn send(&self, command: &Cmd) -> RedisResult<()> {
        match self {
            Self::Single(connection) => command.exec_async(&mut connection.clone()).await,
            Self::Cluster(connection) => command.exec_async(&mut connection.clone()).await,
        }
    }
}

/// Where messages come from.
pub(super) struct Inbound(PubSubStream);

impl Inbound {
    /// The next message, or none when messages may be missed from here on. Cancelling loses nothing.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        let message = self.0.next().await?;
        Some(Bytes::copy_from_slice(message.get_payload_bytes()))
    }
}

impl Server {
    pub(super) fn new(config: &RedisConfig) -> RedisResult<Self> {
        let cluster = match &config.kind {
            RedisKind::Single => None,
            RedisKind::Cluster(cluster) => Some(cluster),
        };
        let certificates = config.authorities.as_ref().map(certificates);
        let create = config.pool.create_timeout.min(config.timeout);
        let clients = config.urls.iter().map(|url| client(url, cluster, certificates.as_ref()));
        Ok(Self {
            clients: clients.collect::<RedisResult<_>>()?,
            cluster: match cluster {
                Some(cluster) => Some(cluster_client(config, cluster, create, certificates)?),
                None => None,
            },
            create,
            command: config.timeout,
            check: config.pool.recycle_timeout.min(config.timeout),
        })
    }

    /// Connects and subscribes.
    pub(super) async fn open(&self) -> Result<Session, String> {
        let mut reasons = Vec::new();
        for client in &self.clients {
            match timeout(self.create, self.open_at(client)).await {
                Ok(Ok(session)) => return Ok(session),
                Ok(Err(error)) => reasons.push(at(client, error)),
                Err(_) => reasons.push(at(client, format!("no answer within {:?}", self.create))),
            }
        }
        Err(reasons.join("; "))
    }

    async fn open_at(&self, client: &Client) -> RedisResult<Session> {
        let (mut subscriber, stream) = client.get_async_pubsub().await?.split();
        subscriber.subscribe(TOPIC).await?;
        let publisher = match &self.cluster {
            Some(cluster) => Publisher::Cluster(cluster.get_async_connection().await?),
            None => {
                // The time to connect is limited as a whole.
                let config =
                    AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(Some(self.command));
                Publisher::Single(client.get_multiplexed_async_connection_with_config(&config).await?)
            }
        };
        Ok(Session { publisher, inbound: Inbound(stream), subscriber })
    }

    /// Checks the connections from time to time; why one did not pass.
    pub(super) async fn check(&self, subscriber: &mut PubSubSink, publisher: &Publisher) -> String {
        loop {
            sleep(self.check / 2).await;
            let answers = try_join(subscriber.ping::<Value>(), publisher.check());
            match timeout(self.check, answers).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return format!("a check failed: {error}"),
                Err(_) => return format!("no answer within {:?}", self.check),
            }
        }
    }
}

fn certificates(authorities: &Authorities) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(authorities.pem().as_bytes().to_vec()) }
}

fn client(url: &str, cluster: Option<&RedisCluster>, certificates: Option<&TlsCertificates>) -> RedisResult<Client> {
    let mut info = url.into_connection_info()?;
    if let Some(cluster) = cluster {
        let mut settings = info.redis_settings().clone().set_protocol(protocol(cluster));
        if let Some(user) = &cluster.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &cluster.password {
            settings = settings.set_password(password);
        }
        info = info.set_redis_settings(settings);
    }
    match certificates {
        Some(certificates) if url.starts_with("rediss://") => Client::build_with_tls(info, certificates.clone()),
        _ => Client::open(info),
    }
}

fn cluster_client(
    config: &RedisConfig,
    cluster: &RedisCluster,
    create: Duration,
    certificates: Option<TlsCertificates>,
) -> RedisResult<ClusterClient> {
    let mut builder = ClusterClient::builder(config.urls.iter().map(String::as_str))
        .use_protocol(protocol(cluster))
        .connection_timeout(create / CONNECTION_ROUNDS)
        .response_timeout(config.timeout);
    if let Some(user) = &cluster.user {
        builder = builder.username(user);
    }
    if let Some(password) = &cluster.password {
        builder = builder.password(password);
    }
    if let Some(retries) = cluster.retries {
        builder = builder.retries(retries);
    }
    if let Some(wait) = cluster.min_wait {
        builder = builder.min_retry_wait(duration_ms(wait));
    }
    if let Some(wait) = cluster.max_wait {
        builder = builder.max_retry_wait(duration_ms(wait));
    }
    if cluster.reads == RedisReads::Replicas {
        builder = builder.read_routing_strategy(RandomReplicaStrategy);
    }
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    builder.build()
}

fn protocol(cluster: &RedisCluster) -> ProtocolVersion {
    match cluster.protocol {
        RedisProtocol::Resp2 => ProtocolVersion::RESP2,
        RedisProtocol::Resp3 => ProtocolVersion::RESP3,
    }
}

/// What went wrong, and where; without the credentials that the URL may hold.
fn at(client: &Client, reason: impl Display) -> String {
    format!("{}: {reason}", client.get_connection_info().addr())
}
