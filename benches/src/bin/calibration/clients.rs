//! How each client library publishes and subscribes.

use super::fan_out::Log;
use futures_util::StreamExt as _;
use redis::AsyncCommands as _;
use squall_harness::scenario::Backend;
use squall_sim::servers::nats::{self, NatsServer};
use squall_sim::servers::redis::{self as redis_server, RedisServer};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};
use zenoh::{Config, Session, Wait as _};

/// The host that runs the server, as [`NATS`] and [`REDIS`] name it.
pub(crate) const BROKER: &str = "broker";
/// The host that publishes: the first of a world, so at 10.0.0.1.
pub(crate) const PUBLISHER: &str = "publisher";

const SUBJECT: &str = "events";
const NATS_PORT: u16 = 4222;
const REDIS_PORT: u16 = 6379;
const NATS: &str = "nats://broker:4222";
const REDIS: &str = "redis://broker:6379";

/// Whatever a client or server can fail with.
pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Serves until the world ends. Zenoh has no server.
pub(crate) async fn serve(backend: Backend) -> Result<(), Failed> {
    match backend {
        Backend::Nats => {
            let listener = TcpListener::bind(("0.0.0.0", NATS_PORT)).await?;
            NatsServer::new(nats::ServerConfig::default(), 1).serve(listener).await?;
        }
        Backend::Redis => {
            let listener = TcpListener::bind(("0.0.0.0", REDIS_PORT)).await?;
            RedisServer::new(redis_server::ServerConfig::default(), 1).serve(listener).await?;
        }
        Backend::Zenoh | Backend::Kafka => return Err(format!("{backend} has no server here").into()),
    }
    Ok(())
}

/// Notes what arrives until the world ends.
pub(crate) async fn subscribe(backend: Backend, log: &Log) -> Result<(), Failed> {
    match backend {
        Backend::Nats => {
            let client = async_nats::connect(NATS).await?;
            let mut events = client.subscribe(SUBJECT).await?;
            while let Some(event) = events.next().await {
                log.heard(&event.payload);
            }
        }
        Backend::Redis => {
            let mut pubsub = redis::Client::open(REDIS)?.get_async_pubsub().await?;
            pubsub.subscribe(SUBJECT).await?;
            let mut events = pubsub.on_message();
            while let Some(event) = events.next().await {
                log.heard(event.get_payload_bytes());
            }
        }
        Backend::Zenoh => {
            let session = open(r#"connect: { endpoints: ["tcp/10.0.0.1:7447"] }, listen: { endpoints: [] }"#).await?;
            let events = session.declare_subscriber(SUBJECT).await?;
            while let Ok(event) = events.recv_async().await {
                log.heard(&event.payload().to_bytes());
            }
        }
        Backend::Kafka => return Err("Kafka was not measured".into()),
    }
    Err("the subscription ended".into())
}

/// Connects, waits until every subscriber has done so, and publishes events at even distances.
pub(crate) async fn publish(backend: Backend, every: Duration, settle: Duration, log: &Log) -> Result<(), Failed> {
    let clock = || async move {
        tokio::time::sleep(settle).await;
        let mut clock = interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
        clock
    };
    match backend {
        Backend::Nats => {
            let client = async_nats::connect(NATS).await?;
            let mut clock = clock().await;
            while let Some(event) = log.next_event() {
                clock.tick().await;
                log.sent();
                client.publish(SUBJECT, event.into()).await?;
            }
            client.flush().await?;
        }
        Backend::Redis => {
            let connection = redis::Client::open(REDIS)?.get_multiplexed_async_connection().await?;
            let mut clock = clock().await;
            while let Some(event) = log.next_event() {
                clock.tick().await;
                log.sent();
                // The reply comes after all copies: who waited for it would publish more slowly.
                let (mut connection, log) = (connection.clone(), log.clone());
                tokio::spawn(async move {
                    log.note(connection.publish::<_, _, ()>(SUBJECT, event).await.map_err(Failed::from));
                });
            }
        }
        Backend::Zenoh => {
            let session = open(r#"listen: { endpoints: ["tcp/0.0.0.0:7447"] }"#).await?;
            let publisher = session.declare_publisher(SUBJECT).await?;
            let mut clock = clock().await;
            while let Some(event) = log.next_event() {
                clock.tick().await;
                log.sent();
                publisher.put(event).await?;
            }
            tokio::time::sleep(settle).await;
        }
        Backend::Kafka => return Err("Kafka was not measured".into()),
    }
    Ok(())
}

/// A Zenoh peer that finds others by nothing but these endpoints.
async fn open(endpoints: &str) -> Result<Session, Failed> {
    let config = format!(
        r#"{{
            mode: "peer",
            scouting: {{ multicast: {{ enabled: false }}, gossip: {{ enabled: false }} }},
            open: {{ return_conditions: {{ connect_scouted: false }} }},
            {endpoints},
        }}"#
    );
    let config = Config::from_json5(&config)?;
    // It blocks, awaited or not.
    tokio::task::spawn_blocking(|| zenoh::open(config).wait()).await?
}
