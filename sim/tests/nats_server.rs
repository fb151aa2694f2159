//! The real `async-nats` client against the server, over real loopback sockets.
#![cfg(feature = "nats")]

#[path = "nats_server/real.rs"]
mod real;
#[path = "nats_server/support.rs"]
mod support;

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{ConnectOptions, HeaderMap, RequestErrorKind};
use futures_util::StreamExt;
use squall_sim::servers::nats::{Authorization, CloseReason, Limits, ServerConfig, Timing, User};
use support::{QUIET, Served, assert_quiet, event, line, plain, rest, settled, soon, texts, with_events};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

#[tokio::test]
async fn the_client_learns_who_the_server_is() {
    let served = plain().await;
    let info = served.client().await.server_info();
    assert_eq!((info.server_id.len(), &info.server_name), (56, &info.server_id));
    assert_eq!((info.port, info.proto, info.headers), (served.address.port(), 1, true));
    assert_eq!((info.max_payload, info.client_ip.as_str(), info.client_id), (1 << 20, "127.0.0.1", 1));
    assert!(!info.auth_required && !info.tls_required && !info.lame_duck_mode);
}

#[tokio::test]
async fn subscribers_get_what_matches_in_order() {
    let served = plain().await;
    let (publisher, subscriber) = (served.client().await, served.client().await);
    let mut literal = subscriber.subscribe("news.eu.fire").await.unwrap();
    let mut token = subscriber.subscribe("news.*.fire").await.unwrap();
    let mut all = subscriber.subscribe("news.>").await.unwrap();
    settled(&subscriber).await;
    for (subject, text) in [("news.eu.fire", "1"), ("news.us.fire", "2"), ("news.eu", "3"), ("old.eu", "4")] {
        publisher.publish(subject, text.into()).await.unwrap();
    }
    assert_eq!(texts(&mut literal, 1).await, ["1"]);
    assert_eq!(texts(&mut token, 2).await, ["1", "2"]);
    assert_eq!(texts(&mut all, 3).await, ["1", "2", "3"]);
    assert_quiet(&mut all).await;
    assert_eq!(served.server.stats().out_msgs, 6 + 1);
}

#[tokio::test]
async fn each_message_reaches_one_member_of_a_queue_group() {
    let served = plain().await;
    let (sender, mut receiver) = mpsc::unbounded_channel();
    for member in 0..3 {
        let client = served.client().await;
        let mut jobs = client.queue_subscribe("jobs", "workers".into()).await.unwrap();
        settled(&client).await;
        let sender = sender.clone();
        tokio::spawn(async move {
            while let Some(message) = jobs.next().await {
                let text = String::from_utf8(message.payload.to_vec()).unwrap();
                sender.send((member, text)).unwrap();
            }
            drop(client);
        });
    }
    let publisher = served.client().await;
    for job in 0..60 {
        publisher.publish("jobs", job.to_string().into()).await.unwrap();
    }
    let (mut members, mut jobs) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..60 {
        let (member, job) = soon("job", receiver.recv()).await.unwrap();
        members.insert(member);
        assert!(jobs.insert(job), "delivered twice");
    }
    assert_eq!((members.len(), jobs.len()), (3, 60));
    assert!(tokio::time::timeout(QUIET, receiver.recv()).await.is_err());
}

#[tokio::test]
async fn no_echo_keeps_own_messages_away_and_nothing_else() {
    let served = plain().await;
    let silent = served.client_with(ConnectOptions::new().no_echo()).await;
    let loud = served.client().await;
    let mut to_silent = silent.subscribe("a").await.unwrap();
    let mut to_loud = loud.subscribe("a").await.unwrap();
    settled(&loud).await;
    soon("flush", silent.flush()).await.unwrap();
    silent.publish("a", "from silent".into()).await.unwrap();
    assert_eq!(texts(&mut to_loud, 1).await, ["from silent"]);
    loud.publish("a", "from loud".into()).await.unwrap();
    assert_eq!(texts(&mut to_silent, 1).await, ["from loud"]);
    assert_eq!(texts(&mut to_loud, 1).await, ["from loud"]);
}

#[tokio::test]
async fn requests_are_answered_or_refused() {
    let served = plain().await;
    let (asker, answerer) = (served.client().await, served.client().await);
    let mut requests = answerer.subscribe("service").await.unwrap();
    settled(&answerer).await;
    let answering = tokio::spawn(async move {
        let request = requests.next().await.unwrap();
        answerer.publish(request.reply.unwrap(), "answer".into()).await.unwrap();
        answerer.flush().await.unwrap();
    });
    let answer = soon("answer", asker.request("service", "question".into())).await.unwrap();
    assert_eq!(&answer.payload[..], b"answer");
    soon("answerer", answering).await.unwrap();
    let refusal = soon("refusal", asker.request("nobody", "question".into())).await.unwrap_err();
    assert_eq!(refusal.kind(), RequestErrorKind::NoResponders);
}

#[tokio::test]
async fn headers_arrive_as_they_were_sent() {
    let served = plain().await;
    let client = served.client().await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    let mut headers = HeaderMap::new();
    headers.append("Color", "red");
    headers.append("Color", "blue");
    headers.insert("Size", "12");
    client.publish_with_reply_and_headers("a", "r", headers.clone(), "text".into()).await.unwrap();
    let message = soon("message", subscriber.next()).await.unwrap();
    assert_eq!(message.headers, Some(headers));
    assert_eq!((&message.payload[..], message.reply.as_deref()), (&b"text"[..], Some("r")));
}

#[tokio::test]
async fn a_subscription_ends_after_its_maximum() {
    let served = plain().await;
    let client = served.client().await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    subscriber.unsubscribe_after(2).await.unwrap();
    for text in ["1", "2", "3"] {
        client.publish("a", text.into()).await.unwrap();
    }
    settled(&client).await;
    assert_eq!(texts(&mut subscriber, 2).await, ["1", "2"]);
    assert!(soon("end", subscriber.next()).await.is_none());
    // Two deliveries, and one to the inbox that showed the client is settled.
    assert_eq!(served.server.stats().out_msgs, 3);
}

#[tokio::test]
async fn the_largest_payload_passes_and_one_byte_more_does_not() {
    let served = plain().await;
    let client = served.client().await;
    let mut subscriber = client.subscribe("big").await.unwrap();
    let payload: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    client.publish("big", payload.clone().into()).await.unwrap();
    let message = soon("message", subscriber.next()).await.unwrap();
    assert!(message.payload[..] == payload[..]);
    assert!(client.publish("big", vec![0; (1 << 20) + 1].into()).await.is_err(), "the client knows the limit");

    let mut raw = served.raw().await;
    line(&mut raw).await;
    raw.write_all(b"CONNECT {\"verbose\":false}\r\nPUB big 1048577\r\n").await.unwrap();
    assert_eq!(rest(&mut raw).await, "-ERR 'Maximum Payload Violation'\r\n");
}

#[tokio::test]
async fn credentials_decide_who_may_connect() {
    let user = User { name: "squall".into(), password: "secret".into() };
    let authorization = Authorization::Users(vec![user]);
    let served = Served::new(ServerConfig { authorization, ..ServerConfig::default() }).await;
    let options = |password: &str| ConnectOptions::with_user_and_password("squall".into(), password.into());
    let client = served.client_with(options("secret")).await;
    assert!(client.server_info().auth_required);
    settled(&client).await;
    let refused = soon("refusal", options("guess").connect(served.address.to_string())).await.unwrap_err();
    assert_eq!(refused.kind(), async_nats::ConnectErrorKind::AuthorizationViolation);
    let refused = soon("refusal", async_nats::connect(served.address.to_string())).await.unwrap_err();
    assert_eq!(refused.kind(), async_nats::ConnectErrorKind::AuthorizationViolation);
    assert_eq!(served.server.stats().closed.get(&CloseReason::AuthenticationViolation), Some(&2));
}

#[tokio::test]
async fn who_says_nothing_is_turned_away() {
    let authorization = Authorization::Token("secret".into());
    let timing = Timing { auth_timeout: Duration::from_millis(50), ..Timing::default() };
    let served = Served::new(ServerConfig { authorization, timing, ..ServerConfig::default() }).await;
    let mut raw = served.raw().await;
    assert!(line(&mut raw).await.contains("\"auth_required\":true"));
    assert_eq!(rest(&mut raw).await, "-ERR 'Authentication Timeout'\r\n");
}

#[tokio::test]
async fn clients_come_back_to_the_next_server_with_their_subscriptions() {
    let served = plain().await;
    let address = served.address;
    let (options, mut events) = with_events(ConnectOptions::new());
    let client = served.client_with(options).await;
    let mut subscriber = client.subscribe("a").await.unwrap();
    settled(&client).await;
    served.server.shutdown();
    event(&mut events, "disconnected").await;
    served.ended().await;

    let next = Served::on(address, ServerConfig::default()).await;
    event(&mut events, "connected").await;
    settled(&client).await;
    let publisher = next.client().await;
    publisher.publish("a", "after".into()).await.unwrap();
    assert_eq!(texts(&mut subscriber, 1).await, ["after"]);
}

#[tokio::test]
async fn a_lame_duck_warns_and_then_leaves() {
    let timing = Timing {
        lame_duck_grace: Duration::from_millis(100),
        lame_duck_duration: Duration::from_millis(300),
        ..Timing::default()
    };
    let served = Served::new(ServerConfig { timing, ..ServerConfig::default() }).await;
    let (options, mut events) = with_events(ConnectOptions::new().max_reconnects(1));
    let client = served.client_with(options).await;
    settled(&client).await;
    served.server.lame_duck();
    event(&mut events, "lame duck mode detected").await;
    settled(&client).await;
    let refused = soon("refusal", TcpStream::connect(served.address)).await;
    assert!(refused.is_err(), "a lame duck takes nobody in");
    event(&mut events, "disconnected").await;
    served.ended().await;
}

#[tokio::test]
async fn who_does_not_read_is_cut_and_nobody_else() {
    let timing = Timing { write_deadline: Duration::from_millis(200), ..Timing::default() };
    let served = Served::new(ServerConfig { timing, ..ServerConfig::default() }).await;
    let mut slow = served.raw().await;
    line(&mut slow).await;
    slow.write_all(b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n").await.unwrap();
    assert_eq!(line(&mut slow).await, "PONG\r\n");
    let (reader, publisher) = (served.client().await, served.client().await);
    let mut subscriber = reader.subscribe("a").await.unwrap();
    settled(&reader).await;
    soon("the cut", async {
        while served.server.stats().slow_consumers == 0 {
            publisher.publish("a", vec![0; 1 << 18].into()).await.unwrap();
            soon("message", subscriber.next()).await.unwrap();
        }
    })
    .await;
    let stats = served.server.stats();
    assert_eq!(stats.closed.get(&CloseReason::SlowConsumerWriteDeadline), Some(&1));
    assert_eq!(stats.connections, 2);
    let mut scrap = [0; 4096];
    soon("end of stream", async { while slow.read(&mut scrap).await.is_ok_and(|bytes| bytes > 0) {} }).await;
    settled(&reader).await;
}

#[tokio::test]
async fn too_much_waiting_is_cut_without_a_deadline() {
    let limits = Limits { max_pending: 1 << 20, ..Limits::default() };
    let served = Served::new(ServerConfig { limits, ..ServerConfig::default() }).await;
    let mut slow = served.raw().await;
    line(&mut slow).await;
    slow.write_all(b"CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPING\r\n").await.unwrap();
    assert_eq!(line(&mut slow).await, "PONG\r\n");
    let publisher = served.client().await;
    soon("the cut", async {
        while served.server.stats().slow_consumers == 0 {
            publisher.publish("a", vec![0; 1 << 17].into()).await.unwrap();
            publisher.flush().await.unwrap();
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(served.server.stats().closed.get(&CloseReason::SlowConsumerPendingBytes), Some(&1));
}

#[tokio::test]
async fn pings_keep_the_living_and_end_the_silent() {
    let timing = Timing { ping_interval: Duration::from_millis(50), ..Timing::default() };
    let served = Served::new(ServerConfig { timing, ..ServerConfig::default() }).await;
    let (options, mut events) = with_events(ConnectOptions::new());
    let client = served.client_with(options).await;
    event(&mut events, "connected").await;
    let mut silent = served.raw().await;
    line(&mut silent).await;
    silent.write_all(b"CONNECT {\"verbose\":false}\r\n").await.unwrap();
    assert_eq!(rest(&mut silent).await, "PING\r\nPING\r\n-ERR 'Stale Connection'\r\n");
    settled(&client).await;
    assert!(events.try_recv().is_err(), "the client that answers stays connected");
    assert_eq!(served.server.stats().closed.get(&CloseReason::StaleConnection), Some(&1));
}

#[tokio::test]
async fn verbose_clients_get_an_ok_for_everything() {
    let served = plain().await;
    let mut raw = served.raw().await;
    assert!(line(&mut raw).await.starts_with("INFO {"));
    for (sent, expected) in [
        ("CONNECT {\"verbose\":true,\"pedantic\":false}\r\n", &["+OK\r\n"][..]),
        ("SUB a 1\r\n", &["+OK\r\n"]),
        ("PUB a 2\r\nhi\r\n", &["+OK\r\n", "MSG a 1 2\r\n", "hi\r\n"]),
        ("UNSUB 1\r\n", &["+OK\r\n"]),
        ("PING\r\n", &["PONG\r\n"]),
    ] {
        // One byte at a time, for the parser's sake.
        for byte in sent.as_bytes() {
            raw.write_all(&[*byte]).await.unwrap();
        }
        for expected in expected {
            assert_eq!(line(&mut raw).await, *expected, "after {sent}");
        }
    }
    raw.write_all(b"HELLO\r\n").await.unwrap();
    assert_eq!(rest(&mut raw).await, "-ERR 'Unknown Protocol Operation'\r\n");
}

#[tokio::test]
async fn connections_that_end_leave_nothing_behind() {
    let served = plain().await;
    for _ in 0..20 {
        let client = served.client().await;
        let _subscriber = client.subscribe("a").await.unwrap();
        settled(&client).await;
        drop(client);
    }
    soon("the last to leave", async {
        while served.server.stats().connections > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let stats = served.server.stats();
    assert_eq!((stats.subscriptions, stats.total_connections), (0, 20));
    served.task.abort();
}
