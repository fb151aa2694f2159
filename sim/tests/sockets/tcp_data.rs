//! Bytes on open connections: order, buffers, readiness, halves.

use crate::stage::Stage;
use std::io::{ErrorKind, IoSlice, IoSliceMut};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// A byte stream in which every position can be told from its neighbours.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at * 31 + at / 251) % 251).unwrap()).collect()
}

async fn echo(mut stream: TcpStream) {
    let mut buf = [0; 64];
    while let Ok(n @ 1..) = stream.read(&mut buf).await {
        stream.write_all(&buf[..n]).await.unwrap();
    }
}

pub(crate) async fn an_echo_comes_back(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    let server = stage.spawn_on_server(echo(server));
    for text in ["a", "longer", ""] {
        client.write_all(text.as_bytes()).await.unwrap();
        let mut got = vec![0; text.len()];
        stage.did("read", client.read_exact(&mut got).await);
        stage.saw("text", String::from_utf8(got).unwrap());
    }
    drop(client);
    server.await.unwrap();
}

pub(crate) async fn eight_mebibytes_reach_a_slow_reader_in_order(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    let sent = pattern(8 << 20);
    let copy = sent.clone();
    let writer = stage.spawn_on_client(async move {
        client.write_all(&copy).await.unwrap();
        client.shutdown().await.unwrap();
        client
    });
    let mut got = Vec::new();
    let mut buf = vec![0; 300_000];
    loop {
        let n = server.read(&mut buf).await.unwrap();
        if n == 0 {
            break;
        }
        got.extend_from_slice(&buf[..n]);
        sleep(Duration::from_millis(1)).await;
    }
    drop(writer.await.unwrap());
    stage.saw("length", got.len());
    stage.saw("in order", got == sent);
}

pub(crate) async fn a_writer_waits_for_its_reader(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    let mut written = 0;
    // How much a kernel buffers is its own affair; that it stops is not.
    for _ in 0..3 {
        while let Ok(n) = client.try_write(&[7; 10_000]) {
            written += n;
        }
        stage.settle().await;
    }
    stage.did("no room", client.try_write(&[7; 10_000]));
    stage.waits("writable", client.writable()).await;
    let mut rest = vec![0; written];
    stage.did("read", server.read_exact(&mut rest).await.map(|n| n == written));
    stage.did("writable", client.writable().await);
    stage.did("room again", client.write(b"more").await);
    stage.did("and it arrives", server.read(&mut [0; 16]).await);
}

pub(crate) async fn a_try_read_would_block_until_data_is_there(stage: Stage) {
    let (client, server) = stage.pair().await;
    let mut buf = [0; 16];
    stage.did("nothing", client.try_read(&mut buf));
    stage.waits("readable", client.readable()).await;
    stage.did("write", server.try_write(b"now"));
    stage.did("readable", client.readable().await);
    stage.did("data", client.try_read(&mut buf));
    stage.did("no more", client.try_read(&mut buf));
    stage.did("write", server.try_write(b"buffered"));
    client.readable().await.unwrap();
    let mut into = Vec::with_capacity(16);
    stage.did("data into a buffer", client.try_read_buf(&mut into));
    stage.saw("bytes", &into);
    drop(server);
    client.readable().await.unwrap();
    stage.did("the end", client.try_read(&mut buf));
    stage.did("the end again", client.try_read(&mut buf));
}

pub(crate) async fn readiness_names_what_is_ready(stage: Stage) {
    let (client, server) = stage.pair().await;
    let both = Interest::READABLE | Interest::WRITABLE;
    let ready = client.ready(both).await.unwrap();
    stage.saw("fresh", (ready.is_readable(), ready.is_writable()));
    server.try_write(b"x").unwrap();
    stage.settle().await;
    let ready = client.ready(both).await.unwrap();
    stage.saw("with data", (ready.is_readable(), ready.is_writable()));
}

pub(crate) async fn a_peek_takes_nothing_away(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    stage.waits("peek at nothing", client.peek(&mut [0; 16])).await;
    server.write_all(b"one ").await.unwrap();
    server.write_all(b"two").await.unwrap();
    stage.settle().await;
    let mut buf = [0; 16];
    stage.did("peek at both", client.peek(&mut buf).await);
    stage.saw("bytes", &buf[..7]);
    stage.did("peek at a part", client.peek(&mut buf[..2]).await);
    stage.did("read all", client.read(&mut buf).await);
    stage.saw("bytes", &buf[..7]);
    server.shutdown().await.unwrap();
    stage.did("peek at the end", client.peek(&mut buf).await);
    stage.did("read at the end", client.read(&mut buf).await);
}

pub(crate) async fn one_read_takes_what_several_writes_left(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    for piece in [&b"a"[..], b"bc", b"def"] {
        server.write_all(piece).await.unwrap();
    }
    stage.settle().await;
    let mut buf = [0; 16];
    stage.did("read a part", client.read(&mut buf[..2]).await);
    stage.did("read the rest", client.read(&mut buf[2..]).await);
    stage.saw("bytes", &buf[..6]);
}

pub(crate) async fn vectored_writes_and_reads_keep_the_order(stage: Stage) {
    let (mut client, server) = stage.pair().await;
    let pieces = [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"three")];
    stage.saw("vectored", client.is_write_vectored());
    stage.did("write", client.write_vectored(&pieces).await);
    stage.did("try write", client.try_write_vectored(&pieces));
    stage.settle().await;
    server.readable().await.unwrap();
    let (mut first, mut second) = ([0; 4], [0; 32]);
    let read = server.try_read_vectored(&mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)]);
    stage.did("read", read);
    stage.saw("bytes", (first, &second[..12]));
}

pub(crate) async fn a_stream_splits_and_reunites(stage: Stage) {
    let (client, server) = stage.pair().await;
    let (other, _other_server) = stage.pair().await;
    let echo = stage.spawn_on_server(echo(server));
    let (mut read, mut write) = client.into_split();
    let (other_read, other_write) = other.into_split();
    let writer = stage.spawn_on_client(async move {
        write.write_all(b"by halves").await.unwrap();
        write
    });
    let mut buf = [0; 9];
    stage.did("read half", read.read_exact(&mut buf).await);
    let write = writer.await.unwrap();
    let mixed = read.reunite(other_write);
    stage.saw("halves of two streams", mixed.is_err());
    let error = mixed.unwrap_err();
    drop((error.1, other_read));
    let mut client = error.0.reunite(write).unwrap();
    stage.did("whole again", client.write(b"whole").await);
    {
        let (mut read, mut write) = client.split();
        stage.did("borrowed halves", read.read_exact(&mut buf[..5]).await);
        stage.did("borrowed halves", write.write(b"borrowed").await);
        stage.did("borrowed halves", read.read_exact(&mut buf[..8]).await);
    }
    drop(client);
    echo.await.unwrap();
}

pub(crate) async fn empty_reads_and_writes_move_nothing(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    stage.did("write nothing", client.write(b"").await);
    stage.did("write nothing in pieces", client.write_vectored(&[IoSlice::new(b""), IoSlice::new(b"")]).await);
    stage.waits("nothing arrives", server.read(&mut [0; 8])).await;
    client.write_all(b"x").await.unwrap();
    stage.settle().await;
    // Only with data there: without, tokio waits or not, by the readiness it remembers.
    stage.did("read nothing", server.read(&mut []).await);
    stage.did("the byte is still there", server.read(&mut [0; 8]).await);
    client.shutdown().await.unwrap();
    stage.settle().await;
    stage.did("read nothing at the end", server.read(&mut []).await);
}

pub(crate) async fn a_short_stream_ends_unexpectedly(stage: Stage) {
    let (mut client, mut server) = stage.pair().await;
    server.write_all(b"abc").await.unwrap();
    drop(server);
    stage.did("read exactly more", client.read_exact(&mut [0; 4]).await);
    stage.did("nothing is left", client.read(&mut [0; 4]).await);
}

pub(crate) async fn fifty_connections_do_not_mix(stage: Stage) {
    let (listener, address) = stage.listen().await;
    let server = stage.spawn_on_server(async move {
        for _ in 0..50 {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(echo(stream));
        }
    });
    let clients = (0..50_u8).map(|number| {
        stage.spawn_on_client(async move {
            let mut client = TcpStream::connect(address).await.unwrap();
            let sent = vec![number; 5_000];
            let mut got = vec![0; sent.len()];
            let (mut read, mut write) = client.split();
            let (wrote, read) = tokio::join!(write.write_all(&sent), read.read_exact(&mut got));
            wrote.is_ok() && read.is_ok() && got == sent
        })
    });
    let mut right = 0;
    for client in clients.collect::<Vec<_>>() {
        right += usize::from(client.await.unwrap());
    }
    server.await.unwrap();
    stage.saw("connections that got their own bytes", right);
}

pub(crate) async fn several_tasks_wait_for_one_socket(stage: Stage) {
    let (client, server) = stage.pair().await;
    let client = Arc::new(client);
    let reader = || {
        let client = Arc::clone(&client);
        stage.spawn_on_client(async move {
            loop {
                client.readable().await.unwrap();
                let mut byte = [0];
                match client.try_read(&mut byte) {
                    Ok(_) => return byte[0],
                    Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
                }
            }
        })
    };
    let readers = [reader(), reader(), reader()];
    stage.settle().await;
    for byte in [1, 2, 3] {
        server.try_write(&[byte]).unwrap();
        stage.settle().await;
    }
    let mut got = Vec::new();
    for reader in readers {
        got.push(reader.await.unwrap());
    }
    // Which task reads which byte is the scheduler's choice.
    got.sort_unstable();
    stage.saw("each byte once", got);
}

pub(crate) async fn one_task_reads_while_another_writes(stage: Stage) {
    let (client, server) = stage.pair().await;
    let echo = stage.spawn_on_server(echo(server));
    let (mut read, mut write) = client.into_split();
    let sent = pattern(2 << 20);
    let copy = sent.clone();
    let writer = stage.spawn_on_client(async move {
        // The half is dropped at the end: that lets the echo end, too.
        write.write_all(&copy).await
    });
    let mut got = Vec::new();
    stage.did("read", read.read_to_end(&mut got).await);
    stage.did("written", writer.await.unwrap());
    stage.saw("the same", got == sent);
    drop(read);
    echo.await.unwrap();
}
