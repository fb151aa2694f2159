//! The server in one cluster with a real `nats-server`, over real loopback sockets.
//!
//! Without that program the test says so and checks nothing.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use squall_sim::servers::nats::{ClusterConfig, ServerConfig};
use tokio::net::TcpListener;

use crate::support::{QUIET, Served, settled, soon, texts};

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _already_gone = self.0.kill();
        let _already_gone = self.0.wait();
    }
}

async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// A real server whose routes go to `peer`.
fn real_server(port: u16, route_port: u16, peer: SocketAddr) -> Option<Running> {
    let started = Command::new("nats-server")
        .args(["-a", "127.0.0.1", "-p", &port.to_string(), "-n", "real", "--cluster_name", "mixed"])
        .args(["--cluster", &format!("nats://127.0.0.1:{route_port}"), "--routes", &format!("nats://{peer}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(Running(child)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            println!("skipped: install nats-server to compare with it");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_real_server_joins_the_cluster() {
    let route_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, route_port) = (free_port().await, free_port().await);
    let Some(_real) = real_server(port, route_port, route_listener.local_addr().unwrap()) else {
        return;
    };
    let cluster = ClusterConfig::new("mixed", [format!("127.0.0.1:{route_port}")]);
    let config =
        ServerConfig { server_name: Some("simulated".into()), cluster: Some(cluster), ..ServerConfig::default() };
    let served = Served::new(config).await;
    let server = served.server.clone();
    tokio::spawn(async move { server.serve_routes(route_listener).await });
    soon("the route", async {
        while served.server.stats().routes == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;

    let here = served.client().await;
    let there = soon("connect", async_nats::connect(format!("127.0.0.1:{port}"))).await.unwrap();
    let urls = [served.address.to_string(), format!("127.0.0.1:{port}")];
    assert_eq!(here.server_info().connect_urls, urls);
    assert_eq!(there.server_info().connect_urls, [urls[1].clone(), urls[0].clone()]);

    let mut subscribers = Vec::new();
    for client in [&here, &there] {
        let plain = client.subscribe("news.*").await.unwrap();
        let queued = client.queue_subscribe("jobs", "workers".into()).await.unwrap();
        settled(client).await;
        subscribers.push((plain, queued));
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    for job in 0..100 {
        for client in [&here, &there] {
            client.publish("news.x", job.to_string().into()).await.unwrap();
            client.publish_with_reply("jobs", "re", job.to_string().into()).await.unwrap();
        }
    }
    let mut jobs = Vec::new();
    for (plain, queued) in &mut subscribers {
        assert_eq!(texts(plain, 200).await.len(), 200);
        let mut share = 0;
        while let Ok(Some(message)) = tokio::time::timeout(QUIET, queued.next()).await {
            assert_eq!(message.reply.as_deref(), Some("re"));
            share += 1;
        }
        jobs.push(share);
    }
    assert_eq!(jobs.iter().sum::<i32>(), 200, "each job once");
    assert!(jobs.iter().all(|share| *share > 50), "{jobs:?}");
    drop(subscribers);
    settled(&here).await;
    settled(&there).await;
    let nobody = soon("answer", here.request("news.x", "".into())).await.unwrap_err();
    assert_eq!(nobody.kind(), async_nats::RequestErrorKind::NoResponders, "interest has ended there");
}
