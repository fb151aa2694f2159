//! NATS: nats-server and its simulation, through `async-nats` and raw connections.
//!
//! | module | what its scripts look at |
//! |---|---|
//! | `delivery` | who gets what, in which order |
//! | `failure` | kills, restarts, slow consumers, lame ducks |
//! | `access` | greeting, credentials, limits |
//! | `wire` | what raw connections are told |

mod access;
mod delivery;
mod failure;
mod wire;

use crate::compare::Backend;
use crate::script::Stage;
use crate::server::{Launch, Programs};
use async_nats::{Client, ConnectOptions, RequestErrorKind, Subscriber};
use futures_util::StreamExt;
use std::error::Error;
use std::time::Duration;

/// Real time in which a message that is due arrives.
const DUE: Duration = Duration::from_secs(8);
/// Real time in which a message that must not arrive would.
const QUIET: Duration = Duration::from_millis(150);

pub(crate) const BACKEND: Backend = Backend {
    programs: Programs { name: "nats", real: "nats-server", arguments },
    scripts: &[delivery::SCRIPTS, access::SCRIPTS, failure::SCRIPTS, wire::SCRIPTS],
};

fn arguments(launch: &Launch<'_>) -> Vec<String> {
    let file = launch.dir.join("nats.conf");
    std::fs::write(&file, launch.script.real.join("\n")).unwrap();
    let port = launch.port.to_string();
    ["-a", "127.0.0.1", "-p", &port, "-c", file.to_str().unwrap()].map(str::to_owned).to_vec()
}

/// A client that reconnects quickly.
fn options() -> ConnectOptions {
    ConnectOptions::new().reconnect_delay_callback(|_| Duration::from_millis(50))
}

async fn connect(stage: &Stage) -> Result<Client, async_nats::ConnectError> {
    options().connect(stage.address()).await
}

/// Returns when the server has done everything that this client asked for.
async fn settled(client: &Client) -> Result<(), Box<dyn Error + Send + Sync>> {
    match client.request("nobody.listens", "".into()).await {
        Err(error) if error.kind() == RequestErrorKind::NoResponders => Ok(()),
        other => Err(format!("the server should have said that nobody listens, and not {other:?}").into()),
    }
}

/// Notes so many messages, and then those that must not come.
async fn hear(stage: &Stage, who: &str, subscriber: &mut Subscriber, expected: usize) {
    for _ in 0..expected {
        match tokio::time::timeout(DUE, subscriber.next()).await {
            Ok(Some(message)) => {
                stage.note(who, format_args!("{} {}", message.subject, String::from_utf8_lossy(&message.payload)));
            }
            Ok(None) => return stage.note(who, "the subscription ended"),
            Err(_) => return stage.note(who, "silence"),
        }
    }
    while let Ok(Some(message)) = tokio::time::timeout(QUIET, subscriber.next()).await {
        stage.note(who, format_args!("too much: {} {}", message.subject, String::from_utf8_lossy(&message.payload)));
    }
}

/// Publishes `first`, `first + 1` … on a subject.
async fn publish(
    client: &Client,
    subject: &str,
    numbers: std::ops::Range<u32>,
) -> Result<(), async_nats::PublishError> {
    for number in numbers {
        client.publish(subject.to_owned(), number.to_string().into()).await?;
    }
    Ok(())
}
