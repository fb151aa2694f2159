//! Kills, restarts, slow subscribers.

use super::{answer, client3, connect, hear, pubsub};
use crate::raw::{Heard, Raw};
use crate::script::{Played, Script, Stage};
use crate::server::Disk;
use redis::aio::ConnectionManagerConfig;
use redis::{AsyncCommands, PushInfo, PushKind};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("stream over a kill", "the plain subscriber when its server dies", |stage| {
        Box::pin(stream_ends(stage))
    }),
    Script::new("connection manager returns", "resubscription after a kill", |stage| Box::pin(manager(stage))),
    Script::new("attempts used up", "a connection manager whose server stays away", |stage| Box::pin(used_up(stage))),
    Script::new("command over a kill", "commands while the server is away, and after", |stage| {
        Box::pin(commands(stage))
    }),
    Script::new("restart with data", "keys that were on disk", |stage| Box::pin(with_data(stage))),
    Script::new("restart without data", "keys that were not", |stage| Box::pin(without_data(stage))),
    Script::new("slow subscriber", "a subscriber that does not read", |stage| Box::pin(slow(stage)))
        .with(&["--pubsub-output-limit", "1000000"], &["client-output-buffer-limit pubsub 1000000 0 0"]),
    Script::new("orderly end", "SIGTERM with clients connected", |stage| Box::pin(orderly_end(stage))),
];

async fn stream_ends(stage: Stage) -> Played {
    let mut subscriber = pubsub(&stage).await?;
    subscriber.subscribe("news").await?;
    stage.kill().await;
    hear(&stage, "subscriber", &mut subscriber.on_message(), 1).await;
    stage.start().await;
    answer(&stage, "subscribing again", subscriber.subscribe("news").await.map_err(short));
    Ok(())
}

/// Without what the operating system adds.
fn short(error: redis::RedisError) -> redis::RedisError {
    let text = if error.is_connection_dropped() { "dropped" } else { "another error" };
    redis::RedisError::from((error.kind(), text))
}

/// Waits for a push and notes those of subscriptions.
async fn until(stage: &Stage, pushes: &mut UnboundedReceiver<PushInfo>, wanted: PushKind) -> Played {
    loop {
        let push = tokio::time::timeout(Duration::from_secs(12), pushes.recv()).await;
        let push = push.map_err(|_| format!("no push {wanted:?}"))?.ok_or("no more pushes")?;
        // Each attempt to connect that fails may be told.
        if push.kind != PushKind::Disconnection {
            stage.note("pushes", format_args!("{:?} {:?}", push.kind, push.data));
        }
        if push.kind == wanted {
            return Ok(());
        }
    }
}

fn config(pushes: tokio::sync::mpsc::UnboundedSender<PushInfo>) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_push_sender(pushes)
        .set_automatic_resubscription()
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_millis(200))
}

async fn manager(stage: Stage) -> Played {
    let (send, mut pushes) = unbounded_channel();
    let config = config(send).set_number_of_retries(60);
    let mut manager = client3(&stage)?.get_connection_manager_with_config(config).await?;
    manager.subscribe("news").await?;
    manager.psubscribe("n*").await?;
    until(&stage, &mut pushes, PushKind::PSubscribe).await?;
    let mut publisher = connect(&stage).await?;
    let _receivers: i64 = publisher.publish("news", "before").await?;
    until(&stage, &mut pushes, PushKind::PMessage).await?;
    stage.kill().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.start().await;
    until(&stage, &mut pushes, PushKind::PSubscribe).await?;
    let mut publisher = connect(&stage).await?;
    answer(&stage, "publisher", publisher.publish::<_, _, i64>("news", "after").await);
    until(&stage, &mut pushes, PushKind::PMessage).await
}

async fn used_up(stage: Stage) -> Played {
    let (send, mut pushes) = unbounded_channel();
    let config = config(send).set_number_of_retries(2);
    let mut manager = client3(&stage)?.get_connection_manager_with_config(config).await?;
    manager.subscribe("news").await?;
    until(&stage, &mut pushes, PushKind::Subscribe).await?;
    stage.kill().await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    stage.start().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut publisher = connect(&stage).await?;
    answer(&stage, "nobody came back by itself", publisher.publish::<_, _, i64>("news", "x").await);
    let first = redis::cmd("PING").query_async::<String>(&mut manager).await;
    stage.note("first command", if first.is_ok() { "answered" } else { "failed" });
    let mut answered = false;
    for _ in 0..20 {
        answered = redis::cmd("PING").query_async::<String>(&mut manager).await.is_ok();
        if answered {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stage.note("later command", if answered { "answered" } else { "failed" });
    until(&stage, &mut pushes, PushKind::Subscribe).await?;
    answer(&stage, "then it is subscribed", publisher.publish::<_, _, i64>("news", "y").await);
    until(&stage, &mut pushes, PushKind::Message).await
}

async fn commands(stage: Stage) -> Played {
    let mut plain = connect(&stage).await?;
    stage.kill().await;
    let away: Result<String, _> = plain.set("k", "v").await;
    stage.note("server away", away.map_err(short).map_or_else(|error| error.to_string(), |_| "done".into()));
    stage.start().await;
    let back: Result<String, _> = plain.set("k", "v").await;
    stage.note("plain connection afterwards", if back.is_ok() { "works" } else { "does not work" });
    Ok(())
}

async fn restarted(stage: Stage, disk: Disk) -> Played {
    let mut connection = connect(&stage).await?;
    let _done: () = connection.set("k", "v").await?;
    let _done: () = connection.hset("h", "f", 1).await?;
    let _done: () = connection.rpush("l", &["a", "b"]).await?;
    let _done: () = connection.sadd("s", "m").await?;
    stage.restart(disk).await;
    let mut connection = connect(&stage).await?;
    answer(&stage, "string", connection.get::<_, Option<String>>("k").await);
    answer(&stage, "hash", connection.hget::<_, _, Option<i64>>("h", "f").await);
    answer(&stage, "list", connection.lrange::<_, Vec<String>>("l", 0, -1).await);
    answer(&stage, "set", connection.scard::<_, i64>("s").await);
    answer(&stage, "size", redis::cmd("DBSIZE").query_async::<i64>(&mut connection).await);
    Ok(())
}

async fn with_data(stage: Stage) -> Played {
    restarted(stage, Disk::Kept).await
}

async fn without_data(stage: Stage) -> Played {
    restarted(stage, Disk::Empty).await
}

async fn slow(stage: Stage) -> Played {
    let mut reader = Raw::connect(stage.port()).await?;
    reader.send("SUBSCRIBE news\r\n").await;
    reader.lines().await;
    let mut good = pubsub(&stage).await?;
    good.subscribe("news").await?;
    let mut stream = good.into_on_message();
    let mut publisher = connect(&stage).await?;
    let (mut heard, mut both, mut alone) = (0, 0, 0);
    for _ in 0..400 {
        match publisher.publish::<_, _, i64>("news", vec![b'x'; 60_000]).await? {
            2 => both += 1,
            1 => alone += 1,
            other => stage.note("publisher", format_args!("{other} receivers")),
        }
        let next = futures_util::StreamExt::next(&mut stream);
        heard += usize::from(tokio::time::timeout(super::DUE, next).await?.is_some());
    }
    stage.note("good subscriber", format_args!("{heard} messages"));
    stage.note("publisher", if both > 0 && alone > 0 { "saw the slow one go" } else { "saw no change" });
    stage.note("slow subscriber", if reader.drain().await == Heard::End { "cut off" } else { "still connected" });
    Ok(())
}

async fn orderly_end(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    raw.send("SUBSCRIBE news\r\n").await;
    raw.lines().await;
    stage.signal("TERM").await;
    for line in raw.lines_to_the_end().await {
        stage.note("subscriber", line);
    }
    stage.note("newcomer", if Raw::connect(stage.port()).await.is_ok() { "is let in" } else { "finds nobody" });
    Ok(())
}
