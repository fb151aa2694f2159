//! What programs in a world can rely on: sockets, faults, lives, clocks, and that a seed repeats.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]
#![expect(clippy::disallowed_methods, reason = "the simulated wall clock is what a test reads")]

use squall_sim::fault::Fault;
use squall_sim::world::{Finished, LifeEvent};
use squall_sim::{HostSpec, Keep, Latency, Program, World, WorldConfig, now_ns, run};
use std::future::Future;
use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{sleep, timeout};

type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

fn host(name: &str, program: impl Fn() -> Run + Send + Sync + 'static) -> HostSpec {
    let program: Program = Arc::new(move |_| program());
    HostSpec { name: name.into(), program, wall_offset_ns: 0 }
}

fn idle(name: &str) -> HostSpec {
    host(name, || Box::pin(std::future::pending()))
}

/// Answers every byte it gets.
fn echo(name: &str) -> HostSpec {
    host(name, || {
        Box::pin(async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let mut buf = [0; 64];
                    while let Ok(n @ 1..) = stream.read(&mut buf).await {
                        if stream.write_all(&buf[..n]).await.is_err() {
                            break;
                        }
                    }
                });
            }
        })
    })
}

fn config(latency_ms: u64) -> WorldConfig {
    let mut config = WorldConfig::new(1);
    config.network.latency = Latency::fixed(latency_ms * 1_000_000);
    config.network.nic_bytes_per_s = None;
    config.keep = Keep::Everything;
    config
}

/// Runs `work` on host `client` beside an echo server.
fn with_echo<F, T: Send>(work: impl FnOnce(World) -> F + Send) -> Finished<T>
where
    F: Future<Output = T>,
{
    run(config(1), vec![echo("server"), idle("client")], work)
}

async fn on<T: Send + 'static>(world: World, name: &str, work: impl Future<Output = T> + Send + 'static) -> T {
    world.spawn(world.host(name).unwrap(), work).expect("the host is up").await.expect("the host lives")
}

fn names(from: &str, to: &str) -> (Vec<String>, Vec<String>) {
    (vec![from.into()], vec![to.into()])
}

fn cut(from: &str, to: &str) -> Fault {
    let (from, to) = names(from, to);
    Fault::Cut { from, to }
}

fn mend(from: &str, to: &str) -> Fault {
    let (from, to) = names(from, to);
    Fault::Mend { from, to }
}

async fn ping(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(&[1]).await?;
    stream.read_exact(&mut [0]).await.map(|_| ())
}

#[test]
fn a_round_trip_takes_two_latencies_to_the_nanosecond() {
    let elapsed = with_echo(|world| async move {
        on(world, "client", async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            let before = now_ns();
            ping(&mut stream).await.unwrap();
            now_ns() - before
        })
        .await
    });
    assert_eq!(elapsed.result, 2_000_000);
}

#[test]
fn connecting_to_a_closed_port_is_refused_and_to_a_dead_host_times_out() {
    let kinds = run(config(1), vec![idle("server"), idle("client")], |world| async move {
        let refused = on(world, "client", async { TcpStream::connect("server:7").await.unwrap_err().kind() }).await;
        world.apply(&Fault::PowerLoss { host: "server".into() }).unwrap();
        let (silent, after_s) = on(world, "client", async {
            let before = now_ns();
            let kind = TcpStream::connect("server:7").await.unwrap_err().kind();
            (kind, (now_ns() - before) / 1_000_000_000)
        })
        .await;
        (refused, silent, after_s)
    });
    assert_eq!(kinds.result, (ErrorKind::ConnectionRefused, ErrorKind::TimedOut, 127));
}

#[test]
fn bytes_arrive_in_order_through_loss_and_a_cut() {
    let finished = with_echo(|world| async move {
        let (from, to) = names("client", "server");
        let lossy = world.apply(&Fault::Loss { from, to, per_million: 200_000 }).unwrap();
        let client = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            let sent: Vec<u8> = (0..200).collect();
            for byte in &sent {
                stream.write_all(&[*byte]).await.unwrap();
                sleep(Duration::from_millis(20)).await;
            }
            let mut got = vec![0; sent.len()];
            stream.read_exact(&mut got).await.unwrap();
            got == sent
        });
        sleep(Duration::from_secs(1)).await;
        let cut_number = world.apply(&cut("server", "client")).unwrap();
        sleep(Duration::from_secs(5)).await;
        world.apply(&mend("server", "client")).unwrap();
        let in_order = client.unwrap().await.unwrap();
        (in_order, world.effects(lossy), world.effects(cut_number))
    });
    let (in_order, lost, cut_packets) = finished.result;
    assert!(in_order);
    assert!(lost > 0 && cut_packets > 0, "lost {lost}, cut {cut_packets}");
}

#[test]
fn a_connection_survives_a_cut_and_goes_on_when_the_back_off_ends() {
    let finished = with_echo(|world| async move {
        let client = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            sleep(Duration::from_secs(1)).await;
            let before = now_ns();
            ping(&mut stream).await.unwrap();
            (now_ns() - before) / 1_000_000
        });
        sleep(Duration::from_millis(500)).await;
        world.apply(&cut("client", "server")).unwrap();
        sleep(Duration::from_secs(5)).await;
        world.apply(&mend("client", "server")).unwrap();
        client.unwrap().await.unwrap()
    });
    // Lost at 1 s; retransmissions after 0.2, 0.6, 1.4, 3.0 and 6.2 s, the last one after the heal.
    assert_eq!(finished.result, 6_202);
}

#[test]
fn a_cut_way_back_stalls_the_sender_after_one_time_out() {
    let finished = with_echo(|world| async move {
        let received = Arc::new(std::sync::Mutex::new(0_u32));
        let count = Arc::clone(&received);
        let sink = world.spawn(world.host("server").unwrap(), async move {
            let listener = TcpListener::bind("0.0.0.0:9").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.read_exact(&mut [0]).await.is_ok() {
                *count.lock().unwrap() += 1;
            }
        });
        let source = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:9").await.unwrap();
            loop {
                stream.write_all(&[0]).await.unwrap();
                sleep(Duration::from_millis(100)).await;
            }
        });
        sleep(Duration::from_millis(1_050)).await;
        let before = *received.lock().unwrap();
        world.apply(&cut("server", "client")).unwrap();
        sleep(Duration::from_secs(10)).await;
        let during = *received.lock().unwrap() - before;
        world.apply(&mend("server", "client")).unwrap();
        sleep(Duration::from_secs(10)).await;
        let after = *received.lock().unwrap();
        drop((sink, source));
        (during, after)
    });
    let (during, after) = finished.result;
    assert!((1..=4).contains(&during), "{during} bytes got through a cut way back");
    assert!(after >= 200, "only {after} bytes arrived in 21 s");
}

#[test]
fn a_killed_process_resets_its_peers_and_never_runs_again() {
    let finished = with_echo(|world| async move {
        let client = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            ping(&mut stream).await.unwrap();
            let end = stream.read(&mut [0]).await;
            (end.map_err(|e| e.kind()), now_ns() / 1_000_000)
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.effects(world.apply(&Fault::Kill { host: "server".into() }).unwrap()), 1);
        assert_eq!(world.tasks(world.host("server").unwrap()), 0);
        client.unwrap().await.unwrap()
    });
    assert_eq!(finished.result, (Ok(0), 1_001));
    assert_eq!(finished.facts.polls_after_death, 0);
    assert_eq!(finished.facts.sockets_after_death, 0);
    assert_eq!(finished.facts.escaped_spawns, 0);
}

#[test]
fn power_loss_is_silence_and_the_next_kernel_resets_old_connections() {
    let finished = with_echo(|world| async move {
        let client = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            ping(&mut stream).await.unwrap();
            let silent = timeout(Duration::from_secs(3), stream.read(&mut [0])).await.is_err();
            stream.write_all(&[1]).await.unwrap();
            let error = stream.read(&mut [0]).await.unwrap_err().kind();
            (silent, error)
        });
        sleep(Duration::from_secs(1)).await;
        world.apply(&Fault::PowerLoss { host: "server".into() }).unwrap();
        sleep(Duration::from_secs(5)).await;
        world.apply(&Fault::Start { host: "server".into() }).unwrap();
        let seen = client.unwrap().await.unwrap();
        let again = on(world, "client", async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            ping(&mut stream).await.is_ok()
        })
        .await;
        (seen, again)
    });
    assert_eq!(finished.result, ((true, ErrorKind::ConnectionReset), true));
    let lives: Vec<_> = finished.facts.lives.iter().filter(|l| l.incarnation == 1).map(|l| l.event).collect();
    assert_eq!(lives, [LifeEvent::Booted]);
}

#[test]
fn a_paused_host_acknowledges_but_does_not_answer() {
    let finished = with_echo(|world| async move {
        let client = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            sleep(Duration::from_secs(2)).await;
            let before = now_ns();
            ping(&mut stream).await.unwrap();
            (now_ns() - before) / 1_000_000
        });
        sleep(Duration::from_secs(1)).await;
        let pause = world.apply(&Fault::Pause { host: "server".into() }).unwrap();
        sleep(Duration::from_secs(4)).await;
        world.apply(&Fault::Resume { host: "server".into() }).unwrap();
        (client.unwrap().await.unwrap(), world.effects(pause))
    });
    let (waited_ms, refused) = finished.result;
    // Asked at 2 s plus the connection's 2 ms, resumed at 5 s.
    assert_eq!(waited_ms, 2_999);
    assert!(refused > 0);
}

#[test]
fn a_reader_that_does_not_read_stops_its_writer() {
    let finished = with_echo(|world| async move {
        let server = world.spawn(world.host("server").unwrap(), async {
            let listener = TcpListener::bind("0.0.0.0:9").await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            sleep(Duration::from_secs(10)).await;
            let mut got = Vec::new();
            stream.read_to_end(&mut got).await.unwrap();
            got.len()
        });
        let written = on(world, "client", async {
            let mut stream = TcpStream::connect("server:9").await.unwrap();
            let mut written = 0;
            while let Ok(n) = timeout(Duration::from_secs(1), stream.write(&[0; 60_000])).await {
                written += n.unwrap();
            }
            let at_s = now_ns() / 1_000_000_000;
            stream.write_all(&[0; 1_000_000]).await.unwrap();
            (written, at_s)
        })
        .await;
        (written, server.unwrap().await.unwrap())
    });
    let ((written, blocked_at_s), received) = finished.result;
    assert_eq!(blocked_at_s, 1);
    assert_eq!(written, 512 * 1024);
    assert_eq!(received, written + 1_000_000);
}

#[test]
fn datagrams_and_multicast_reach_those_who_asked() {
    let hosts = vec![idle("a"), idle("b"), idle("c")];
    let finished = run(config(1), hosts, |world| async move {
        let listen = |join: bool| async move {
            let socket = UdpSocket::bind("0.0.0.0:7446").await.unwrap();
            if join {
                socket.join_multicast_v4("224.0.0.224".parse().unwrap(), "0.0.0.0".parse().unwrap()).unwrap();
            }
            let mut buf = [0; 16];
            let got = timeout(Duration::from_secs(1), socket.recv_from(&mut buf)).await;
            got.ok().map(|r| r.unwrap().0)
        };
        let b = world.spawn(world.host("b").unwrap(), listen(true)).unwrap();
        let c = world.spawn(world.host("c").unwrap(), listen(false)).unwrap();
        on(world, "a", async {
            sleep(Duration::from_millis(10)).await;
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.send_to(b"hi", "224.0.0.224:7446").await.unwrap();
        })
        .await;
        (b.await.unwrap(), c.await.unwrap())
    });
    assert_eq!(finished.result, (Some(2), None));
}

#[test]
fn wall_clocks_are_skewed_per_host_and_timers_are_not() {
    let finished = run(config(1), vec![idle("a"), idle("b")], |world| async move {
        world.apply(&Fault::Skew { host: "b".into(), offset_ns: -600_000_000_000 }).unwrap();
        let wall = || async {
            sleep(Duration::from_secs(1)).await;
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
        };
        let a = world.spawn(world.host("a").unwrap(), wall()).unwrap();
        let b = world.spawn(world.host("b").unwrap(), wall()).unwrap();
        a.await.unwrap() - b.await.unwrap()
    });
    assert_eq!(finished.result, 600_000);
}

#[test]
fn held_packets_arrive_in_order_after_the_release() {
    let finished = with_echo(|world| async move {
        let client = world.spawn(world.host("client").unwrap(), async {
            let mut stream = TcpStream::connect("server:7").await.unwrap();
            sleep(Duration::from_secs(1)).await;
            stream.write_all(b"a").await.unwrap();
            sleep(Duration::from_millis(300)).await;
            stream.write_all(b"b").await.unwrap();
            let mut got = [0; 2];
            stream.read_exact(&mut got).await.unwrap();
            (got, now_ns() / 1_000_000)
        });
        sleep(Duration::from_millis(500)).await;
        let (from, to) = names("client", "server");
        world.apply(&Fault::Hold { from: from.clone(), to: to.clone() }).unwrap();
        sleep(Duration::from_secs(2)).await;
        world.apply(&Fault::Release { from, to }).unwrap();
        client.unwrap().await.unwrap()
    });
    assert_eq!(finished.result, (*b"ab", 2_502));
}

#[test]
fn a_panic_a_real_socket_and_a_thread_are_reported_with_their_host() {
    let finished = run(config(1), vec![idle("a")], |world| async move {
        let a = world.host("a").unwrap();
        let panicked = world.spawn(a, async { panic!("the tested code broke") }).unwrap().await.is_err();
        let socket = on(world, "a", async { std::net::TcpStream::connect("127.0.0.1:1").is_err() }).await;
        let thread = on(world, "a", async { std::thread::Builder::new().spawn(|| ()).is_err() }).await;
        (panicked, socket, thread)
    });
    assert_eq!(finished.result, (true, true, true));
    let messages: Vec<&str> = finished.facts.panics.iter().map(|p| p.message.as_str()).collect();
    assert!(messages[0].contains("the tested code broke"), "{messages:?}");
    assert!(messages[1].contains("a real socket"), "{messages:?}");
    assert!(messages[2].contains("a thread"), "{messages:?}");
    assert_eq!(finished.facts.panics[0].host.map(|h| format!("{h:?}")), Some("HostId(0)".into()));
}

#[test]
fn a_task_that_never_lets_time_pass_is_a_livelock() {
    static SPINS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let mut config = config(1);
    config.poll_limit = 1_000;
    let outcome = std::panic::catch_unwind(|| {
        run(config, vec![idle("spinner")], |world| async move {
            on(world, "spinner", async {
                loop {
                    SPINS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            })
            .await
        })
    });
    assert!(outcome.is_err());
    assert!(SPINS.load(std::sync::atomic::Ordering::Relaxed) < 1_100);
}

#[test]
fn one_seed_gives_one_digest_and_another_seed_another() {
    let digest = |seed: u64| {
        let mut config = WorldConfig::new(seed);
        config.network.loss_per_million = 50_000;
        run(config, vec![echo("server"), idle("client")], |world| async move {
            on(world, "client", async {
                let mut stream = TcpStream::connect("server:7").await.unwrap();
                for _ in 0..50 {
                    ping(&mut stream).await.unwrap();
                }
            })
            .await;
        })
        .recording
        .digest
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}
