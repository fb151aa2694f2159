//! Clusters of NATS servers, and TLS to them, in a world with the real `async-nats`.
#![cfg(feature = "nats")]

#[path = "nats_cluster/stage.rs"]
mod stage;

use std::collections::BTreeSet;
use std::time::Duration;

use async_nats::{ConnectErrorKind, ConnectOptions};
use squall_sim::fault::Fault;
use squall_sim::servers::nats::{CloseReason, Timing};
use stage::{MEET, SERVERS, Setup, connect, event, heard, listen, staged, tell, trusting, with_events};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

#[test]
fn every_server_passes_messages_on_to_all_clients() {
    let finished = staged(1, &Setup::default(), |stage| async move {
        assert_eq!(stage.routes(), [2, 2, 2]);
        let played = stage.play(async {
            let mut all = Vec::new();
            for name in SERVERS {
                all.push(connect(name).await);
            }
            let mut subscribers = Vec::new();
            for client in &all {
                subscribers.push(listen(client, "agora.>").await);
            }
            for (client, name) in all.iter().zip(SERVERS) {
                tell(client, "agora.news", name).await;
            }
            let mut results = Vec::new();
            for subscriber in &mut subscribers {
                results.push(heard(subscriber).await.into_iter().collect::<BTreeSet<String>>());
            }
            results
        });
        played.await
    });
    let everything = BTreeSet::from(SERVERS.map(str::to_owned));
    assert_eq!(finished.result, vec![everything; 3]);
}

#[test]
fn a_queue_group_over_three_servers_gets_each_message_once() {
    let finished = staged(2, &Setup::default(), |stage| async move {
        let played = stage.play(async {
            let mut members = Vec::new();
            for name in SERVERS {
                let client = connect(name).await;
                let jobs = client.queue_subscribe("jobs", "workers".into()).await.unwrap();
                client.flush().await.unwrap();
                members.push((client, jobs));
            }
            sleep(Duration::from_millis(100)).await;
            for job in 0..90 {
                tell(&members[job % 3].0, "jobs", &job.to_string()).await;
            }
            let mut done = Vec::new();
            for (_, jobs) in &mut members {
                done.push(heard(jobs).await);
            }
            done
        });
        played.await
    });
    let mut jobs: Vec<u32> = finished.result.iter().flatten().map(|job| job.parse().unwrap()).collect();
    jobs.sort_unstable();
    assert_eq!(jobs, (0..90).collect::<Vec<u32>>());
    assert!(finished.result.iter().all(|member| member.len() > 10), "each member has a share");
}

#[test]
fn a_client_of_one_address_fails_over_to_servers_it_learned_of() {
    // The third server is configured to know the first only, and the second to know nobody.
    let setup = Setup { routes: [&["nats-2:6222"], &[], &["nats-1:6222"]], ..Setup::default() };
    let finished = staged(3, &setup, |stage| async move {
        assert_eq!(stage.routes(), [2, 2, 2], "gossip joins the third with the second");
        let (options, mut events) = with_events(ConnectOptions::new());
        let (client, mut subscriber) = stage
            .play(async move {
                let client = options.connect("nats-1:4222").await.unwrap();
                let subscriber = listen(&client, "agora").await;
                (client, subscriber)
            })
            .await;
        stage.kill("nats-1");
        event(&mut events, "disconnected").await;
        event(&mut events, "connected").await;
        stage
            .play(async move {
                let at = client.server_info().server_name;
                sleep(Duration::from_secs(1)).await;
                let publisher = connect("nats-3").await;
                for text in ["1", "2", "3"] {
                    tell(&publisher, "agora", text).await;
                }
                (at, heard(&mut subscriber).await, client.server_info().connect_urls)
            })
            .await
    });
    let (at, texts, urls) = finished.result;
    assert_ne!(at, "nats-1");
    assert_eq!(texts, ["1", "2", "3"]);
    assert!(!urls.contains(&"nats-1:4222".to_owned()), "{urls:?}");
}

#[test]
fn a_cut_route_carries_nothing_goes_stale_and_heals_with_its_interest() {
    let finished = staged(4, &Setup::default(), |stage| async move {
        let (one, two, mut subscriber) = stage
            .play(async {
                let (one, two) = (connect("nats-1").await, connect("nats-2").await);
                let subscriber = listen(&two, "agora").await;
                (one, two, subscriber)
            })
            .await;
        let heal = stage.isolate("nats-1");
        let start = Instant::now();
        tell(&one, "agora", "into the cut").await;
        let during = heard(&mut subscriber).await;
        while stage.server("nats-1").stats().routes > 0 {
            sleep(Duration::from_millis(100)).await;
        }
        let stale_after = start.elapsed();
        // Interest that came about while nobody there could hear of it.
        let mut late = listen(&two, "late").await;
        heal();
        // The other end may take until its own last ping to see that the old route is gone.
        sleep(Duration::from_secs(60)).await;
        tell(&one, "agora", "after").await;
        tell(&one, "late", "after").await;
        (during, stale_after, heard(&mut subscriber).await, heard(&mut late).await, stage.routes())
    });
    let (during, stale_after, after, late, routes) = finished.result;
    assert_eq!(during, [""; 0]);
    assert!((Duration::from_secs(60)..Duration::from_secs(95)).contains(&stale_after), "{stale_after:?}");
    assert_eq!((after, late), (vec!["after".to_owned()], vec!["after".to_owned()]));
    assert_eq!(routes, [2, 2, 2]);
}

#[test]
fn a_server_that_boots_again_is_found_by_the_others() {
    let finished = staged(
        5,
        &Setup { routes: [&[], &["nats-1:6222"], &["nats-1:6222"]], ..Setup::default() },
        |stage| async move {
            stage.apply(&Fault::PowerLoss { host: "nats-1".into() });
            sleep(Duration::from_secs(120)).await;
            stage.apply(&Fault::Start { host: "nats-1".into() });
            sleep(MEET).await;
            stage.routes()
        },
    );
    assert_eq!(finished.result, [2, 2, 2]);
}

#[test]
fn a_lame_duck_moves_its_clients_to_the_other_servers() {
    let timing = Timing {
        lame_duck_grace: Duration::from_secs(1),
        lame_duck_duration: Duration::from_secs(3),
        ..Timing::default()
    };
    let finished = staged(6, &Setup { timing, ..Setup::default() }, |stage| async move {
        let (options, mut events) = with_events(ConnectOptions::new());
        let client = stage.play(async move { options.connect("nats-2:4222").await.unwrap() }).await;
        stage.server("nats-2").lame_duck();
        event(&mut events, "lame duck mode detected").await;
        sleep(Duration::from_millis(100)).await;
        // The client looks at addresses only as it connects.
        let during = stage.play(async { connect("nats-1").await.server_info().connect_urls }).await;
        event(&mut events, "disconnected").await;
        event(&mut events, "connected").await;
        sleep(Duration::from_secs(1)).await;
        (client.server_info().server_name, during, client.server_info().connect_urls)
    });
    let (at, during, after) = finished.result;
    assert_ne!(at, "nats-2");
    for urls in [during, after] {
        assert!(!urls.contains(&"nats-2:4222".to_owned()) && urls.len() == 2, "{urls:?}");
    }
}

fn secured() -> Setup {
    Setup { tls: Some(7), ..Setup::default() }
}

#[test]
fn clients_talk_over_tls_and_come_back_over_tls() {
    let finished = staged(7, &secured(), |stage| async move {
        let (options, mut events) = with_events(trusting(7));
        let (client, mut subscriber) = stage
            .play(async move {
                let client = options.connect("nats-1:4222").await.unwrap();
                let subscriber = listen(&client, "agora").await;
                (client, subscriber)
            })
            .await;
        tell(&client, "agora", "before").await;
        let large = "x".repeat(300_000);
        tell(&client, "agora", &large).await;
        let before: Vec<usize> = heard(&mut subscriber).await.iter().map(String::len).collect();
        let required = client.server_info().tls_required;
        stage.kill("nats-1");
        event(&mut events, "connected").await;
        event(&mut events, "connected").await;
        sleep(Duration::from_secs(1)).await;
        let sender = stage.play(async { trusting(7).connect("nats-2:4222").await.unwrap() }).await;
        tell(&sender, "agora", "after").await;
        (before, required, heard(&mut subscriber).await)
    });
    assert_eq!(finished.result, (vec![6, 300_000], true, vec!["after".to_owned()]));
}

#[test]
fn nobody_gets_in_without_tls_or_with_another_authority() {
    let finished = staged(8, &secured(), |stage| async move {
        let (wrong, plain, took) = stage
            .play(async {
                let wrong = trusting(8).connect("nats-1:4222").await.unwrap_err().kind();
                let mut raw = TcpStream::connect("nats-1:4222").await.unwrap();
                raw.write_all(b"CONNECT {\"verbose\":false}\r\nPING\r\n").await.unwrap();
                let mut plain = String::new();
                raw.read_to_string(&mut plain).await.unwrap();
                let mut silent = TcpStream::connect("nats-1:4222").await.unwrap();
                let start = Instant::now();
                silent.read_to_end(&mut Vec::new()).await.unwrap();
                (wrong, plain, start.elapsed())
            })
            .await;
        (wrong, plain, took, stage.server("nats-1").stats().closed.get(&CloseReason::TlsHandshake).copied())
    });
    let (wrong, plain, took, closed) = finished.result;
    assert!(matches!(wrong, ConnectErrorKind::Tls | ConnectErrorKind::Io), "{wrong:?}");
    assert!(plain.starts_with("INFO {") && plain.contains("\"tls_required\":true"), "{plain}");
    assert_eq!(plain.lines().count(), 1, "a client without TLS is closed without a word: {plain}");
    assert!((Duration::from_secs(2)..Duration::from_millis(2100)).contains(&took), "{took:?}");
    assert_eq!(closed, Some(3));
}

#[test]
fn a_world_with_tls_repeats_with_its_seed() {
    let digest = |seed| {
        let finished = staged(seed, &secured(), |stage| async move {
            let played = stage.play(async {
                let client = trusting(7).connect("nats-1:4222").await.unwrap();
                let mut subscriber = listen(&client, "agora").await;
                tell(&client, "agora", "1").await;
                heard(&mut subscriber).await
            });
            played.await
        });
        assert_eq!(finished.result, ["1"]);
        finished.recording.digest
    };
    assert_eq!(digest(9), digest(9));
    assert_ne!(digest(9), digest(10));
}
