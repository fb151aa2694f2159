//! Kills, restarts, odd requests.

use super::{connect, note, note_log, partition, produce, record, topic};
use crate::raw::Raw;
use crate::script::{Played, Script, Stage};
use crate::server::Disk;
use std::time::Duration;

/// A broker that was killed is let back in at once.
const QUICK: &[&str] = &["--session-timeout", "500"];

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("restart with log", "what was produced before", |stage| Box::pin(with_log(stage))).with(QUICK, &[]),
    Script::new("restart without log", "a broker that lost everything", |stage| Box::pin(without_log(stage))),
    Script::new("produce over a restart", "a producer that is not told", |stage| Box::pin(produce_over(stage))),
    Script::new("orderly end", "SIGTERM, and back", |stage| Box::pin(orderly_end(stage))),
    Script::new("odd requests", "frames that are no requests, each on its own connection", |stage| {
        Box::pin(odd(stage))
    }),
];

async fn with_log(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    produce(&log, vec![record("before")]).await?;
    stage.restart(Disk::Kept).await;
    let client = connect(&stage).await?;
    stage.note("topics", client.list_topics().await?.len());
    if client.list_topics().await?.is_empty() {
        return Ok(());
    }
    let log = partition(&client, "news", 0).await?;
    note(&stage, "producer", produce(&log, vec![record("after")]).await);
    note_log(&stage, "log", &log, 0).await;
    Ok(())
}

async fn without_log(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    produce(&log, vec![record("before")]).await?;
    stage.restart(Disk::Empty).await;
    let client = connect(&stage).await?;
    stage.note("topics", client.list_topics().await?.len());
    let log = topic(&client, "news").await?;
    note(&stage, "producer", produce(&log, vec![record("after")]).await);
    note_log(&stage, "log", &log, 0).await;
    Ok(())
}

async fn produce_over(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    produce(&log, vec![record("before")]).await?;
    stage.kill().await;
    let producing = tokio::spawn(async move { produce(&log, vec![record("meanwhile")]).await });
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.start().await;
    let other = connect(&stage).await?;
    let log = topic(&other, "news").await?;
    note(&stage, "the producer that waited", producing.await?);
    note_log(&stage, "log", &log, 0).await;
    Ok(())
}

async fn orderly_end(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    topic(&client, "news").await?;
    let mut raw = Raw::connect(stage.port()).await?;
    stage.signal("TERM").await;
    for line in raw.lines_to_the_end().await {
        stage.note("connection", line);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    stage.note("newcomer", if Raw::connect(stage.port()).await.is_ok() { "is let in" } else { "finds nobody" });
    Ok(())
}

/// A request frame: its length, an API, a version, a correlation id, no client id.
fn request(api: i16, version: i16, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(api.to_be_bytes());
    frame.extend(version.to_be_bytes());
    frame.extend(7_i32.to_be_bytes());
    frame.extend((-1_i16).to_be_bytes());
    frame.extend(body);
    let length = i32::try_from(frame.len()).unwrap();
    [&length.to_be_bytes()[..], &frame].concat()
}

async fn odd(stage: Stage) -> Played {
    for (who, bytes) in [
        ("unknown API", request(9_999, 0, &[])),
        ("HTTP", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a negative length", (-1_i32).to_be_bytes().to_vec()),
        ("a huge length", i32::MAX.to_be_bytes().to_vec()),
        ("an empty frame", 0_i32.to_be_bytes().to_vec()),
        ("metadata cut short", request(3, 0, &[0, 0])),
    ] {
        let mut raw = Raw::connect(stage.port()).await?;
        raw.send(bytes).await;
        let heard = raw.lines().await;
        stage.note(who, if heard == ["(closed)"] { "closed" } else { "kept or answered" });
    }
    Ok(())
}
