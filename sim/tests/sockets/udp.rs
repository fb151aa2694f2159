//! Datagrams.
//!
//! Left out: a connected socket's `ConnectionRefused` after a send to a closed port. It comes from an ICMP message, which
//! the simulated network does not have.

use crate::stage::Stage;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::net::UdpSocket;

async fn sockets(stage: &Stage) -> (UdpSocket, UdpSocket) {
    let server = stage.on_server(UdpSocket::bind((stage.server_ip, 0))).await.unwrap();
    let client = stage.on_client(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).await.unwrap();
    (client, server)
}

pub(crate) async fn datagrams_keep_their_bounds_and_their_sender(stage: Stage) {
    let (client, server) = sockets(&stage).await;
    let to = server.local_addr().unwrap();
    let mut buf = [0; 64];
    for text in ["one", "", "three"] {
        stage.did("send", client.send_to(text.as_bytes(), to).await);
        // A network may reorder datagrams under way, so there is one at a time.
        stage.settle().await;
    }
    for _ in 0..3 {
        let (n, from) = server.recv_from(&mut buf).await.unwrap();
        stage.saw("text", String::from_utf8_lossy(&buf[..n]));
        let port = client.local_addr().unwrap().port();
        stage.saw("sender", from == SocketAddr::new(stage.client_ip, port));
        stage.did("answer", server.send_to(b"answer", from).await);
        let (n, from) = client.recv_from(&mut buf).await.unwrap();
        stage.saw("answered", (n, from == to));
    }
}

pub(crate) async fn a_long_datagram_is_truncated(stage: Stage) {
    let (client, server) = sockets(&stage).await;
    let to = server.local_addr().unwrap();
    for text in ["much too long", "next"] {
        client.send_to(text.as_bytes(), to).await.unwrap();
        stage.settle().await;
    }
    let mut buf = [0; 4];
    stage.did("recv", server.recv(&mut buf).await);
    stage.saw("bytes", buf);
    stage.did("the rest is gone", server.recv(&mut buf).await);
    stage.saw("bytes", buf);
}

pub(crate) async fn a_connected_socket_hears_its_peer_only(stage: Stage) {
    let (client, server) = sockets(&stage).await;
    let stranger = stage.on_server(UdpSocket::bind((stage.server_ip, 0))).await.unwrap();
    let to = server.local_addr().unwrap();
    stage.did("peer", client.peer_addr());
    stage.did("connect", client.connect(to).await);
    stage.did("peer", client.peer_addr().map(|peer| peer == to));
    stage.did("send", client.send(b"question").await);
    let mut buf = [0; 16];
    let (_, from) = server.recv_from(&mut buf).await.unwrap();
    stranger.send_to(b"noise", from).await.unwrap();
    stage.settle().await;
    server.send_to(b"answer", from).await.unwrap();
    stage.did("recv", client.recv(&mut buf).await);
    stage.saw("bytes", &buf[..6]);
    stage.waits("recv", client.recv(&mut buf)).await;
    stage.did("send elsewhere", client.send_to(b"aside", stranger.local_addr().unwrap()).await);
    stage.did("recv", stranger.recv(&mut buf).await);
}

pub(crate) async fn two_sockets_connect_to_each_other(stage: Stage) {
    let server = stage.on_server(UdpSocket::bind((stage.server_ip, 0))).await.unwrap();
    let client = stage.on_client(UdpSocket::bind((stage.client_ip, 0))).await.unwrap();
    client.connect(server.local_addr().unwrap()).await.unwrap();
    server.connect(client.local_addr().unwrap()).await.unwrap();
    let mut buf = [0; 16];
    for _ in 0..3 {
        stage.did("ping", client.send(b"ping").await);
        stage.did("heard", server.recv(&mut buf).await);
        stage.did("pong", server.send(b"pong!").await);
        stage.did("heard", client.recv(&mut buf).await);
    }
}

pub(crate) async fn a_send_without_destination_fails(stage: Stage) {
    let (client, _server) = sockets(&stage).await;
    let raw = client.send(b"where to?").await.map_err(|error| error.raw_os_error());
    stage.saw("send", raw);
}

pub(crate) async fn a_datagram_to_a_closed_port_is_lost_silently(stage: Stage) {
    let (client, server) = sockets(&stage).await;
    let to = server.local_addr().unwrap();
    drop(server);
    stage.did("send", client.send_to(b"anyone?", to).await);
    stage.settle().await;
    stage.did("send again", client.send_to(b"anyone?", to).await);
    stage.waits("recv", client.recv(&mut [0; 8])).await;
}

pub(crate) async fn a_datagram_has_a_largest_size(stage: Stage) {
    let (client, server) = sockets(&stage).await;
    let to = server.local_addr().unwrap();
    stage.did("the largest", client.send_to(&[1; 65_507], to).await);
    let mut buf = vec![0; 70_000];
    stage.did("arrives", server.recv(&mut buf).await);
    let too_long = client.send_to(&[1; 65_508], to).await;
    stage.saw("one more", too_long.map_err(|error| (error.kind(), error.raw_os_error())));
}

pub(crate) async fn a_try_recv_would_block_until_a_datagram_is_there(stage: Stage) {
    let (client, server) = sockets(&stage).await;
    let mut buf = [0; 16];
    stage.did("nothing", server.try_recv(&mut buf));
    stage.waits("readable", server.readable()).await;
    stage.did("writable", client.writable().await);
    stage.did("send", client.try_send_to(b"now", server.local_addr().unwrap()));
    stage.did("readable", server.readable().await);
    stage.did("peek", server.peek_from(&mut buf).await.map(|(n, _)| n));
    stage.did("datagram", server.try_recv(&mut buf));
    stage.did("no more", server.try_recv(&mut buf));
}

pub(crate) async fn a_datagram_port_has_one_socket(stage: Stage) {
    let (_client, server) = sockets(&stage).await;
    let address = server.local_addr().unwrap();
    stage.did("second", stage.on_server(UdpSocket::bind(address)).await.map(drop));
    drop(server);
    stage.did("after the drop", stage.on_server(UdpSocket::bind(address)).await.map(drop));
    let foreign = (Ipv4Addr::new(192, 0, 2, 1), 0);
    stage.did("foreign", stage.on_server(UdpSocket::bind(foreign)).await.map(drop));
    let (one, two) = sockets(&stage).await;
    stage.saw("port zero", one.local_addr().unwrap().port() != 0 && two.local_addr().unwrap().port() != 0);
}

pub(crate) async fn a_socket_hears_its_own_address_only(stage: Stage) {
    let socket = stage.on_server(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let sender = stage.on_server(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))).await.unwrap();
    stage.did("elsewhere", sender.send_to(b"not here", (Ipv4Addr::new(127, 0, 0, 2), port)).await);
    stage.waits("recv", socket.recv(&mut [0; 16])).await;
    stage.did("here", sender.send_to(b"here", (Ipv4Addr::LOCALHOST, port)).await);
    let mut buf = [0; 16];
    let (n, from) = socket.recv_from(&mut buf).await.unwrap();
    stage.saw("recv", (n, from.ip()));
}
