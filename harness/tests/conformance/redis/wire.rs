//! What raw connections are told.

use crate::raw::Raw;
use crate::script::{Played, Script, Stage};

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("unknown commands", "commands and subcommands that are none, and wrong arguments", |stage| {
        Box::pin(unknown(stage))
    }),
    Script::new("protocol errors", "requests that are none, each on its own connection", |stage| {
        Box::pin(errors(stage))
    }),
    Script::new("subscriber mode", "RESP2: what a subscriber may say", |stage| Box::pin(subscriber_mode(stage))),
    Script::new("subscriber mode in RESP3", "where everything is allowed", |stage| Box::pin(subscriber_mode3(stage))),
    Script::new("RESET and QUIT", "what remains", |stage| Box::pin(reset(stage))),
    Script::new("in pieces", "requests byte by byte, and many at once", |stage| Box::pin(pieces(stage))),
    Script::new("bulk limit", "an argument above `proto-max-bulk-len`", |stage| Box::pin(bulk(stage)))
        .with(&["--max-bulk", "1048576"], &["proto-max-bulk-len 1mb"]),
];

/// Sends each of these on one connection and notes the answers.
async fn converse(stage: &Stage, commands: &[&str]) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    for (index, command) in commands.iter().enumerate() {
        raw.send(format!("{command}\r\n")).await;
        for line in raw.lines().await {
            stage.note(&format!("{index:02} {command}"), line);
        }
    }
    Ok(())
}

async fn unknown(stage: Stage) -> Played {
    converse(
        &stage,
        &[
            "NONSENSE",
            "NONSENSE with some arguments",
            "GET",
            "GET a b",
            "SET k",
            "SET k v NONSENSE",
            "PUBLISH news",
            "SUBSCRIBE",
            "CLIENT",
            "CLIENT SETNAME",
            "CONFIG",
            "CONFIG GET",
            "CONFIG NONSENSE",
            "PUBSUB",
            "EXPIRE k",
            "EXPIRE k x",
            "INCRBY k x",
            "SELECT x",
            "HSET h f",
            "MSET a",
            "ping",
            "PiNg a b",
            "COMMAND COUNT x",
            "HELLO 3 AUTH x",
        ],
    )
    .await
}

async fn errors(stage: Stage) -> Played {
    for (who, bytes) in [
        ("bulk expected", "*1\r\nPING\r\n"),
        ("odd count", "*x\r\n"),
        ("huge count", "*10000000\r\n"),
        ("negative count", "*-1\r\nPING\r\n"),
        ("no arguments", "*0\r\nPING\r\n"),
        ("odd length", "*1\r\n$x\r\nPING\r\n"),
        ("negative length", "*1\r\n$-1\r\nPING\r\n"),
        ("empty line", "\r\nPING\r\n"),
        ("quotes", "ECHO \"a b\\x41\" \r\n"),
        ("unbalanced quotes", "ECHO \"a b\r\nPING\r\n"),
        ("wrong end of a bulk", "*1\r\n$4\r\nPINGxxPING\r\n"),
        ("HTTP", "POST / HTTP/1.1\r\nHost: x\r\n\r\n"),
    ] {
        let mut raw = Raw::connect(stage.port()).await?;
        raw.send(bytes).await;
        for line in raw.lines().await {
            stage.note(who, line);
        }
    }
    let mut raw = Raw::connect(stage.port()).await?;
    raw.send(vec![b'x'; 70_000]).await;
    for line in raw.lines().await {
        stage.note("long line", line);
    }
    Ok(())
}

async fn subscriber_mode(stage: Stage) -> Played {
    converse(
        &stage,
        &[
            "SUBSCRIBE a b",
            "PING",
            "PING hello",
            "GET k",
            "PUBLISH a x",
            "NONSENSE",
            "PSUBSCRIBE p*",
            "SUBSCRIBE a",
            "UNSUBSCRIBE b",
            "UNSUBSCRIBE never",
            "PUNSUBSCRIBE",
            "UNSUBSCRIBE",
            "UNSUBSCRIBE",
            "GET k",
            "PING",
            "SSUBSCRIBE s",
            "GET k",
            "SUNSUBSCRIBE",
            "GET k",
        ],
    )
    .await
}

async fn subscriber_mode3(stage: Stage) -> Played {
    // The answer to HELLO carries an id.
    let mut raw = Raw::connect(stage.port()).await?;
    raw.send("HELLO 3\r\n").await;
    raw.lines().await;
    for command in [
        "SUBSCRIBE a",
        "PING",
        "GET k",
        "PUBLISH a x",
        "PSUBSCRIBE a*",
        "PUBLISH a y",
        "UNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "PUNSUBSCRIBE",
        "GET k",
    ] {
        raw.send(format!("{command}\r\n")).await;
        for line in raw.lines().await {
            stage.note(command, line);
        }
    }
    Ok(())
}

async fn reset(stage: Stage) -> Played {
    converse(
        &stage,
        &[
            "CLIENT SETNAME me",
            "SELECT 3",
            "SET k v",
            "SUBSCRIBE a",
            "RESET",
            "CLIENT GETNAME",
            "GET k",
            "SELECT 3",
            "GET k",
            "MULTI",
            "RESET",
            "EXEC",
            "QUIT",
        ],
    )
    .await
}

async fn pieces(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    for byte in "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhe\r\no\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\nPING\r\n".bytes() {
        raw.send([byte]).await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    for line in raw.lines().await {
        stage.note("byte by byte", line);
    }
    raw.send("INCR n\r\n".repeat(50)).await;
    for line in raw.lines().await {
        stage.note("many at once", line);
    }
    Ok(())
}

async fn bulk(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    let payload = "x".repeat(1 << 20);
    raw.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{payload}\r\nSTRLEN k\r\n", payload.len())).await;
    for line in raw.lines().await {
        stage.note("at the limit", line);
    }
    raw.send(format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n", (1 << 20) + 1)).await;
    for line in raw.lines().await {
        stage.note("above", line);
    }
    Ok(())
}
