//! Credentials and protocol versions.

use super::{answer, client, client3, connect};
use crate::raw::Raw;
use crate::script::{Played, Script, Stage};
use redis::{AsyncCommands, Client};

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("password", "right, wrong, none", |stage| Box::pin(password(stage)))
        .with(&["--password", "secret"], &["requirepass secret"]),
    Script::new("user", "a user beside `default`", |stage| Box::pin(user(stage)))
        .with(&["--user", "mx", "--password", "secret"], &["user mx on >secret ~* &* +@all"]),
    Script::new("credentials unasked", "a password for a server that wants none", |stage| Box::pin(unasked(stage))),
    Script::new("unauthenticated", "commands before AUTH", |stage| Box::pin(unauthenticated(stage)))
        .with(&["--password", "secret"], &["requirepass secret"]),
    Script::new("HELLO", "the answer in both protocols, and odd versions", |stage| Box::pin(hello(stage))),
    Script::new("both protocols", "answers of one kind in RESP2 and RESP3", |stage| Box::pin(both(stage))),
    Script::new("too many", "the third of two connections", |stage| Box::pin(too_many(stage)))
        .with(&["--max-clients", "2"], &["maxclients 2"]),
    Script::new("client commands", "CLIENT GETNAME, SETNAME, ID, INFO, KILL", |stage| Box::pin(client_commands(stage))),
];

async fn attempt(stage: &Stage, who: &str, credentials: &str) -> Played {
    for (protocol, query) in [("RESP2", ""), ("RESP3", "?protocol=resp3")] {
        let client = Client::open(format!("redis://{credentials}{}/{query}", stage.address()))?;
        let who = format!("{who}, {protocol}");
        match client.get_multiplexed_async_connection().await {
            Ok(mut connection) => answer(stage, &who, connection.set::<_, _, String>("key", "value").await),
            Err(error) => stage.note(&who, format_args!("{:?}: {error}", error.kind())),
        }
    }
    Ok(())
}

async fn password(stage: Stage) -> Played {
    attempt(&stage, "right", ":secret@").await?;
    attempt(&stage, "wrong", ":guess@").await?;
    attempt(&stage, "none", "").await
}

async fn user(stage: Stage) -> Played {
    attempt(&stage, "right", "mx:secret@").await?;
    attempt(&stage, "wrong", "mx:guess@").await?;
    attempt(&stage, "unknown", "nobody:secret@").await?;
    attempt(&stage, "none", "").await
}

async fn unasked(stage: Stage) -> Played {
    attempt(&stage, "client", ":secret@").await
}

async fn unauthenticated(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    for command in [
        "PING",
        "SUBSCRIBE news",
        "GET k",
        "NONSENSE",
        "HELLO 3",
        "AUTH",
        "AUTH guess",
        "AUTH a b c",
        "AUTH secret",
        "PING",
        "QUIT",
    ] {
        raw.send(format!("{command}\r\n")).await;
        for line in raw.lines().await {
            stage.note(command, line);
        }
    }
    Ok(())
}

async fn hello(stage: Stage) -> Played {
    let mut raw = Raw::connect(stage.port()).await?;
    for command in [
        "HELLO",
        "HELLO 3",
        "HELLO 2",
        "HELLO 4",
        "HELLO x",
        "HELLO 3 SETNAME me",
        "HELLO 3 NONSENSE",
        "HELLO 3 AUTH default x",
    ] {
        raw.send(format!("{command}\r\n")).await;
        let lines = raw.lines().await;
        // The id of the connection is the one number that varies.
        let id = lines.iter().position(|line| line == "id");
        for (index, line) in lines.iter().enumerate() {
            let varies = id.is_some_and(|id| index == id + 1);
            stage.note(command, if varies { "(id)" } else { line });
        }
    }
    Ok(())
}

async fn both(stage: Stage) -> Played {
    let mut setup = connect(&stage).await?;
    let _done: () = setup.hset("hash", "field", "value").await?;
    let _done: () = setup.sadd("set", "member").await?;
    for (who, client) in [("RESP2", client(&stage)?), ("RESP3", client3(&stage)?)] {
        let mut connection = client.get_multiplexed_async_connection().await?;
        for words in [
            &["HGETALL", "hash"][..],
            &["SMEMBERS", "set"],
            &["GET", "nothing"],
            &["HGETALL", "nothing"],
            &["CONFIG", "GET", "maxclients"],
            &["SISMEMBER", "set", "member"],
        ] {
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]);
            answer(&stage, who, command.query_async::<redis::Value>(&mut connection).await);
        }
    }
    Ok(())
}

async fn too_many(stage: Stage) -> Played {
    // A pipe that was closed is noticed a moment later.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let (mut one, _two) = (connect(&stage).await?, connect(&stage).await?);
    let mut raw = Raw::connect(stage.port()).await?;
    for line in raw.lines_to_the_end().await {
        stage.note("third", line);
    }
    answer(&stage, "first", redis::cmd("PING").query_async::<String>(&mut one).await);
    Ok(())
}

async fn client_commands(stage: Stage) -> Played {
    let mut killer = connect(&stage).await?;
    let mut victim = connect(&stage).await?;
    let ask = |words: &[&str]| {
        let mut command = redis::cmd("CLIENT");
        command.arg(words);
        command
    };
    for words in [
        &["GETNAME"][..],
        &["SETNAME", "a name"],
        &["SETNAME", "name"],
        &["GETNAME"],
        &["KILL", "127.0.0.1:1"],
        &["KILL", "ID", "999999"],
        &["KILL", "TYPE", "pubsub"],
        &["KILL", "TYPE", "odd"],
        &["NO-EVICT", "on"],
        &["NONSENSE"],
    ] {
        answer(&stage, &words.join(" "), ask(words).query_async::<redis::Value>(&mut victim).await);
    }
    let info: String = ask(&["INFO"]).query_async(&mut victim).await?;
    let fields: Vec<&str> = info.split_whitespace().filter_map(|field| Some(field.split_once('=')?.0)).collect();
    stage.note("fields of INFO", format_args!("{fields:?}"));
    let id: i64 = ask(&["ID"]).query_async(&mut victim).await?;
    answer(&stage, "killer", ask(&["KILL", "ID", &id.to_string()]).query_async::<i64>(&mut killer).await);
    let after = redis::cmd("PING").query_async::<String>(&mut victim).await;
    stage.note("victim", format_args!("{:?}", after.map_err(|error| error.is_connection_dropped())));
    Ok(())
}
