//! Greeting, credentials, limits.

use super::{connect, hear, options, settled};
use crate::raw::Raw;
use crate::script::{Played, Script, Stage};
use async_nats::ConnectOptions;
use serde_json::Value;
use std::time::Duration;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("greeting", "the fields of INFO, and client ids", |stage| Box::pin(greeting(stage))),
    Script::new("password", "right, wrong, none", |stage| Box::pin(password(stage)))
        .with(&["--user", "mx", "--password", "secret"], &["authorization { user: mx, password: secret }"]),
    Script::new("token", "right, wrong, none", |stage| Box::pin(token(stage)))
        .with(&["--token", "secret"], &["authorization { token: secret }"]),
    Script::new("credentials unasked", "a password for a server that wants none", |stage| Box::pin(unasked(stage))),
    Script::new("silent client", "a client that never authenticates", |stage| Box::pin(silent(stage)))
        .with(&["--token", "secret"], &["authorization { token: secret, timeout: 1 }"]),
    Script::new("too many", "the third of two connections", |stage| Box::pin(too_many(stage)))
        .with(&["--max-connections", "2"], &["max_connections: 2"]),
    Script::new("payload limit", "at the limit, and a byte above", |stage| Box::pin(payload(stage)))
        .with(&["--max-payload", "2048"], &["max_payload: 2048"]),
    Script::new("big payload", "a megabyte", |stage| Box::pin(megabyte(stage))),
];

async fn greeting(stage: Stage) -> Played {
    let mut ids = Vec::new();
    for _ in 0..3 {
        let mut raw = Raw::connect(stage.port()).await?;
        let line = raw.line().await?;
        let info: Value = serde_json::from_str(line.strip_prefix("INFO ").ok_or("no INFO")?)?;
        ids.push(info["client_id"].as_u64().unwrap_or(0));
        if ids.len() > 1 {
            continue;
        }
        for (field, value) in info.as_object().ok_or("INFO is no object")? {
            let shown = match field.as_str() {
                "server_id" | "server_name" | "git_commit" | "go" | "client_id" | "nonce" | "xkey" => {
                    "(some)".to_owned()
                }
                _ => value.to_string(),
            };
            stage.note("client", format_args!("{field}: {shown}"));
        }
        let id = info["server_id"].as_str().unwrap_or("");
        stage.note("server id", format_args!("{} characters, begins with {:.1}", id.len(), id));
        stage.note(
            "server id",
            if info["server_name"] == info["server_id"] { "is the name" } else { "is not the name" },
        );
    }
    stage.note("client ids", if ids.is_sorted_by(|a, b| a < b) { "grow" } else { "do not grow" });
    Ok(())
}

/// Connects, and notes how that went and whether messages pass.
async fn attempt(stage: &Stage, who: &str, options: ConnectOptions) -> Played {
    match options.connect(stage.address()).await {
        Ok(client) => {
            let mut subscriber = client.subscribe("news").await?;
            client.publish("news", "welcome".into()).await?;
            hear(stage, who, &mut subscriber, 1).await;
        }
        Err(error) => stage.note(who, format_args!("{:?}", error.kind())),
    }
    Ok(())
}

async fn password(stage: Stage) -> Played {
    attempt(&stage, "right", options().user_and_password("mx".into(), "secret".into())).await?;
    attempt(&stage, "wrong", options().user_and_password("mx".into(), "guess".into())).await?;
    attempt(&stage, "other user", options().user_and_password("nobody".into(), "secret".into())).await?;
    attempt(&stage, "none", options()).await
}

async fn token(stage: Stage) -> Played {
    attempt(&stage, "right", options().token("secret".into())).await?;
    attempt(&stage, "wrong", options().token("guess".into())).await?;
    attempt(&stage, "none", options()).await
}

async fn unasked(stage: Stage) -> Played {
    attempt(&stage, "client", options().user_and_password("mx".into(), "secret".into())).await
}

async fn silent(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    raw.line().await?;
    for line in raw.lines_to_the_end().await {
        stage.note("client", line);
    }
    Ok(())
}

async fn too_many(stage: Stage) -> Played {
    let (one, _two) = (connect(&stage).await?, connect(&stage).await?);
    let mut raw = Raw::connect(stage.port()).await?;
    let heard = raw.lines_to_the_end().await;
    for line in heard {
        stage.note("third", if line.starts_with("INFO ") { "INFO" } else { &line });
    }
    settled(&one).await?;
    stage.note("first", "is served");
    Ok(())
}

async fn payload(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let mut subscriber = client.subscribe("news").await?;
    client.publish("news", "x".repeat(2048).into()).await?;
    match client.publish("news", "x".repeat(2049).into()).await {
        Ok(()) => stage.note("publisher", "published"),
        Err(error) => stage.note("publisher", format_args!("{:?}", error.kind())),
    }
    client.publish("news", "after".into()).await?;
    hear(&stage, "subscriber", &mut subscriber, 2).await;
    // Past the client's own check.
    let mut raw = Raw::connect(stage.port()).await?;
    raw.line().await?;
    raw.send("CONNECT {\"verbose\":false}\r\nPUB news 2049\r\n").await;
    for line in raw.lines_to_the_end().await {
        stage.note("raw", line);
    }
    Ok(())
}

async fn megabyte(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let mut subscriber = client.subscribe("news").await?;
    settled(&client).await?;
    for fill in ["a", "b", "c"] {
        client.publish("news", fill.repeat(1 << 20).into()).await?;
    }
    for _ in 0..3 {
        let next = futures_util::StreamExt::next(&mut subscriber);
        let message = tokio::time::timeout(Duration::from_secs(8), next).await?.ok_or("the subscription ended")?;
        let first = message.payload.first().copied().map(char::from);
        stage.note("subscriber", format_args!("{} bytes of {first:?}", message.payload.len()));
    }
    Ok(())
}
