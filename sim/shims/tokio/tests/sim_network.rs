//! Sockets of the simulated network behave as tokio's do.

#![expect(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod support;

use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{NAME, PIPE_BYTES, simulate};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, Ready};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(address), listener.accept());
    let (server, peer) = server.unwrap();
    let client = client.unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(client.peer_addr().unwrap(), address);
    (client, server)
}

#[test]
fn bytes_arrive_in_order_through_full_pipes() {
    simulate(async {
        let (client, mut server) = connected().await;
        let sent: Vec<u8> = (0..=255).cycle().take(50 * PIPE_BYTES + 3).collect();
        let expected = sent.clone();
        let (mut read, mut write) = client.into_split();
        let writer = tokio::spawn(async move {
            write.write_all(&sent).await.unwrap();
            write.shutdown().await.unwrap();
        });
        let mut received = Vec::new();
        server.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, expected);
        writer.await.unwrap();
        server.write_all(b"answer").await.unwrap();
        drop(server);
        let mut answer = String::new();
        read.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
    });
}

#[test]
fn vectored_write_takes_from_every_slice() {
    simulate(async {
        let (mut client, mut server) = connected().await;
        assert!(client.is_write_vectored());
        let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 5);
        assert_eq!(client.try_write_vectored(&slices).unwrap(), 5);
        let mut received = [0; 10];
        server.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, b"abcdeabcde");
        assert_eq!(client.write(b"").await.unwrap(), 0);
    });
}

#[test]
fn peek_leaves_bytes_in_place() {
    simulate(async {
        let (mut client, mut server) = connected().await;
        client.write_all(b"hello").await.unwrap();
        let mut buf = [0; 3];
        assert_eq!(server.peek(&mut buf).await.unwrap(), 3);
        assert_eq!(&buf, b"hel");
        let (mut read, _write) = server.split();
        assert_eq!(read.peek(&mut buf).await.unwrap(), 3);
        let mut all = [0; 5];
        read.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"hello");
    });
}

#[test]
fn try_calls_say_would_block_instead_of_waiting() {
    simulate(async {
        let (client, server) = connected().await;
        assert_eq!(server.try_read(&mut [0; 4]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(client.try_write(&[7; PIPE_BYTES + 9]).unwrap(), PIPE_BYTES);
        assert_eq!(client.try_write(b"x").unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut four = [0; 4];
        assert_eq!(server.try_read(&mut four).unwrap(), 4);
        assert_eq!(four, [7; 4]);
        let (mut one, mut two) = ([0; 1], [0; 2]);
        let mut slices = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)];
        assert_eq!(server.try_read_vectored(&mut slices).unwrap(), 3);
        assert_eq!((one, two), ([7], [7, 7]));
        let mut rest = Vec::with_capacity(64);
        assert_eq!(server.try_read_buf(&mut rest).unwrap(), PIPE_BYTES - 7);
        assert_eq!(rest, [7; PIPE_BYTES - 7]);
        assert_eq!(server.try_io(Interest::READABLE, || Ok(5)).unwrap(), 5);
    });
}

#[test]
fn readiness_follows_the_pipe() {
    simulate(async {
        let (client, server) = connected().await;
        assert_eq!(client.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap(), Ready::WRITABLE);
        let server = Arc::new(server);
        let waiting: Vec<_> = (0..2)
            .map(|_| {
                let server = Arc::clone(&server);
                tokio::spawn(async move { server.readable().await.unwrap() })
            })
            .collect();
        tokio::task::yield_now().await;
        assert!(waiting.iter().all(|task| !task.is_finished()));
        assert_eq!(client.try_write(&[1; PIPE_BYTES]).unwrap(), PIPE_BYTES);
        for task in waiting {
            task.await.unwrap();
        }
        let full = tokio::time::timeout(Duration::from_millis(1), client.writable()).await;
        assert!(full.is_err(), "a full pipe was called writable");
        assert_eq!(server.try_read(&mut [0; 1]).unwrap(), 1);
        client.writable().await.unwrap();
    });
}

#[test]
fn async_io_runs_again_until_it_does_not_block() {
    simulate(async {
        let (client, server) = connected().await;
        let reader = tokio::spawn(async move {
            let mut buf = [0; 2];
            server.async_io(Interest::READABLE, || server.try_read(&mut buf)).await.unwrap()
        });
        tokio::task::yield_now().await;
        assert_eq!(client.try_write(b"ok").unwrap(), 2);
        assert_eq!(reader.await.unwrap(), 2);
    });
}

#[test]
fn dropping_the_owned_write_half_closes_the_write_side_alone() {
    simulate(async {
        let (client, mut server) = connected().await;
        let (mut read, write) = client.into_split();
        drop(write);
        assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
        server.write_all(b"still").await.unwrap();
        read.read_exact(&mut [0; 5]).await.unwrap();
    });
}

#[test]
fn forgetting_the_owned_write_half_leaves_the_write_side_open() {
    simulate(async {
        let (client, server) = connected().await;
        let (read, write) = client.into_split();
        write.forget();
        assert_eq!(server.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
        drop(read);
        assert_eq!(server.try_read(&mut [0; 1]).unwrap(), 0);
    });
}

#[test]
fn halves_reunite_only_with_their_own_other_half() {
    simulate(async {
        let (client, server) = connected().await;
        let (client_address, server_address) = (client.local_addr().unwrap(), server.local_addr().unwrap());
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = server.into_split();
        assert_eq!(client_read.as_ref().peer_addr().unwrap(), server_address);
        let error = client_read.reunite(server_write).unwrap_err();
        let (client_read, server_write) = (error.0, error.1);
        let client = client_read.reunite(client_write).unwrap();
        assert_eq!(client.local_addr().unwrap(), client_address);
        let server = server_write.reunite(server_read).unwrap();
        client.try_write(b"x").unwrap();
        assert_eq!(server.try_read(&mut [0; 1]).unwrap(), 1);
    });
}

#[test]
fn options_are_remembered_from_socket_to_stream() {
    simulate(async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        assert!(!socket.nodelay().unwrap());
        socket.set_nodelay(true).unwrap();
        socket.set_keepalive(true).unwrap();
        socket.set_send_buffer_size(4_096).unwrap();
        socket.set_zero_linger().unwrap();
        socket.bind_device(Some(b"eth0")).unwrap();
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.send_buffer_size().unwrap(), 4_096);
        assert_eq!(socket.device().unwrap().as_deref(), Some(&b"eth0"[..]));
        let local: SocketAddr = "10.0.0.7:4000".parse().unwrap();
        socket.bind(local).unwrap();
        assert_eq!(socket.local_addr().unwrap(), local);
        let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
        assert_eq!(stream.local_addr().unwrap(), local);
        assert!(stream.nodelay().unwrap());
        assert_eq!(stream.linger().unwrap(), Some(Duration::ZERO));
        stream.set_ttl(3).unwrap();
        assert_eq!(stream.ttl().unwrap(), 3);
    });
}

#[test]
fn listening_socket_refuses_a_taken_address() {
    simulate(async {
        let address: SocketAddr = "10.0.0.1:90".parse().unwrap();
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(address).unwrap();
        let listener = socket.listen(16).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        assert_eq!(TcpListener::bind(address).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        let nobody: SocketAddr = "10.0.0.1:91".parse().unwrap();
        assert_eq!(TcpStream::connect(nobody).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let both: &[SocketAddr] = &[nobody, address];
        assert_eq!(TcpStream::connect(both).await.unwrap().peer_addr().unwrap(), address);
    });
}

#[test]
fn simulated_sockets_survive_the_trip_through_std() {
    simulate(async {
        let (client, server) = connected().await;
        let address = client.local_addr().unwrap();
        let (one, two) = (client.into_std().unwrap(), server.into_std().unwrap());
        let server = TcpStream::from_std(two).unwrap();
        let client = TcpStream::try_from(one).unwrap();
        assert_eq!(client.local_addr().unwrap(), address);
        client.try_write(b"x").unwrap();
        assert_eq!(server.try_read(&mut [0; 1]).unwrap(), 1);
        let listener = TcpListener::bind("0.0.0.0:81").await.unwrap();
        let listener = TcpListener::from_std(listener.into_std().unwrap()).unwrap();
        assert_eq!(listener.local_addr().unwrap().port(), 81);
    });
}

#[test]
#[should_panic(expected = "a socket of the standard library was handed to tokio")]
fn real_socket_is_refused() {
    simulate(async {
        let real = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let _ = UdpSocket::from_std(real);
    });
}

#[test]
#[should_panic(expected = "a socket was opened on a thread outside the simulation")]
fn real_socket_on_another_thread_is_refused() {
    simulate(async {});
    let other = std::thread::spawn(|| TcpSocket::new_v4().map(drop));
    std::panic::resume_unwind(other.join().unwrap_err());
}

#[test]
fn names_are_resolved_by_the_simulated_network() {
    simulate(async {
        let _listener = TcpListener::bind((NAME.0, 82)).await.unwrap();
        let found: Vec<_> = tokio::net::lookup_host("toy.host:82").await.unwrap().collect();
        assert_eq!(found, [SocketAddr::new(NAME.1, 82)]);
        TcpStream::connect("toy.host:82").await.unwrap();
        TcpStream::connect(String::from("10.0.0.1:82")).await.unwrap();
        assert_eq!(TcpStream::connect("example.org:82").await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(TcpStream::connect("no port").await.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn task_that_never_waits_for_its_socket_lets_others_run() {
    simulate(async {
        let (mut client, mut server) = connected().await;
        let ran = Arc::new(AtomicBool::new(false));
        let other = Arc::clone(&ran);
        let busy = tokio::spawn(async move {
            tokio::spawn(async move { other.store(true, Ordering::SeqCst) });
            for _ in 0..1_000 {
                client.write_all(b"x").await.unwrap();
                server.read_exact(&mut [0; 1]).await.unwrap();
            }
            assert!(ran.load(Ordering::SeqCst), "a thousand ready reads starved the other task");
        });
        busy.await.unwrap();
    });
}

#[test]
fn datagrams_reach_their_address() {
    simulate(async {
        let (a, b) = (UdpSocket::bind("0.0.0.0:0").await.unwrap(), UdpSocket::bind("0.0.0.0:0").await.unwrap());
        let (a_address, b_address) = (a.local_addr().unwrap(), b.local_addr().unwrap());
        assert_eq!(b.try_recv_from(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(a.send(b"nowhere").await.is_err());
        assert_eq!(a.send_to(b"one", b_address).await.unwrap(), 3);
        assert_eq!(a.try_send_to(b"two!", b_address).unwrap(), 4);
        let mut buf = [0; 8];
        b.readable().await.unwrap();
        assert_eq!(b.peek_from(&mut buf).await.unwrap(), (3, a_address));
        assert_eq!(b.try_peek_sender().unwrap(), a_address);
        assert_eq!(b.recv_from(&mut buf).await.unwrap(), (3, a_address));
        assert_eq!(&buf[..3], b"one");
        let mut vec = Vec::with_capacity(16);
        assert_eq!(b.recv_buf_from(&mut vec).await.unwrap(), (4, a_address));
        assert_eq!(vec, b"two!");
    });
}

#[test]
fn connected_datagram_socket_hears_only_its_peer() {
    simulate(async {
        let a = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let b = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let stranger = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        b.connect(a.local_addr().unwrap()).await.unwrap();
        assert_eq!(b.peer_addr().unwrap(), a.local_addr().unwrap());
        stranger.send_to(b"spam", b.local_addr().unwrap()).await.unwrap();
        a.send_to(b"mail", b.local_addr().unwrap()).await.unwrap();
        let mut buf = [0; 8];
        assert_eq!(b.recv(&mut buf).await.unwrap(), 4);
        assert_eq!(&buf[..4], b"mail");
        b.send(b"back").await.unwrap();
        assert_eq!(a.recv(&mut buf).await.unwrap(), 4);
    });
}

#[test]
fn multicast_reaches_members_until_they_leave() {
    simulate(async {
        let group = Ipv4Addr::new(224, 0, 0, 9);
        let (sender, member) =
            (UdpSocket::bind("0.0.0.0:0").await.unwrap(), UdpSocket::bind("0.0.0.0:7000").await.unwrap());
        sender.set_multicast_ttl_v4(4).unwrap();
        sender.set_broadcast(true).unwrap();
        assert_eq!((sender.multicast_ttl_v4().unwrap(), sender.broadcast().unwrap()), (4, true));
        member.join_multicast_v4(group, Ipv4Addr::UNSPECIFIED).unwrap();
        sender.send_to(b"all", (group, 7000)).await.unwrap();
        assert_eq!(member.recv(&mut [0; 8]).await.unwrap(), 3);
        member.leave_multicast_v4(group, Ipv4Addr::UNSPECIFIED).unwrap();
        sender.send_to(b"all", (group, 7000)).await.unwrap();
        assert_eq!(member.try_recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}
