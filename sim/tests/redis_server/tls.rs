//! TLS on every connection.

use std::time::Duration;

use redis::{AsyncCommands, Client, PushKind, TlsCertificates};
use squall_sim::servers::redis::ServerConfig;
use squall_sim::servers::tls::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

fn config() -> ServerConfig {
    ServerConfig { tls: Some(Authority::from_seed(1).issue(&["server"])), ..ServerConfig::default() }
}

/// A client that trusts the authority of this seed.
fn client(seed: u64) -> Client {
    let root_cert = Some(Authority::from_seed(seed).certificate_pem().as_bytes().to_vec());
    let certificates = TlsCertificates { client_tls: None, root_cert };
    Client::build_with_tls("rediss://server:6379/?protocol=resp3", certificates).unwrap()
}

#[test]
fn a_manager_talks_and_comes_back_over_tls() {
    with_server(config(), Data::Lost, |lives| async move {
        let (mut manager, mut pushes) = manager(client(1)).await;
        manager.subscribe("a").await.unwrap();
        let payload = vec![7; 1 << 20];
        assert_eq!(manager.publish::<_, _, u64>("a", &payload).await.unwrap(), 1);
        let message = push(&mut pushes, PushKind::Message).await;
        assert!(message[1] == redis::Value::BulkString(payload));
        lives.kill();
        push(&mut pushes, PushKind::Disconnection).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        lives.start();
        push(&mut pushes, PushKind::Subscribe).await;
        assert_eq!(manager.publish::<_, _, u64>("a", "again").await.unwrap(), 1);
        assert_eq!(push(&mut pushes, PushKind::Message).await, [text("a"), text("again")]);
    });
}

#[test]
fn a_certificate_of_somebody_else_is_refused() {
    with_server(config(), Data::Lost, |lives| async move {
        let refused = soon("refusal", client(2).get_multiplexed_async_connection()).await;
        assert!(refused.is_err());
        tokio::time::sleep(QUIET).await;
        let stats = lives.stats();
        assert_eq!((stats.connections, stats.total_connections, stats.commands), (0, 1, 0));
    });
}

#[test]
fn a_client_without_tls_is_not_understood() {
    with_server(config(), Data::Lost, |lives| async move {
        let plain = Client::open(ADDRESS).unwrap();
        assert!(soon("refusal", plain.get_multiplexed_async_connection()).await.is_err());
        assert_eq!(lives.stats().commands, 0);
    });
}

#[test]
fn a_handshake_that_never_ends_does_not_hold_up_a_shutdown() {
    with_server(config(), Data::Lost, |lives| async move {
        let mut silent = TcpStream::connect("server:6379").await.unwrap();
        silent.write_all(&[22, 3, 1]).await.unwrap();
        tokio::time::sleep(QUIET).await;
        lives.server().shutdown();
        let mut rest = Vec::new();
        let _end_or_reset = soon("end", silent.read_to_end(&mut rest)).await;
        assert_eq!(lives.stats().connections, 0);
    });
}
