//! What raw connections are told.

use crate::raw::{Heard, Raw};
use crate::script::{Played, Script, Stage};

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("protocol errors", "operations that are none, each on its own connection", |stage| {
        Box::pin(errors(stage))
    }),
    Script::new("verbose", "`+OK` for each operation", |stage| Box::pin(verbose(stage))),
    Script::new("pedantic", "odd subjects where the client asked for strictness", |stage| Box::pin(pedantic(stage))),
    Script::new("server pings", "a client that answers no PING", |stage| Box::pin(stale(stage)))
        .with(&["--ping-interval", "1"], &["ping_interval: 1", "ping_max: 2"]),
    Script::new("client pings", "PING at any time", |stage| Box::pin(pings(stage))),
    Script::new("in pieces", "operations that arrive byte by byte, and many at once", |stage| Box::pin(pieces(stage))),
    Script::new("headers on the wire", "HPUB and HMSG, without asking for headers", |stage| Box::pin(headers(stage))),
    Script::new("subscription ids", "an id used twice, an unknown id", |stage| Box::pin(ids(stage))),
    Script::new("no responders on the wire", "the 503 message", |stage| Box::pin(no_responders(stage))),
];

/// A connection that was greeted and has said what it is.
async fn greeted(stage: &Stage, connect: &str) -> Result<Raw, Box<dyn std::error::Error + Send + Sync>> {
    let mut raw = Raw::connect(stage.port()).await?;
    raw.line().await?;
    raw.send(format!("CONNECT {connect}\r\n")).await;
    Ok(raw)
}

const QUIET: &str = r#"{"verbose":false,"pedantic":false,"headers":true,"no_responders":true}"#;

async fn say(stage: &Stage, who: &str, connect: &str, bytes: &str) -> Played {
    let mut raw = greeted(stage, connect).await?;
    raw.send(bytes).await;
    raw.send("PING\r\n").await;
    for line in raw.lines().await {
        stage.note(who, line);
    }
    Ok(())
}

async fn errors(stage: Stage) -> Played {
    for (who, bytes) in [
        ("unknown operation", "FOO bar\r\n"),
        ("HTTP", "GET / HTTP/1.1\r\n\r\n"),
        ("nonsense CONNECT", "CONNECT nonsense\r\n"),
        ("CONNECT twice", "CONNECT {}\r\n"),
        ("empty line", "\r\n"),
        ("lower case", "sub news 1\r\n"),
        ("SUB without id", "SUB news\r\n"),
        ("SUB with too much", "SUB news group 1 2\r\n"),
        ("SUB to an empty token", "SUB a..b 1\r\n"),
        ("SUB to a token after >", "SUB a.>.b 1\r\n"),
        ("PUB without size", "PUB news\r\n"),
        ("PUB with odd size", "PUB news x\r\nx\r\n"),
        ("PUB with negative size", "PUB news -1\r\nx\r\n"),
        ("PUB with a short payload", "PUB news 5\r\nab\r\n\r\n"),
        ("PUB with a long payload", "PUB news 2\r\nabcdef\r\n"),
        ("UNSUB without id", "UNSUB\r\n"),
        ("PONG unasked", "PONG\r\n"),
        ("MSG from a client", "MSG news 1 2\r\nab\r\n"),
        ("INFO from a client", "INFO {}\r\n"),
    ] {
        say(&stage, who, QUIET, bytes).await?;
    }
    let long = format!("SUB {} 1\r\n", "x".repeat(5000));
    say(&stage, "long line", QUIET, &long).await
}

async fn verbose(stage: Stage) -> Played {
    let connect = r#"{"verbose":true,"pedantic":false}"#;
    say(&stage, "client", connect, "SUB news 1\r\nPUB news 2\r\nab\r\nUNSUB 1\r\nPUB news 2\r\nab\r\n").await
}

async fn pedantic(stage: Stage) -> Played {
    let connect = r#"{"verbose":false,"pedantic":true}"#;
    say(&stage, "PUB to a wildcard", connect, "PUB a.* 2\r\nab\r\n").await?;
    say(&stage, "PUB to an empty token", connect, "PUB a..b 2\r\nab\r\n").await?;
    say(&stage, "SUB to an empty token", connect, "SUB a..b 1\r\n").await?;
    say(&stage, "plain", connect, "SUB a.b 1\r\nPUB a.b 2\r\nab\r\n").await
}

async fn stale(stage: Stage) -> Played {
    let mut raw = greeted(&stage, QUIET).await?;
    raw.send("PING\r\n").await;
    for line in raw.lines_to_the_end().await {
        stage.note("client", line);
    }
    Ok(())
}

async fn pings(stage: Stage) -> Played {
    // Even before CONNECT.
    let mut raw = Raw::connect(stage.port()).await?;
    raw.line().await?;
    raw.send("PING\r\n").await;
    for line in raw.lines().await {
        stage.note("before CONNECT", line);
    }
    say(&stage, "three", QUIET, "PING\r\nping\r\nPiNg\r\n").await
}

async fn pieces(stage: Stage) -> Played {
    let mut raw = greeted(&stage, QUIET).await?;
    for byte in "SUB news 1\r\nPUB news 5\r\nhello\r\nPING\r\n".bytes() {
        raw.send([byte]).await;
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    for line in raw.lines().await {
        stage.note("byte by byte", line);
    }
    let many: String = (0..40).map(|number| format!("PUB news 2\r\n{number:02}\r\n")).collect();
    raw.send(many + "PING\r\n").await;
    for line in raw.lines().await {
        stage.note("many at once", line);
    }
    Ok(())
}

async fn headers(stage: Stage) -> Played {
    let publish = "HPUB news 22 24\r\nNATS/1.0\r\nNode: 12\r\n\r\nab\r\n";
    let mut with = greeted(&stage, QUIET).await?;
    let mut without = greeted(&stage, r#"{"verbose":false,"headers":false}"#).await?;
    for raw in [&mut with, &mut without] {
        raw.send("SUB news 1\r\nPING\r\n").await;
        if raw.hear().await != Heard::Line("PONG".to_owned()) {
            return Err("no PONG".into());
        }
    }
    with.send(publish).await;
    for (who, raw) in [("with headers", &mut with), ("without headers", &mut without)] {
        for line in raw.lines().await {
            stage.note(who, line);
        }
    }
    say(&stage, "HPUB from a client without headers", r#"{"verbose":false,"headers":false}"#, publish).await?;
    say(&stage, "HPUB with more header than message", QUIET, "HPUB news 24 22\r\nNATS/1.0\r\nNode: 12\r\n\r\n\r\n")
        .await
}

async fn ids(stage: Stage) -> Played {
    let publish = "PUB news 1\r\nx\r\nPUB other 1\r\ny\r\n";
    let twice = format!("SUB news 1\r\nSUB other 1\r\n{publish}");
    say(&stage, "an id twice", QUIET, &twice).await?;
    let unknown = format!("UNSUB 9\r\nSUB news abc\r\n{publish}");
    say(&stage, "unknown and odd ids", QUIET, &unknown).await?;
    say(
        &stage,
        "UNSUB after two",
        QUIET,
        "SUB news 1\r\nUNSUB 1 2\r\nPUB news 0\r\n\r\nPUB news 0\r\n\r\nPUB news 0\r\n\r\n",
    )
    .await
}

async fn no_responders(stage: Stage) -> Played {
    say(&stage, "asked for", QUIET, "SUB inbox 1\r\nPUB nobody inbox 2\r\nab\r\n").await?;
    let connect = r#"{"verbose":false,"headers":true,"no_responders":false}"#;
    say(&stage, "not asked for", connect, "SUB inbox 1\r\nPUB nobody inbox 2\r\nab\r\n").await?;
    let connect = r#"{"verbose":false,"headers":false,"no_responders":true}"#;
    say(&stage, "without headers", connect, "SUB inbox 1\r\nPUB nobody inbox 2\r\nab\r\n").await
}
