//! Redis: redis-server and its simulation, through the `redis` crate and raw connections.
//!
//! | module | what its scripts look at |
//! |---|---|
//! | `delivery` | who gets what, in which order |
//! | `failure` | kills, restarts, slow subscribers |
//! | `access` | credentials and protocol versions |
//! | `wire` | what raw connections are told |

mod access;
mod delivery;
mod failure;
mod wire;

use crate::compare::Backend;
use crate::script::Stage;
use crate::server::{Launch, Programs};
use futures_util::{Stream, StreamExt};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::{Client, Msg, RedisResult};
use std::time::Duration;

/// Real time in which a message that is due arrives.
const DUE: Duration = Duration::from_secs(8);
/// Real time in which a message that must not arrive would.
const QUIET: Duration = Duration::from_millis(150);

pub(crate) const BACKEND: Backend = Backend {
    programs: Programs { name: "redis", real: "redis-server", arguments },
    scripts: &[delivery::SCRIPTS, access::SCRIPTS, failure::SCRIPTS, wire::SCRIPTS],
};

fn arguments(launch: &Launch<'_>) -> Vec<String> {
    let mut lines = vec![
        "bind 127.0.0.1".to_owned(),
        format!("port {}", launch.port),
        format!("dir {}", launch.dir.display()),
        "save \"\"".to_owned(),
        "appendonly yes".to_owned(),
        "appendfsync always".to_owned(),
    ];
    lines.extend(launch.script.real.iter().map(|line| (*line).to_owned()));
    let file = launch.dir.join("redis.conf");
    std::fs::write(&file, lines.join("\n")).unwrap();
    vec![file.to_str().unwrap().to_owned()]
}

/// A client that speaks RESP2.
fn client(stage: &Stage) -> RedisResult<Client> {
    Client::open(format!("redis://{}/", stage.address()))
}

/// A client that speaks RESP3.
fn client3(stage: &Stage) -> RedisResult<Client> {
    Client::open(format!("redis://{}/?protocol=resp3", stage.address()))
}

async fn connect(stage: &Stage) -> RedisResult<MultiplexedConnection> {
    client(stage)?.get_multiplexed_async_connection().await
}

async fn pubsub(stage: &Stage) -> RedisResult<PubSub> {
    client(stage)?.get_async_pubsub().await
}

/// A message as text.
fn text(message: &Msg) -> String {
    let payload = message.get_payload::<Vec<u8>>().unwrap();
    let pattern = message.get_pattern::<Option<String>>().unwrap();
    let via = pattern.map(|pattern| format!(" via {pattern}")).unwrap_or_default();
    format!("{}{via} {}", message.get_channel_name(), String::from_utf8_lossy(&payload))
}

/// Notes so many messages, and then those that must not come.
async fn hear(stage: &Stage, who: &str, messages: &mut (impl Stream<Item = Msg> + Unpin), expected: usize) {
    for _ in 0..expected {
        match tokio::time::timeout(DUE, messages.next()).await {
            Ok(Some(message)) => stage.note(who, text(&message)),
            Ok(None) => return stage.note(who, "the stream ended"),
            Err(_) => return stage.note(who, "silence"),
        }
    }
    while let Ok(Some(message)) = tokio::time::timeout(QUIET, messages.next()).await {
        stage.note(who, format_args!("too much: {}", text(&message)));
    }
}

/// Notes how an answer looks; an error by its text.
fn answer<T: std::fmt::Debug>(stage: &Stage, who: &str, result: RedisResult<T>) {
    match result {
        Ok(value) => stage.note(who, format_args!("{value:?}")),
        Err(error) => stage.note(who, format_args!("{:?}: {error}", error.kind())),
    }
}
