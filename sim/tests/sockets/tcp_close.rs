//! How connections end, and what either side sees of it.

use crate::stage::Stage;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What is left of a connection: the errors in the order they come.
async fn examine(stage: &Stage, stream: &mut TcpStream) {
    for _ in 0..2 {
        stage.did("read", stream.read(&mut [0; 8]).await);
        stage.did("write", stream.write(b"x").await);
        // Over Linux's loopback the answer to a write is there at once, over a wire it is not.
        stage.settle().await;
    }
    stage.did("peer", stream.peer_addr().map(drop));
    stage.did("local", stream.local_addr().map(drop));
    stage.did("shutdown", stream.shutdown().await);
    stage.did("error", stream.take_error().map(|error| error.map(|e| e.kind())));
}

pub(crate) async fn each_direction_closes_by_itself(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    client.write_all(b"question").await.unwrap();
    stage.did("shutdown", client.shutdown().await);
    let mut got = Vec::new();
    stage.did("read to the end", server.read_to_end(&mut got).await);
    stage.saw("bytes", &got);
    stage.did("the other way is open", server.write(b"answer").await);
    stage.did("shutdown", server.shutdown().await);
    got.clear();
    stage.did("read to the end", client.read_to_end(&mut got).await);
    stage.saw("bytes", &got);
    stage.did("read at the end", client.read(&mut [0; 8]).await);
}

pub(crate) async fn a_drop_with_unread_data_resets_the_peer(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    client.write_all(b"ignored").await.unwrap();
    stage.settle().await;
    drop(server);
    stage.settle().await;
    examine(&stage, &mut client).await;
}

pub(crate) async fn a_write_reports_a_reset_once(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    client.write_all(b"ignored").await.unwrap();
    stage.settle().await;
    drop(server);
    stage.settle().await;
    stage.did("write", client.write(b"x").await);
    stage.did("write again", client.write(b"x").await);
    stage.did("read", client.read(&mut [0; 8]).await);
}

pub(crate) async fn a_pending_read_learns_of_a_reset(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    client.write_all(b"ignored").await.unwrap();
    stage.settle().await;
    let reader = stage.spawn_on_client(async move {
        let read = client.read(&mut [0; 8]).await;
        (read, client)
    });
    stage.settle().await;
    drop(server);
    let (read, mut client) = reader.await.unwrap();
    stage.did("read", read);
    examine(&stage, &mut client).await;
}

pub(crate) async fn what_arrived_before_a_reset_can_be_read(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    client.write_all(b"ignored").await.unwrap();
    stage.settle().await;
    // Straight after each other: the reset must not overtake the answer.
    server.write_all(b"answer").await.unwrap();
    drop(server);
    stage.settle().await;
    let mut got = [0; 16];
    stage.did("read", client.read(&mut got).await);
    stage.saw("bytes", &got[..6]);
    examine(&stage, &mut client).await;
}

pub(crate) async fn a_clean_drop_is_an_end_then_a_broken_pipe(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    drop(server);
    stage.settle().await;
    stage.did("read", client.read(&mut [0; 8]).await);
    stage.did("the first write", client.write(b"x").await);
    stage.settle().await;
    stage.did("the second write", client.write(b"x").await);
    examine(&stage, &mut client).await;
}

pub(crate) async fn writing_to_a_dropped_peer_leaves_one_error(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    drop(server);
    stage.settle().await;
    stage.did("write", client.write(b"x").await);
    stage.settle().await;
    stage.did("error", client.take_error().map(|error| error.map(|e| e.kind())));
    stage.did("error again", client.take_error().map(|error| error.map(|e| e.kind())));
    examine(&stage, &mut client).await;
}

pub(crate) async fn an_error_that_was_taken_is_gone(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    client.write_all(b"ignored").await.unwrap();
    stage.settle().await;
    drop(server);
    stage.settle().await;
    stage.did("error", client.take_error().map(|error| error.map(|e| e.kind())));
    examine(&stage, &mut client).await;
}

pub(crate) async fn a_reset_makes_a_socket_readable_and_writable(stage: Stage) {
    let (client, server) = stage.pair().await;
    client.try_write(b"ignored").unwrap();
    stage.settle().await;
    drop(server);
    stage.settle().await;
    stage.did("readable", client.readable().await);
    stage.did("writable", client.writable().await);
    stage.did("read", client.try_read(&mut [0; 8]));
    stage.did("write", client.try_write(b"x"));
}

pub(crate) async fn a_write_after_the_own_shutdown_is_a_broken_pipe(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    client.shutdown().await.unwrap();
    stage.did("write", client.write(b"x").await);
    stage.did("write again", client.write(b"x").await);
    server.write_all(b"still heard").await.unwrap();
    stage.did("read", client.read(&mut [0; 16]).await);
    stage.did("writable", client.writable().await);
}

pub(crate) async fn a_shutdown_may_be_repeated(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    stage.did("first", client.shutdown().await);
    stage.did("second", client.shutdown().await);
    stage.did("of the other side", server.shutdown().await);
    stage.settle().await;
    stage.did("when all is over", client.shutdown().await);
    stage.did("on the other side", server.shutdown().await);
}

pub(crate) async fn both_sides_may_close_at_once(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    client.write_all(b"to server").await.unwrap();
    server.write_all(b"to client").await.unwrap();
    client.shutdown().await.unwrap();
    server.shutdown().await.unwrap();
    stage.settle().await;
    for stream in [&mut client, &mut server] {
        let mut got = Vec::new();
        stage.did("read to the end", stream.read_to_end(&mut got).await);
        stage.saw("bytes", &got);
        examine(&stage, stream).await;
    }
}

pub(crate) async fn a_connection_closed_both_ways_is_no_longer_connected(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    client.shutdown().await.unwrap();
    stage.did("read", server.read(&mut [0; 8]).await);
    stage.did("peer while half open", server.peer_addr().map(drop));
    server.shutdown().await.unwrap();
    stage.settle().await;
    examine(&stage, &mut client).await;
    examine(&stage, &mut server).await;
}

pub(crate) async fn the_dropped_write_half_shuts_down(stage: Stage) {
    let (client, mut server) = stage.pair().await;
    let (mut read, mut write) = client.into_split();
    write.write_all(b"all of it").await.unwrap();
    drop(write);
    let mut got = Vec::new();
    stage.did("read to the end", server.read_to_end(&mut got).await);
    server.write_all(b"answer").await.unwrap();
    stage.did("the read half lives", read.read(&mut [0; 8]).await);
    drop(read);
    stage.settle().await;
    examine(&stage, &mut server).await;
}

pub(crate) async fn the_forgotten_write_half_stays_open(stage: Stage) {
    let (client, mut server) = stage.pair().await;
    let (read, write) = client.into_split();
    write.forget();
    stage.waits("read", server.read(&mut [0; 8])).await;
    drop(read);
    stage.did("read", server.read(&mut [0; 8]).await);
}

pub(crate) async fn the_dropped_read_half_stops_nothing(stage: Stage) {
    let (client, mut server) = stage.pair().await;
    let (read, mut write) = client.into_split();
    drop(read);
    server.write_all(b"unheard").await.unwrap();
    stage.settle().await;
    stage.did("write", write.write(b"heard").await);
    stage.did("read", server.read(&mut [0; 8]).await);
    drop(write);
    stage.settle().await;
    // The last owner is gone, and there was data it had not read.
    examine(&stage, &mut server).await;
}

pub(crate) async fn an_aborted_task_closes_its_socket(stage: Stage) {
    let (client, mut server) = stage.pair().await;
    let owner = stage.spawn_on_client(async move {
        let mut client = client;
        client.read(&mut [0; 8]).await.map(drop)
    });
    stage.settle().await;
    owner.abort();
    stage.saw("cancelled", owner.await.unwrap_err().is_cancelled());
    stage.did("read", server.read(&mut [0; 8]).await);
}

pub(crate) async fn an_aborted_listener_closes_its_port(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let owner = stage.spawn_on_server(async move { listener.accept().await.map(drop) });
    stage.settle().await;
    owner.abort();
    stage.saw("cancelled", owner.await.unwrap_err().is_cancelled());
    stage.did("connect", stage.connect(address).await.map(drop));
}

pub(crate) async fn data_for_a_dropped_reader_is_answered_with_a_reset(stage: Stage) {
    let (client, server) = stage.pair().await;
    // Both directions at once: what the server sends meets a socket that is gone.
    drop(client);
    stage.did("write", server.try_write(b"too late"));
    stage.settle().await;
    let mut server = server;
    stage.did("read", server.read(&mut [0; 8]).await);
    stage.did("write", server.write(b"x").await);
}
