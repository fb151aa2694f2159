//! Without a simulation everything is the real tokio. No test of this file may install one, since
//! that shuts real sockets off for the whole process.

#![expect(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::gate;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};
use tokio::task::{JoinSet, LocalSet};

async fn connected() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, server) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), server.unwrap().0)
}

#[tokio::test]
async fn stream_echoes_over_loopback() {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let echo = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.unwrap()
    });
    let (mut read, mut write) = TcpStream::connect(address).await.unwrap().into_split();
    let sent = vec![42; 300_000];
    let expected = sent.clone();
    let writer = tokio::spawn(async move { write.write_all(&sent).await });
    let mut received = Vec::new();
    read.read_to_end(&mut received).await.unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(received, expected);
    assert_eq!(echo.await.unwrap(), 300_000);
}

#[tokio::test]
async fn borrowed_write_half_shuts_the_write_side() {
    let (mut client, mut server) = connected().await;
    let (_read, mut write) = client.split();
    write.write_all(b"last").await.unwrap();
    write.shutdown().await.unwrap();
    let mut received = String::new();
    server.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "last");
    server.write_all(b"open").await.unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"open");
}

#[tokio::test]
async fn owned_halves_reunite_and_forget() {
    let (client, mut server) = connected().await;
    let (read, write) = client.into_split();
    let (read, write) = read.reunite(write).unwrap().into_split();
    write.forget();
    assert_eq!(server.try_read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    drop(read);
    assert_eq!(server.read(&mut [0; 1]).await.unwrap(), 0);
}

#[tokio::test]
async fn readiness_and_std_round_trip_work() {
    let (client, server) = connected().await;
    client.set_nodelay(true).unwrap();
    let client = TcpStream::from_std(client.into_std().unwrap()).unwrap();
    assert!(client.nodelay().unwrap());
    client.writable().await.unwrap();
    assert_eq!(client.try_write(b"hi").unwrap(), 2);
    assert!(server.ready(Interest::READABLE).await.unwrap().is_readable());
    let mut buf = [0; 2];
    assert_eq!(server.peek(&mut buf).await.unwrap(), 2);
    assert_eq!(server.try_read(&mut buf).unwrap(), 2);
    assert_eq!(&buf, b"hi");
}

#[tokio::test]
async fn socket_and_datagrams_use_the_machine() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(8).unwrap();
    TcpSocket::new_v4().unwrap().connect(listener.local_addr().unwrap()).await.unwrap();
    let a = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let b = UdpSocket::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    a.connect(b.local_addr().unwrap()).await.unwrap();
    a.send(b"ping").await.unwrap();
    assert_eq!(b.peek(&mut [0; 8]).await.unwrap(), 4);
    assert_eq!(b.recv_from(&mut [0; 8]).await.unwrap(), (4, a.local_addr().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_pass_no_gate() {
    let mut set: JoinSet<u32> = (0..3).map(|n| async move { n }).collect();
    set.spawn_blocking(|| 3);
    let mut done = set.join_all().await;
    done.sort_unstable();
    assert_eq!(done, [0, 1, 2, 3]);
    let handle = tokio::runtime::Handle::current();
    assert_eq!(handle.runtime_flavor(), tokio::runtime::RuntimeFlavor::MultiThread);
    assert!(handle.metrics().num_workers() >= 2);
    let nested = tokio::task::spawn_blocking(move || handle.block_on(async { tokio::task::yield_now().await }));
    nested.await.unwrap();
    assert_eq!((gate::total_polls(), gate::spawned(0)), (0, 0));
}

#[test]
fn local_set_and_local_runtime_run_local_tasks() {
    let runtime = tokio::runtime::LocalRuntime::new().unwrap();
    let shared = std::rc::Rc::new(5);
    let inner = std::rc::Rc::clone(&shared);
    assert_eq!(runtime.block_on(async { runtime.spawn_local(async move { *inner }).await.unwrap() }), 5);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = LocalSet::new();
    let local = set.spawn_local(async move { *shared });
    assert_eq!(set.block_on(&runtime, local).unwrap(), 5);
}

#[tokio::main(flavor = "current_thread")]
async fn entry() -> u32 {
    tokio::select! {
        biased;
        () = std::future::pending() => 0,
        value = async { 7 } => value,
    }
}

#[test]
fn main_select_and_join_macros_resolve() {
    assert_eq!(entry(), 7);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let both = runtime.block_on(async { tokio::try_join!(async { Ok::<_, ()>(1) }, async { Ok(2) }) });
    assert_eq!(both, Ok((1, 2)));
}
