//! Listening, connecting, accepting, addresses.

use crate::stage::Stage;
use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

pub(crate) async fn connecting_to_a_closed_port_is_refused(stage: Stage) {
    let (listener, address) = stage.listen().await;
    drop(listener);
    stage.did("connect", stage.connect(address).await.map(drop));
    stage.did("connect again", stage.connect(address).await.map(drop));
}

pub(crate) async fn a_connection_nobody_accepts_is_open_and_buffers(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let mut client = stage.connect(address).await.unwrap();
    stage.did("write", client.write(b"early").await);
    stage.settle().await;
    stage.waits("read", client.read(&mut [0; 8])).await;
    let (mut server, _) = listener.accept().await.unwrap();
    let mut got = [0; 8];
    stage.did("read what was written before accept", server.read(&mut got).await);
    stage.saw("bytes", &got[..5]);
    stage.did("answer", server.write(b"late").await);
    stage.did("read", client.read(&mut got).await);
}

pub(crate) async fn a_dropped_listener_resets_what_it_never_accepted(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let mut silent = stage.connect(address).await.unwrap();
    let mut talker = stage.connect(address).await.unwrap();
    stage.did("write", talker.write(b"hello?").await);
    stage.settle().await;
    drop(listener);
    stage.settle().await;
    for client in [&mut silent, &mut talker] {
        stage.did("read", client.read(&mut [0; 8]).await);
        stage.did("write", client.write(b"x").await);
        stage.did("read again", client.read(&mut [0; 8]).await);
    }
    stage.did("connect", stage.connect(address).await.map(drop));
}

pub(crate) async fn a_port_has_one_listener(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let second = stage.on_server(TcpListener::bind(address)).await;
    stage.did("bind the same address", second.map(drop));
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port());
    stage.did("bind the same port of all addresses", stage.on_server(TcpListener::bind(any)).await.map(drop));
    let client = stage.connect(address).await;
    stage.did("the first still listens", client.map(drop));
    drop(listener);
}

pub(crate) async fn a_port_is_free_again_after_its_listener_is_dropped(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let mut client = stage.connect(address).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    drop(listener);
    let again = stage.on_server(TcpListener::bind(address)).await;
    stage.did("bind again", again.as_ref().map(drop).map_err(|error| error.kind().into()));
    stage.did("the old connection lives", server.write(b"still").await);
    stage.did("and delivers", client.read(&mut [0; 8]).await);
    stage.did("a new one opens", stage.connect(address).await.map(drop));
}

pub(crate) async fn port_zero_is_a_free_port(stage: Stage) {
    let (_one, first) = stage.listen().await;
    let (_two, second) = stage.listen().await;
    stage.saw("given", first.port() != 0 && second.port() != 0);
    stage.saw("distinct", first.port() != second.port());
    stage.saw("not below the ephemeral ones", first.port() >= 1024);
}

pub(crate) async fn the_addresses_of_both_ends_agree(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let client = stage.connect(address).await.unwrap();
    let (server, from) = listener.accept().await.unwrap();
    stage.saw("peer of the client", client.peer_addr().unwrap() == address);
    stage.saw("local of the server", server.local_addr().unwrap() == address);
    stage.saw("peer of the server", server.peer_addr().unwrap() == client.local_addr().unwrap());
    stage.saw("told by accept", from == client.local_addr().unwrap());
    stage.saw("the client's host", from.ip() == stage.client_ip);
    let (read, write) = client.into_split();
    stage.saw("halves", read.local_addr().unwrap() == from && write.peer_addr().unwrap() == address);
}

pub(crate) async fn the_unspecified_address_listens_everywhere_and_dials_this_host(stage: Stage) {
    let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
    let listener = stage.on_server(TcpListener::bind(any)).await.unwrap();
    let bound = listener.local_addr().unwrap();
    stage.saw("listens on", bound.ip());
    let outside = stage.connect(SocketAddr::new(stage.server_ip, bound.port())).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    stage.saw("accepted at the dialled address", accepted.local_addr().unwrap() == outside.peer_addr().unwrap());
    let inside = stage.on_server(TcpStream::connect(bound)).await.unwrap();
    let (accepted, from) = listener.accept().await.unwrap();
    stage.saw("dialling it", inside.peer_addr().unwrap().ip());
    stage.saw("comes from", (from.ip(), inside.local_addr().unwrap().ip(), accepted.local_addr().unwrap().ip()));
}

pub(crate) async fn a_listener_hears_its_own_address_only(stage: Stage) {
    let listener = stage.on_server(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let elsewhere = (Ipv4Addr::new(127, 0, 0, 2), port);
    stage.did("another loopback address", stage.on_server(TcpStream::connect(elsewhere)).await.map(drop));
    let here = stage.on_server(TcpStream::connect((Ipv4Addr::LOCALHOST, port))).await;
    stage.did("its own", here.map(drop));
}

pub(crate) async fn another_loopback_address_is_dialled_from_the_first(stage: Stage) {
    let second = Ipv4Addr::new(127, 0, 0, 2);
    let listener = stage.on_server(TcpListener::bind((second, 0))).await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = stage.on_server(TcpStream::connect(address)).await.unwrap();
    let (_server, from) = listener.accept().await.unwrap();
    stage.saw("from", from.ip());
    stage.saw("to", client.peer_addr().unwrap().ip());
}

pub(crate) async fn a_foreign_address_cannot_be_bound(stage: Stage) {
    let foreign: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
    stage.did("listen", stage.on_server(TcpListener::bind((foreign, 0))).await.map(drop));
    let from_there = stage.on_client(async move {
        let socket = TcpSocket::new_v4()?;
        // The simulated socket learns of a wrong address only when it connects; both are before any packet.
        socket.bind((foreign, 0).into())?;
        socket.connect((Ipv4Addr::LOCALHOST, 1).into()).await
    });
    stage.did("connect from it", from_there.await.map(drop));
}

pub(crate) async fn a_bound_socket_connects_from_its_address(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let local = stage.client_ip;
    let client = stage.on_client(async move {
        let socket = TcpSocket::new_v4()?;
        socket.bind((local, 0).into())?;
        socket.connect(address).await
    });
    let client = client.await.unwrap();
    let (_server, from) = listener.accept().await.unwrap();
    stage.saw("address", from.ip() == local && from == client.local_addr().unwrap());
    stage.saw("port", from.port() != 0);
}

pub(crate) async fn connections_are_accepted_in_the_order_they_were_made(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let mut clients = Vec::new();
    for number in 0..10_u8 {
        let mut client = stage.connect(address).await.unwrap();
        client.write_all(&[number]).await.unwrap();
        clients.push(client);
    }
    for _ in 0..10 {
        let (mut server, _) = listener.accept().await.unwrap();
        stage.did("accepted", server.read_u8().await);
    }
    stage.waits("accept", listener.accept()).await;
}

pub(crate) async fn a_connection_closed_before_accept_still_delivers(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let mut client = stage.connect(address).await.unwrap();
    client.write_all(b"last words").await.unwrap();
    drop(client);
    stage.settle().await;
    let (mut server, _) = listener.accept().await.unwrap();
    let mut got = String::new();
    stage.did("read to the end", server.read_to_string(&mut got).await);
    stage.saw("text", got);
}

pub(crate) async fn a_dropped_connect_leaves_the_listener_usable(stage: Stage) {
    let (listener, address) = stage.listen().await;
    stage
        .on_client(async move {
            let mut connecting = pin!(TcpStream::connect(address));
            let _given_up = connecting.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        })
        .await;
    stage.settle().await;
    let mut client = stage.connect(address).await.unwrap();
    client.write_all(b"second").await.unwrap();
    // Over Linux's loopback even one poll opens the connection, over a wire it does not: accept may give the first one,
    // dead or closed, before the second.
    let mut got = [0; 6];
    loop {
        let (mut server, _) = listener.accept().await.unwrap();
        if server.read_exact(&mut got).await.is_ok() {
            break;
        }
    }
    stage.saw("the next connection works", got);
}

pub(crate) async fn several_tasks_accept_from_one_listener(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let listener = Arc::new(listener);
    let acceptor = || {
        let listener = Arc::clone(&listener);
        stage.spawn_on_server(async move {
            let (mut server, _) = listener.accept().await.unwrap();
            server.read_u8().await.unwrap()
        })
    };
    let acceptors = [acceptor(), acceptor(), acceptor()];
    let mut clients = Vec::new();
    for number in 1..=3_u8 {
        let mut client = stage.connect(address).await.unwrap();
        client.write_all(&[number]).await.unwrap();
        clients.push(client);
    }
    let mut accepted = Vec::new();
    for acceptor in acceptors {
        accepted.push(acceptor.await.unwrap());
    }
    // Which task gets which connection is the scheduler's choice.
    accepted.sort_unstable();
    stage.saw("each connection once", accepted);
}
