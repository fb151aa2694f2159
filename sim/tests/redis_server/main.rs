//! The real `redis` crate against the simulated server, in a world.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod support;
mod tls;

use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::ConnectionManager;
use redis::cluster::ClusterClient;
use redis::{AsyncCommands, Client, ErrorKind, ProtocolVersion, PushKind, RedisError, Value, pipe};
use squall_sim::servers::redis::{CloseReason, ClusterMode, Limits, OutputLimit, ServerConfig, User};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[test]
fn values_are_kept_in_both_protocols() {
    beside_server(|_| async {
        for address in [ADDRESS, ADDRESS_RESP3] {
            let mut connection = connect(address).await;
            let _: () = connection.set("a", 41).await.unwrap();
            assert_eq!(connection.incr::<_, _, i64>("a", 1).await.unwrap(), 42);
            let _: () = connection.hset_multiple("h", &[("x", "1"), ("y", "2")]).await.unwrap();
            let pairs: Vec<(String, u64)> = connection.hgetall("h").await.unwrap();
            assert_eq!(pairs, [("x".to_owned(), 1), ("y".to_owned(), 2)]);
            let _: () = connection.rpush("l", &["1", "2", "3"]).await.unwrap();
            assert_eq!(connection.lrange::<_, Vec<u64>>("l", 1, -1).await.unwrap(), [2, 3]);
            let _: () = connection.sadd("s", &["b", "a"]).await.unwrap();
            assert_eq!(connection.smembers::<_, Vec<String>>("s").await.unwrap(), ["a", "b"]);
            let wrong = connection.get::<_, String>("l").await.unwrap_err();
            assert_eq!(wrong.code(), Some("WRONGTYPE"));
            assert_eq!(connection.get::<_, Option<String>>("nothing").await.unwrap(), None);
            let _: () = redis::cmd("FLUSHDB").query_async(&mut connection).await.unwrap();
        }
    });
}

#[test]
fn transactions_run_whole_or_not_at_all() {
    beside_server(|_| async {
        let mut connection = connect(ADDRESS).await;
        let (sum, value): (i64, i64) =
            pipe().atomic().set("a", 1).ignore().incr("a", 4).get("a").query_async(&mut connection).await.unwrap();
        assert_eq!((sum, value), (5, 5));
        let refused: Result<(), RedisError> =
            pipe().atomic().set("a", 9).cmd("NOSUCH").query_async(&mut connection).await;
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::Server(redis::ServerErrorKind::ExecAbort));
        assert_eq!(connection.get::<_, i64>("a").await.unwrap(), 5);

        let mut other = connect(ADDRESS).await;
        let _: () = redis::cmd("WATCH").arg("a").query_async(&mut connection).await.unwrap();
        let _: () = other.set("a", 6).await.unwrap();
        let lost: Option<(i64,)> = pipe().atomic().incr("a", 1).query_async(&mut connection).await.unwrap();
        assert_eq!(lost, None);
    });
}

#[test]
fn a_subscriber_hears_channels_and_patterns() {
    beside_server(|_| async {
        let client = Client::open(ADDRESS).unwrap();
        let mut pubsub = soon("pubsub", client.get_async_pubsub()).await.unwrap();
        pubsub.subscribe(&["news.a", "other"]).await.unwrap();
        pubsub.psubscribe("news.*").await.unwrap();
        assert_eq!(pubsub.ping::<Vec<String>>().await.unwrap(), ["pong", ""]);
        let mut publisher = connect(ADDRESS).await;
        assert_eq!(publisher.publish::<_, _, u64>("news.a", "one").await.unwrap(), 2);
        assert_eq!(publisher.publish::<_, _, u64>("nobody", "two").await.unwrap(), 0);
        pubsub.unsubscribe("other").await.unwrap();
        assert_eq!(publisher.publish::<_, _, u64>("other", "three").await.unwrap(), 0);
        let mut messages = pubsub.on_message();
        let first = soon("message", messages.next()).await.unwrap();
        assert_eq!((first.get_channel_name(), first.get_payload::<String>().unwrap()), ("news.a", "one".to_owned()));
        assert!(!first.from_pattern());
        let second = soon("message", messages.next()).await.unwrap();
        assert_eq!(second.get_pattern::<String>().unwrap(), "news.*");
        assert!(tokio::time::timeout(QUIET, messages.next()).await.is_err());
    });
}

#[test]
fn subscriber_and_commands_share_a_connection_in_resp3() {
    beside_server(|lives| async move {
        let (mut manager, mut pushes) = manager(Client::open(ADDRESS_RESP3).unwrap()).await;
        manager.subscribe("a").await.unwrap();
        assert_eq!(push(&mut pushes, PushKind::Subscribe).await, [text("a"), Value::Int(1)]);
        assert_eq!(manager.publish::<_, _, u64>("a", "echo").await.unwrap(), 1);
        assert_eq!(push(&mut pushes, PushKind::Message).await, [text("a"), text("echo")]);
        let _: () = manager.set("k", "v").await.unwrap();
        assert_eq!(manager.get::<_, String>("k").await.unwrap(), "v");
        let stats = lives.stats();
        assert_eq!((stats.in_msgs, stats.out_msgs, stats.out_bytes, stats.subscriptions), (1, 1, 4, 1));
    });
}

#[test]
fn a_manager_resubscribes_after_the_server_was_killed() {
    beside_server(|lives| async move {
        let (mut manager, mut pushes) = manager(Client::open(ADDRESS_RESP3).unwrap()).await;
        manager.subscribe("a").await.unwrap();
        manager.psubscribe("b*").await.unwrap();
        push(&mut pushes, PushKind::PSubscribe).await;
        lives.kill();
        push(&mut pushes, PushKind::Disconnection).await;
        tokio::time::sleep(Duration::from_secs(3)).await;
        lives.start();
        push(&mut pushes, PushKind::PSubscribe).await;
        let mut publisher = connect(ADDRESS).await;
        publish_to_somebody(&mut publisher, "a", "after").await;
        assert_eq!(push(&mut pushes, PushKind::Message).await, [text("a"), text("after")]);
        publish_to_somebody(&mut publisher, "boat", "too").await;
        assert_eq!(push(&mut pushes, PushKind::PMessage).await, [text("b*"), text("boat"), text("too")]);
    });
}

#[test]
fn the_stream_of_a_plain_subscriber_ends_with_its_server() {
    beside_server(|lives| async move {
        let client = Client::open(ADDRESS).unwrap();
        let mut pubsub = soon("pubsub", client.get_async_pubsub()).await.unwrap();
        pubsub.subscribe("a").await.unwrap();
        lives.kill();
        lives.start();
        assert!(soon("end", pubsub.on_message().next()).await.is_none());
        tokio::time::sleep(QUIET).await;
        assert_eq!(lives.stats().subscriptions, 0);
    });
}

#[test]
fn a_shutdown_ends_every_connection_and_the_server() {
    beside_server(|lives| async move {
        let mut streams = Vec::new();
        for _ in 0..3 {
            let mut stream = TcpStream::connect("server:6379").await.unwrap();
            stream.write_all(b"PING\r\n").await.unwrap();
            stream.read_exact(&mut [0; 7]).await.unwrap();
            streams.push(stream);
        }
        let server = lives.server();
        server.shutdown();
        for stream in &mut streams {
            assert_eq!(soon("end", stream.read(&mut [0; 9])).await.unwrap(), 0);
        }
        assert_eq!(server.stats().closed.get(&CloseReason::ServerShutdown), Some(&3));
        tokio::time::sleep(QUIET).await;
        assert!(TcpStream::connect("server:6379").await.is_err());
    });
}

#[test]
fn keys_survive_a_restart_only_on_a_disk() {
    let after_restart = |data| {
        with_server(ServerConfig::default(), data, |lives| async move {
            let mut connection = connect(ADDRESS).await;
            let _: () = connection.set("a", "kept").await.unwrap();
            lives.kill();
            lives.start();
            tokio::time::sleep(QUIET).await;
            connect(ADDRESS).await.get::<_, Option<String>>("a").await.unwrap()
        })
        .result
    };
    assert_eq!(after_restart(Data::Survives), Some("kept".to_owned()));
    assert_eq!(after_restart(Data::Lost), None);
}

#[test]
fn a_subscriber_that_does_not_read_is_cut_and_nobody_else() {
    let pubsub_output = OutputLimit { hard: 1 << 20, soft: 0, soft_for: Duration::ZERO };
    let limits = Limits { pubsub_output, ..Limits::default() };
    with_server(ServerConfig { limits, ..ServerConfig::default() }, Data::Lost, |lives| async move {
        let mut slow = TcpStream::connect("server:6379").await.unwrap();
        slow.write_all(b"SUBSCRIBE a\r\n").await.unwrap();
        let (mut manager, mut pushes) = manager(Client::open(ADDRESS_RESP3).unwrap()).await;
        manager.subscribe("a").await.unwrap();
        let mut publisher = connect(ADDRESS).await;
        let payload = vec![b'x'; 1 << 17];
        let mut published = 0;
        soon("the cut", async {
            while lives.stats().slow_consumers == 0 {
                let _: () = publisher.publish("a", &payload).await.unwrap();
                published += 1;
                push(&mut pushes, PushKind::Message).await;
            }
        })
        .await;
        assert_eq!(publisher.publish::<_, _, u64>("a", "x").await.unwrap(), 1, "the reader is still there");
        assert!(published > 8, "what the kernels buffer does not count");
        let mut received = Vec::new();
        let _reset_or_end = soon("end", slow.read_to_end(&mut received)).await;
        assert!(received.len() < published * payload.len());
        assert_eq!(lives.stats().closed.get(&CloseReason::OutputBufferHardLimit), Some(&1));
    });
}

#[test]
fn the_soft_limit_takes_its_time() {
    let pubsub_output = OutputLimit { hard: 0, soft: 1 << 16, soft_for: Duration::from_secs(20) };
    let limits = Limits { pubsub_output, ..Limits::default() };
    with_server(ServerConfig { limits, ..ServerConfig::default() }, Data::Lost, |lives| async move {
        let mut slow = TcpStream::connect("server:6379").await.unwrap();
        slow.write_all(b"SUBSCRIBE a\r\n").await.unwrap();
        let mut publisher = connect(ADDRESS).await;
        publish_to_somebody(&mut publisher, "a", "first").await;
        for _ in 0..8 {
            let _: () = publisher.publish("a", vec![b'x'; 1 << 20]).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(15)).await;
        assert_eq!(lives.stats().slow_consumers, 0);
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert_eq!(lives.stats().closed.get(&CloseReason::OutputBufferSoftLimit), Some(&1));
    });
}

#[test]
fn credentials_decide_who_may_connect() {
    let users = vec![User { name: "squall".into(), password: "wind".into() }];
    let config = ServerConfig { password: Some("secret".into()), users, ..ServerConfig::default() };
    with_server(config, Data::Lost, |lives| async move {
        for good in ["redis://:secret@server:6379", "redis://squall:wind@server:6379/?protocol=resp3"] {
            let _: () = connect(good).await.set("a", 1).await.unwrap();
        }
        // In RESP2 the crate has a word of its own for the refusal; in RESP3 it passes on what `HELLO` answered.
        let resp3 = "redis://squall:secret@server:6379/?protocol=resp3";
        for (bad, kind) in
            [("redis://:guess@server:6379", ErrorKind::AuthenticationFailed), (resp3, ErrorKind::Extension)]
        {
            let client = Client::open(bad).unwrap();
            let refused = soon("refusal", client.get_multiplexed_async_connection()).await.unwrap_err();
            assert_eq!(refused.kind(), kind, "{refused}");
            let refused = soon("refusal", ConnectionManager::new(client)).await.err().unwrap();
            assert_eq!(refused.kind(), kind, "{refused}");
        }
        let stranger = connect(ADDRESS).await.get::<_, String>("a").await.unwrap_err();
        assert_eq!(stranger.code(), Some("NOAUTH"));
        assert!(lives.stats().refused_logins >= 4);
    });
}

#[test]
fn big_payloads_arrive_whole() {
    beside_server(|_| async {
        let payload: Vec<u8> = (0..4 << 20).map(|at| (at % 251) as u8).collect();
        let (mut manager, mut pushes) = manager(Client::open(ADDRESS_RESP3).unwrap()).await;
        manager.subscribe("big").await.unwrap();
        let mut publisher = connect(ADDRESS).await;
        assert_eq!(publisher.publish::<_, _, u64>("big", &payload).await.unwrap(), 1);
        let message = push(&mut pushes, PushKind::Message).await;
        assert!(message[1] == Value::BulkString(payload.clone()));
        let _: () = publisher.set("big", &payload).await.unwrap();
        assert!(publisher.get::<_, Vec<u8>>("big").await.unwrap() == payload);
    });
}

#[test]
fn a_killed_connection_comes_back() {
    beside_server(|lives| async move {
        let (mut manager, mut pushes) = manager(Client::open(ADDRESS_RESP3).unwrap()).await;
        manager.subscribe("a").await.unwrap();
        let mut killer = connect(ADDRESS).await;
        let killed: u64 =
            redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg("pubsub").query_async(&mut killer).await.unwrap();
        assert_eq!(killed, 1);
        push(&mut pushes, PushKind::Disconnection).await;
        push(&mut pushes, PushKind::Subscribe).await;
        assert_eq!(killer.publish::<_, _, u64>("a", "x").await.unwrap(), 1);
        assert_eq!(lives.stats().closed.get(&CloseReason::Killed), Some(&1));
    });
}

#[test]
fn the_cluster_client_finds_a_cluster_of_one() {
    let config = ServerConfig { cluster: ClusterMode::SingleNode, ..ServerConfig::default() };
    with_server(config, Data::Lost, |_| async {
        let (sender, mut pushes) = tokio::sync::mpsc::unbounded_channel();
        let client =
            ClusterClient::builder([ADDRESS]).use_protocol(ProtocolVersion::RESP3).push_sender(sender).build().unwrap();
        let mut connection = soon("cluster connection", client.get_async_connection()).await.unwrap();
        let _: () = connection.set("{a}b", "v").await.unwrap();
        assert_eq!(connection.get::<_, String>("{a}b").await.unwrap(), "v");
        connection.subscribe("news").await.unwrap();
        let _: u64 = connection.publish("news", "text").await.unwrap();
        assert_eq!(push(&mut pushes, PushKind::Message).await, [text("news"), text("text")]);
    });
}

#[test]
fn connections_that_end_leave_nothing_behind() {
    beside_server(|lives| async move {
        for _ in 0..20 {
            let client = Client::open(ADDRESS).unwrap();
            let mut pubsub = soon("pubsub", client.get_async_pubsub()).await.unwrap();
            pubsub.subscribe("a").await.unwrap();
        }
        tokio::time::sleep(QUIET).await;
        let stats = lives.stats();
        assert_eq!((stats.connections, stats.subscriptions, stats.total_connections), (0, 0, 20));
    });
}
