//! What reaches the world's network by other ways than tokio's own calls: datagram sockets opened through libc, dual-stack
//! listeners, and work on helper threads.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]
#![expect(clippy::disallowed_methods, reason = "the simulated wall clock is what a test reads")]

use squall_sim::world::Finished;
use squall_sim::{HostSpec, Latency, Program, World, WorldConfig, now_ns, run};
use std::future::pending;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::runtime::Handle;
use tokio::time::{sleep, timeout};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 224);
const PORT: u16 = 7446;

/// Runs `work` in a world of two idle hosts, `a` at 10.0.0.1 and `b` at 10.0.0.2, half a millisecond apart.
fn with_two<T: Send, F: Future<Output = T>>(work: impl FnOnce(World) -> F + Send) -> Finished<T> {
    let idle = |name: &str, wall_offset_ns| {
        let program: Program = Arc::new(|_| Box::pin(pending()));
        HostSpec { name: name.into(), program, wall_offset_ns }
    };
    let mut config = WorldConfig::new(1);
    config.network.latency = Latency::fixed(500_000);
    config.network.nic_bytes_per_s = None;
    run(config, vec![idle("a", 0), idle("b", 3_600_000_000_000)], work)
}

async fn on<T: Send + 'static>(world: World, name: &str, work: impl Future<Output = T> + Send + 'static) -> T {
    world.spawn(world.host(name).unwrap(), work).unwrap().await.unwrap()
}

/// A socket as the standard library opens it.
fn from_libc(addr: (Ipv4Addr, u16), prepare: impl FnOnce(&std::net::UdpSocket)) -> std::io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(addr)?;
    socket.set_nonblocking(true)?;
    prepare(&socket);
    UdpSocket::from_std(socket)
}

#[test]
fn a_datagram_socket_of_libc_becomes_one_of_the_world() {
    let finished = with_two(|world| async move {
        let server = on(world, "a", async { from_libc((Ipv4Addr::UNSPECIFIED, PORT), |_| ()) }).await.unwrap();
        assert_eq!(server.local_addr().unwrap(), (Ipv4Addr::UNSPECIFIED, PORT).into());
        let client = on(world, "b", async { from_libc((Ipv4Addr::UNSPECIFIED, 0), |_| ()) }).await.unwrap();
        client.send_to(b"question", (Ipv4Addr::new(10, 0, 0, 1), PORT)).await.unwrap();
        let mut buf = [0; 16];
        let (length, from) = server.recv_from(&mut buf).await.unwrap();
        assert_eq!((&buf[..length], from.ip()), (&b"question"[..], Ipv4Addr::new(10, 0, 0, 2).into()));
        server.send_to(b"answer", from).await.unwrap();
        assert_eq!(client.recv(&mut buf).await.unwrap(), 6);
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
}

#[test]
fn groups_and_loop_set_through_libc_hold_in_the_world() {
    with_two(|world| async move {
        let member = |loops| {
            from_libc((GROUP, PORT), |socket| {
                socket.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED).unwrap();
                socket.set_multicast_loop_v4(loops).unwrap();
                assert_eq!(socket.multicast_loop_v4().unwrap(), loops);
                assert_eq!(socket.local_addr().unwrap(), (GROUP, PORT).into());
            })
        };
        let quiet = on(world, "a", async move { member(false) }).await.unwrap();
        let loud = on(world, "b", async move { member(true) }).await.unwrap();
        let mut buf = [0; 8];
        quiet.send_to(b"quiet", (GROUP, PORT)).await.unwrap();
        assert_eq!(loud.recv(&mut buf).await.unwrap(), 5);
        assert!(timeout(Duration::from_secs(1), quiet.recv(&mut buf)).await.is_err(), "it heard itself");
        loud.send_to(b"loud!!", (GROUP, PORT)).await.unwrap();
        assert_eq!((quiet.recv(&mut buf).await.unwrap(), loud.recv(&mut buf).await.unwrap()), (6, 6));
    });
}

#[test]
fn a_port_that_a_libc_socket_does_not_share_is_taken() {
    with_two(|world| async move {
        on(world, "a", async {
            let first = from_libc((Ipv4Addr::UNSPECIFIED, PORT), |_| ()).unwrap();
            let taken = from_libc((Ipv4Addr::UNSPECIFIED, PORT), |_| ()).unwrap_err();
            assert_eq!(taken.kind(), ErrorKind::AddrInUse);
            drop(first);
            assert!(from_libc((Ipv4Addr::UNSPECIFIED, PORT), |_| ()).is_ok());
        })
        .await;
    });
}

#[test]
fn a_libc_socket_that_is_not_handed_to_tokio_reaches_nobody() {
    with_two(|world| async move {
        let sent = on(world, "a", async {
            let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
            socket.send_to(b"out?", (Ipv4Addr::LOCALHOST, 9)).map_err(drop)
        });
        assert_eq!(sent.await, Err(()));
    });
}

#[test]
fn a_dual_stack_listener_shows_ipv4_peers_as_mapped_addresses() {
    with_two(|world| async move {
        let listener = on(world, "a", TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connecting = on(world, "b", TcpStream::connect((Ipv4Addr::new(10, 0, 0, 1), port)));
        let (client, accepted) = tokio::join!(connecting, listener.accept());
        let ((server, from), client) = (accepted.unwrap(), client.unwrap());
        let mapped = |addr: SocketAddr| match addr {
            SocketAddr::V4(v4) => SocketAddr::from((v4.ip().to_ipv6_mapped(), v4.port())),
            SocketAddr::V6(_) => panic!("the client is no IPv6 socket"),
        };
        assert_eq!((from, server.peer_addr().unwrap()), (mapped(client.local_addr().unwrap()), from));
        assert_eq!(server.local_addr().unwrap(), mapped(client.peer_addr().unwrap()));
        let again =
            on(world, "b", TcpStream::connect((Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped(), port))).await.unwrap();
        assert!(again.local_addr().unwrap().is_ipv6());
    });
}

#[test]
fn a_helper_thread_has_the_network_and_the_clock_of_its_host() {
    let finished = with_two(|world| async move {
        let listener = on(world, "a", TcpListener::bind("0.0.0.0:7")).await.unwrap();
        let echo = on(world, "a", async move {
            let (mut stream, from) = listener.accept().await.unwrap();
            sleep(Duration::from_secs(2)).await;
            stream.write_all(b"late").await.unwrap();
            from.ip()
        });
        let wall = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let asked = on(world, "b", async move {
            tokio::task::spawn_blocking(move || {
                let before = now_ns();
                let text = Handle::current().block_on(async {
                    let mut text = String::new();
                    TcpStream::connect("a:7").await.unwrap().read_to_string(&mut text).await.unwrap();
                    text
                });
                (text, now_ns() - before, wall())
            })
            .await
            .unwrap()
        });
        let (from, (text, elapsed_ns, wall_s)) = tokio::join!(echo, asked);
        assert_eq!((from, text.as_str()), (Ipv4Addr::new(10, 0, 0, 2).into(), "late"));
        assert_eq!(elapsed_ns, 2_001_500_000);
        // The host's wall clock is an hour fast.
        assert_eq!(wall_s, 1_750_000_000 + 3_600 + 2);
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
}

#[test]
fn what_a_helper_thread_panics_or_is_refused_is_in_the_record() {
    let finished = with_two(|world| async move {
        on(world, "a", async {
            let outcome = tokio::task::spawn_blocking(|| {
                assert!(std::net::TcpListener::bind("127.0.0.1:0").is_err());
                panic!("on the helper")
            });
            assert!(outcome.await.is_err());
        })
        .await;
    });
    let messages: Vec<&str> = finished.facts.panics.iter().map(|panicked| panicked.message.as_str()).collect();
    assert!(messages.iter().any(|message| message.contains("on the helper")), "{messages:?}");
    assert!(messages.iter().any(|message| message.contains("a real socket")), "{messages:?}");
}
