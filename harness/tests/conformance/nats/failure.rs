//! Kills, restarts, slow consumers, lame ducks.

use super::{DUE, connect, hear, options, publish, settled};
use crate::raw::{Heard, Raw};
use crate::script::{Played, Script, Stage};
use crate::server::Disk;
use async_nats::{Client, Event};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("kill and return", "a client whose server is killed and comes back", |stage| {
        Box::pin(comes_back(stage))
    }),
    Script::new("restart at once", "several subscriptions over a restart", |stage| Box::pin(restart(stage))),
    Script::new("published meanwhile", "messages published while the server is away", |stage| {
        Box::pin(meanwhile(stage))
    }),
    Script::new("never there", "a client that starts before its server", |stage| Box::pin(never_there(stage))),
    Script::new("attempts used up", "`max_reconnects` reached", |stage| Box::pin(used_up(stage))),
    Script::new("slow consumer", "a reader that does not read", |stage| Box::pin(slow(stage)))
        .with(&["--max-pending", "1000000"], &["max_pending: 1000000", "max_payload: 65536"]),
    Script::new("lame duck", "what clients hear, and newcomers", |stage| Box::pin(lame_duck(stage))).with(
        &["--lame-duck-grace", "1", "--lame-duck-duration", "30"],
        &["lame_duck_grace_period: \"1s\"", "lame_duck_duration: \"30s\""],
    ),
    Script::new("orderly end", "SIGTERM with clients connected", |stage| Box::pin(orderly_end(stage))),
];

/// A client whose events are noted.
async fn watched(
    stage: &Stage,
    who: &'static str,
) -> Result<(Client, UnboundedReceiver<String>), async_nats::ConnectError> {
    let (send, receive) = unbounded_channel();
    let stage = stage.clone();
    let address = stage.address();
    let options = options().event_callback(move |event| {
        let (send, stage) = (send.clone(), stage.clone());
        async move {
            // How often it fails to reconnect is a matter of time, and it closes when the script is over.
            if !matches!(event, Event::ClientError(_) | Event::Closed) {
                stage.note(who, format_args!("event: {event}"));
            }
            let _nobody_waits = send.send(event.to_string());
        }
    });
    Ok((options.connect(address).await?, receive))
}

/// Waits for an event.
async fn until(events: &mut UnboundedReceiver<String>, wanted: &str) -> Played {
    while let Some(event) = tokio::time::timeout(DUE, events.recv()).await.map_err(|_| format!("no event {wanted}"))? {
        if event.contains(wanted) {
            return Ok(());
        }
    }
    Err(format!("no event {wanted}").into())
}

async fn comes_back(stage: Stage) -> Played {
    let (reader, mut events) = watched(&stage, "reader").await?;
    let mut subscriber = reader.subscribe("news").await?;
    settled(&reader).await?;
    let publisher = connect(&stage).await?;
    publish(&publisher, "news", 0..3).await?;
    hear(&stage, "reader", &mut subscriber, 3).await;
    until(&mut events, "connected").await?;
    stage.kill().await;
    until(&mut events, "disconnected").await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.start().await;
    until(&mut events, "connected").await?;
    settled(&reader).await?;
    let newcomer = connect(&stage).await?;
    publish(&newcomer, "news", 3..6).await?;
    hear(&stage, "reader", &mut subscriber, 3).await;
    Ok(())
}

async fn restart(stage: Stage) -> Played {
    let (reader, mut events) = watched(&stage, "reader").await?;
    let mut plain = reader.subscribe("news").await?;
    let mut wide = reader.subscribe("*").await?;
    let mut group = reader.queue_subscribe("news", "team".to_owned()).await?;
    let mut limited = reader.subscribe("news").await?;
    limited.unsubscribe_after(4).await?;
    settled(&reader).await?;
    let publisher = connect(&stage).await?;
    publish(&publisher, "news", 0..2).await?;
    settled(&publisher).await?;
    settled(&reader).await?;
    until(&mut events, "connected").await?;
    stage.restart(Disk::Empty).await;
    until(&mut events, "disconnected").await?;
    until(&mut events, "connected").await?;
    settled(&reader).await?;
    let newcomer = connect(&stage).await?;
    publish(&newcomer, "news", 2..6).await?;
    hear(&stage, "plain", &mut plain, 6).await;
    hear(&stage, "wide", &mut wide, 6).await;
    hear(&stage, "group", &mut group, 6).await;
    hear(&stage, "limited to four", &mut limited, 4).await;
    Ok(())
}

async fn meanwhile(stage: Stage) -> Played {
    let (publisher, mut events) = watched(&stage, "publisher").await?;
    until(&mut events, "connected").await?;
    settled(&publisher).await?;
    stage.kill().await;
    until(&mut events, "disconnected").await?;
    publish(&publisher, "news", 0..5).await?;
    stage.start().await;
    // A subscription of the same client is made before its buffered messages leave.
    let mut own = publisher.subscribe("news").await?;
    until(&mut events, "connected").await?;
    settled(&publisher).await?;
    publish(&publisher, "news", 5..7).await?;
    settled(&publisher).await?;
    let mut last = String::new();
    while let Ok(Some(message)) =
        tokio::time::timeout(Duration::from_millis(500), futures_util::StreamExt::next(&mut own)).await
    {
        last = String::from_utf8_lossy(&message.payload).into_owned();
    }
    stage.note("own subscription", format_args!("last message {last}"));
    Ok(())
}

async fn never_there(stage: Stage) -> Played {
    stage.kill().await;
    let refused = options().connect(stage.address()).await;
    stage.note("eager client", format_args!("{:?}", refused.map(|_| ()).map_err(|error| error.kind())));
    let patient = options().retry_on_initial_connect().connect(stage.address()).await?;
    let mut subscriber = patient.subscribe("news").await?;
    stage.start().await;
    settled(&patient).await?;
    publish(&patient, "news", 0..2).await?;
    hear(&stage, "patient client", &mut subscriber, 2).await;
    Ok(())
}

async fn used_up(stage: Stage) -> Played {
    let client = options().max_reconnects(2).connect(stage.address()).await?;
    let mut subscriber = client.subscribe("news").await?;
    settled(&client).await?;
    stage.kill().await;
    hear(&stage, "subscription", &mut subscriber, 1).await;
    stage.start().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    stage.note("client", format_args!("{:?}", client.connection_state()));
    stage.note("publish", client.publish("news", "".into()).await.is_ok());
    Ok(())
}

async fn slow(stage: Stage) -> Played {
    let mut reader = Raw::connect(stage.port()).await?;
    reader.line().await?;
    reader.send("CONNECT {\"verbose\":false}\r\nSUB news 1\r\nPING\r\n").await;
    reader.line().await?;
    let publisher = connect(&stage).await?;
    let good = connect(&stage).await?;
    let mut subscriber = good.subscribe("news").await?;
    settled(&good).await?;
    let mut heard = 0;
    // More than any socket buffer takes, read by one client and not by the other.
    for _ in 0..800 {
        publisher.publish("news", vec![b'x'; 60_000].into()).await?;
        let next = futures_util::StreamExt::next(&mut subscriber);
        heard += usize::from(tokio::time::timeout(DUE, next).await?.is_some());
    }
    stage.note("good reader", format_args!("{heard} messages"));
    stage.note("slow reader", if reader.drain().await == Heard::End { "cut off" } else { "still connected" });
    settled(&good).await?;
    stage.note("good reader", "is served");
    Ok(())
}

async fn lame_duck(stage: Stage) -> Played {
    let (client, mut events) = watched(&stage, "client").await?;
    let mut subscriber = client.subscribe("news").await?;
    settled(&client).await?;
    until(&mut events, "connected").await?;
    let mut raw = Raw::connect(stage.port()).await?;
    raw.line().await?;
    raw.send("CONNECT {\"verbose\":false,\"protocol\":1}\r\nPING\r\n").await;
    raw.line().await?;
    stage.signal("USR2").await;
    until(&mut events, "lame duck").await?;
    let line = raw.line().await?;
    let info: serde_json::Value = serde_json::from_str(line.strip_prefix("INFO ").ok_or("no INFO")?)?;
    stage.note("raw", format_args!("INFO with ldm {}", info["ldm"]));
    client.publish("news", "still served".into()).await?;
    hear(&stage, "client", &mut subscriber, 1).await;
    let newcomer = Raw::connect(stage.port()).await;
    stage.note("newcomer", if newcomer.is_ok() { "is let in" } else { "finds nobody" });
    Ok(())
}

async fn orderly_end(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    raw.line().await?;
    raw.send("CONNECT {\"verbose\":false}\r\nSUB news 1\r\nPING\r\n").await;
    raw.line().await?;
    let (client, mut events) = watched(&stage, "client").await?;
    settled(&client).await?;
    until(&mut events, "connected").await?;
    stage.signal("TERM").await;
    until(&mut events, "disconnected").await?;
    for line in raw.lines_to_the_end().await {
        stage.note("raw", line);
    }
    stage.note("newcomer", if Raw::connect(stage.port()).await.is_ok() { "is let in" } else { "finds nobody" });
    Ok(())
}
