//! The simulated Redis server on a port of this machine, without a world.

use std::time::Duration;

use futures_util::StreamExt;
use redis::{AsyncCommands, Client};
use squall_sim::servers::redis::{RedisServer, ServerConfig};
use tokio::net::TcpListener;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_real_port_is_served_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::open(format!("redis://{}", listener.local_addr().unwrap())).unwrap();
    let server = RedisServer::new(ServerConfig::default(), 7);
    let handle = server.clone();
    let serving = tokio::spawn(async move { handle.serve(listener).await });
    let mut pubsub = client.get_async_pubsub().await.unwrap();
    pubsub.subscribe("a").await.unwrap();
    let mut publisher = client.get_multiplexed_async_connection().await.unwrap();
    let payload = vec![b'x'; 1 << 20];
    assert_eq!(publisher.publish::<_, _, u64>("a", &payload).await.unwrap(), 1);
    let mut messages = pubsub.on_message();
    let message = timeout(PATIENCE, messages.next()).await.unwrap().unwrap();
    assert!(message.get_payload_bytes() == payload);
    server.shutdown();
    assert!(timeout(PATIENCE, messages.next()).await.unwrap().is_none());
    timeout(PATIENCE, serving).await.unwrap().unwrap().unwrap();
}
