//! Who gets what, in which order.

use super::{answer, client3, connect, hear, pubsub, text};
use crate::script::{Played, Script, Stage};
use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, PushInfo, RedisResult};
use tokio::sync::mpsc::unbounded_channel;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("in order", "three subscribers, twenty messages", |stage| Box::pin(in_order(stage))),
    Script::new("receivers", "what PUBLISH returns", |stage| Box::pin(receivers(stage))),
    Script::new("patterns", "PSUBSCRIBE with `*`, `?`, `[…]`, `\\`", |stage| Box::pin(patterns(stage))),
    Script::new("channel and pattern", "one client that matches twice", |stage| Box::pin(matches_twice(stage))),
    Script::new("unsubscribe", "from one, from a pattern, from nothing", |stage| Box::pin(unsubscribe(stage))),
    Script::new("own messages", "RESP3: a subscriber that publishes", |stage| Box::pin(own_messages(stage))),
    Script::new("late subscriber", "what was published before", |stage| Box::pin(late(stage))),
    Script::new("big payload", "eight megabytes, and nothing", |stage| Box::pin(big(stage))),
    Script::new("who listens", "PUBSUB CHANNELS, NUMSUB, NUMPAT", |stage| Box::pin(introspection(stage))),
    Script::new("keys", "strings, numbers, hashes, lists, sets", |stage| Box::pin(keys(stage))),
    Script::new("expiry", "PX, TTL, PERSIST", |stage| Box::pin(expiry(stage))),
    Script::new("EXEC with an argument", "a transaction that ends in a mistake", |stage| Box::pin(odd_exec(stage))),
    Script::new("transaction", "MULTI, EXEC, DISCARD, WATCH", |stage| Box::pin(transaction(stage))),
];

async fn publish(
    connection: &mut MultiplexedConnection,
    channel: &str,
    numbers: std::ops::Range<u32>,
) -> RedisResult<()> {
    for number in numbers {
        let _receivers: i64 = connection.publish(channel, number).await?;
    }
    Ok(())
}

async fn in_order(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut subscriber = pubsub(&stage).await?;
        subscriber.subscribe("news").await?;
        streams.push(subscriber.into_on_message());
    }
    publish(&mut publisher, "news", 0..20).await?;
    for (index, stream) in streams.iter_mut().enumerate() {
        hear(&stage, &format!("subscriber {index}"), stream, 20).await;
    }
    Ok(())
}

async fn receivers(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    answer(&stage, "nobody", publisher.publish::<_, _, i64>("news", "x").await);
    let mut one = pubsub(&stage).await?;
    one.subscribe("news").await?;
    answer(&stage, "one", publisher.publish::<_, _, i64>("news", "x").await);
    one.subscribe("news").await?;
    answer(&stage, "one, twice", publisher.publish::<_, _, i64>("news", "x").await);
    one.psubscribe("n*").await?;
    answer(&stage, "one, and a pattern", publisher.publish::<_, _, i64>("news", "x").await);
    Ok(())
}

async fn patterns(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    let mut streams = Vec::new();
    for (pattern, expected) in
        [("news.*", 2), ("n?ws", 1), ("n[ae]ws", 1), ("n[^a]ws", 1), ("*", 7), ("news", 1), ("n\\*ws", 1), ("[a-c]", 1)]
    {
        let mut subscriber = pubsub(&stage).await?;
        subscriber.psubscribe(pattern).await?;
        streams.push((pattern, expected, subscriber.into_on_message()));
    }
    for channel in ["news", "news.a", "news.", "nws", "n*ws", "b", "ä"] {
        let _receivers: i64 = publisher.publish(channel, channel).await?;
    }
    for (pattern, expected, stream) in &mut streams {
        hear(&stage, pattern, stream, *expected).await;
    }
    Ok(())
}

async fn matches_twice(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    let mut subscriber = pubsub(&stage).await?;
    // With several patterns their order would be that of a hash table with a random seed.
    subscriber.psubscribe("n*").await?;
    subscriber.subscribe("news").await?;
    publish(&mut publisher, "news", 0..2).await?;
    hear(&stage, "subscriber", &mut subscriber.on_message(), 4).await;
    Ok(())
}

async fn unsubscribe(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    let mut subscriber = pubsub(&stage).await?;
    subscriber.subscribe(&["news", "other"]).await?;
    subscriber.psubscribe("o*").await?;
    publish(&mut publisher, "news", 0..1).await?;
    publish(&mut publisher, "other", 0..1).await?;
    hear(&stage, "subscriber", &mut subscriber.on_message(), 3).await;
    subscriber.unsubscribe("news").await?;
    subscriber.punsubscribe("o*").await?;
    subscriber.unsubscribe("never subscribed").await?;
    publish(&mut publisher, "news", 1..2).await?;
    publish(&mut publisher, "other", 1..2).await?;
    hear(&stage, "subscriber", &mut subscriber.on_message(), 1).await;
    Ok(())
}

async fn own_messages(stage: Stage) -> Played {
    let (send, mut pushes) = unbounded_channel::<PushInfo>();
    let config = redis::AsyncConnectionConfig::new().set_push_sender(send);
    let mut connection = client3(&stage)?.get_multiplexed_async_connection_with_config(&config).await?;
    connection.subscribe("news").await?;
    connection.psubscribe("n*").await?;
    answer(&stage, "publish", connection.publish::<_, _, i64>("news", "to myself").await);
    answer(&stage, "other command", connection.set::<_, _, String>("key", "value").await);
    for _ in 0..4 {
        let push = tokio::time::timeout(super::DUE, pushes.recv()).await?.ok_or("no more pushes")?;
        stage.note("pushes", format_args!("{:?} {:?}", push.kind, push.data));
    }
    Ok(())
}

async fn late(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    publish(&mut publisher, "news", 0..3).await?;
    let mut subscriber = pubsub(&stage).await?;
    subscriber.subscribe("news").await?;
    publish(&mut publisher, "news", 3..5).await?;
    hear(&stage, "subscriber", &mut subscriber.on_message(), 2).await;
    Ok(())
}

async fn big(stage: Stage) -> Played {
    let mut publisher = connect(&stage).await?;
    let mut subscriber = pubsub(&stage).await?;
    subscriber.subscribe("news").await?;
    for size in [8 << 20, 0, 1] {
        let _receivers: i64 = publisher.publish("news", vec![b'x'; size]).await?;
    }
    let mut messages = subscriber.on_message();
    for _ in 0..3 {
        let message = tokio::time::timeout(super::DUE, messages.next()).await?.ok_or("the stream ended")?;
        stage.note("subscriber", format_args!("{} bytes", message.get_payload_bytes().len()));
    }
    let _receivers: i64 = publisher.publish("news", "binary \0 \r\n end").await?;
    let message = tokio::time::timeout(super::DUE, messages.next()).await?.ok_or("the stream ended")?;
    stage.note("subscriber", format_args!("{:?}", text(&message)));
    Ok(())
}

async fn introspection(stage: Stage) -> Played {
    let mut connection = connect(&stage).await?;
    let mut one = pubsub(&stage).await?;
    let mut two = pubsub(&stage).await?;
    one.subscribe(&["a", "b"]).await?;
    two.subscribe("a").await?;
    two.psubscribe(&["x*", "y*"]).await?;
    let ask = |words: &[&str]| {
        let mut command = redis::cmd("PUBSUB");
        command.arg(words);
        command
    };
    let mut channels: Vec<String> = ask(&["CHANNELS"]).query_async(&mut connection).await?;
    channels.sort();
    stage.note("channels", format_args!("{channels:?}"));
    for words in [&["CHANNELS", "b*"][..], &["NUMSUB", "a", "b", "c"], &["NUMSUB"], &["NUMPAT"], &["NONSENSE"]] {
        answer(&stage, &words.join(" "), ask(words).query_async::<redis::Value>(&mut connection).await);
    }
    Ok(())
}

/// Runs commands and notes each answer.
async fn run(stage: &Stage, connection: &mut MultiplexedConnection, commands: &[&str]) {
    for line in commands {
        let mut words = line.split(' ');
        let mut command = redis::cmd(words.next().unwrap_or(""));
        for word in words {
            command.arg(word);
        }
        answer(stage, line, command.query_async::<redis::Value>(connection).await);
    }
}

async fn keys(stage: Stage) -> Played {
    let mut connection = connect(&stage).await?;
    let commands = [
        "GET k",
        "SET k v",
        "GET k",
        "SET k w NX",
        "SET k w XX",
        "SET k x GET",
        "APPEND k yz",
        "STRLEN k",
        "GETDEL k",
        "EXISTS k",
        "INCR n",
        "INCRBY n 41",
        "DECR n",
        "GET n",
        "SET s text",
        "INCR s",
        "MSET a 1 b 2",
        "MGET a b c",
        "DEL a b c",
        "TYPE n",
        "TYPE nothing",
        "HSET h f 1 g 2",
        "HGET h f",
        "HGET h x",
        "HDEL h f x",
        "HGETALL h",
        "RPUSH l a b c",
        "LPUSH l z",
        "LRANGE l 0 -1",
        "LLEN l",
        "SADD t a a b",
        "SCARD t",
        "SISMEMBER t a",
        "GET l",
        "LPUSH s x",
        "SET k v EX 0",
        "SET k v EX x",
        "KEYS nothing*",
        "DBSIZE",
        "FLUSHALL",
        "DBSIZE",
        "SELECT 1",
        "SELECT 99",
        "ECHO hello",
        "PING",
        "PING hello",
    ];
    run(&stage, &mut connection, &commands).await;
    Ok(())
}

async fn expiry(stage: Stage) -> Played {
    let mut connection = connect(&stage).await?;
    run(
        &stage,
        &mut connection,
        &["TTL k", "SET k v", "TTL k", "EXPIRE k 100", "TTL k", "PEXPIRE k 100", "EXPIRE nothing 1"],
    )
    .await;
    tokio::time::sleep(std::time::Duration::from_millis(250)).await;
    run(&stage, &mut connection, &["GET k", "EXISTS k", "SET p v PX 50"]).await;
    tokio::time::sleep(std::time::Duration::from_millis(150)).await;
    run(&stage, &mut connection, &["STRLEN p", "SET q v EX 100", "EXPIRE q -1", "GET q"]).await;
    Ok(())
}

async fn transaction(stage: Stage) -> Played {
    let mut connection = connect(&stage).await?;
    let mut other = connect(&stage).await?;
    run(&stage, &mut connection, &["EXEC", "DISCARD", "MULTI", "SET k 1", "INCR k", "MULTI", "EXEC"]).await;
    run(&stage, &mut connection, &["WATCH k", "MULTI", "SET k 9"]).await;
    run(&stage, &mut other, &["SET k 5"]).await;
    run(
        &stage,
        &mut connection,
        &["EXEC", "GET k", "MULTI", "NONSENSE", "EXEC", "MULTI", "SET k 7", "DISCARD", "GET k"],
    )
    .await;
    Ok(())
}

async fn odd_exec(stage: Stage) -> Played {
    let mut connection = connect(&stage).await?;
    run(&stage, &mut connection, &["MULTI", "SET k 1", "EXEC now", "DISCARD", "GET k"]).await;
    Ok(())
}
