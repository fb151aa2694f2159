//! Who gets what, in which order.

use super::{connect, hear, options, publish, settled};
use crate::script::{Played, Script, Stage};
use async_nats::{HeaderMap, Subscriber};
use futures_util::StreamExt;
use std::collections::BTreeSet;
use std::time::Duration;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("in order", "three subscribers, twenty messages", |stage| Box::pin(in_order(stage))),
    Script::new("two publishers", "the order of each publisher", |stage| Box::pin(two_publishers(stage))),
    Script::new("echo", "a publisher that subscribes, with and without `no_echo`", |stage| Box::pin(echo(stage))),
    Script::new("wildcards", "`*`, `>` and what they do not match", |stage| Box::pin(wildcards(stage))),
    Script::new("queue groups", "two groups of three members, and a plain subscriber", |stage| Box::pin(groups(stage))),
    Script::new("queue member leaves", "a group when a member unsubscribes", |stage| Box::pin(member_leaves(stage))),
    Script::new("unsubscribe", "at once, and after three messages", |stage| Box::pin(unsubscribe(stage))),
    Script::new("twice", "two subscriptions of one client to one subject", |stage| Box::pin(twice(stage))),
    Script::new("headers", "several values, empty payload", |stage| Box::pin(headers(stage))),
    Script::new("request", "a reply, nobody there, nobody answering", |stage| Box::pin(request(stage))),
    Script::new("late subscriber", "what was published before", |stage| Box::pin(late(stage))),
    Script::new("drain", "messages under way when a subscription drains", |stage| Box::pin(drain(stage))),
];

async fn in_order(stage: Stage) -> Played {
    let publisher = connect(&stage).await?;
    let mut subscribers = Vec::new();
    for _ in 0..3 {
        let client = connect(&stage).await?;
        let subscriber = client.subscribe("news").await?;
        settled(&client).await?;
        subscribers.push((client, subscriber));
    }
    publish(&publisher, "news", 0..20).await?;
    for (index, (_client, subscriber)) in subscribers.iter_mut().enumerate() {
        hear(&stage, &format!("subscriber {index}"), subscriber, 20).await;
    }
    Ok(())
}

async fn two_publishers(stage: Stage) -> Played {
    let (one, two, reader) = (connect(&stage).await?, connect(&stage).await?, connect(&stage).await?);
    let mut subscriber = reader.subscribe("news.*").await?;
    settled(&reader).await?;
    for number in 0..50 {
        publish(&one, "news.one", number..number + 1).await?;
        publish(&two, "news.two", number..number + 1).await?;
    }
    for _ in 0..100 {
        let message = tokio::time::timeout(super::DUE, subscriber.next()).await?.ok_or("the subscription ended")?;
        stage.note(&message.subject, String::from_utf8_lossy(&message.payload));
    }
    Ok(())
}

async fn echo(stage: Stage) -> Played {
    let loud = connect(&stage).await?;
    let quiet = options().no_echo().connect(stage.address()).await?;
    let mut heard_loud = loud.subscribe("news").await?;
    let mut heard_quiet = quiet.subscribe("news").await?;
    settled(&loud).await?;
    settled(&quiet).await?;
    loud.publish("news", "from the loud".into()).await?;
    settled(&loud).await?;
    quiet.publish("news", "from the quiet".into()).await?;
    hear(&stage, "loud", &mut heard_loud, 2).await;
    hear(&stage, "quiet", &mut heard_quiet, 1).await;
    Ok(())
}

async fn wildcards(stage: Stage) -> Played {
    let (client, publisher) = (connect(&stage).await?, connect(&stage).await?);
    let patterns = [("a.*", 3), ("a.>", 5), ("*.b", 2), (">", 7), ("a.*.c", 2), ("a.b", 1)];
    let mut subscribers = Vec::new();
    for (pattern, expected) in patterns {
        subscribers.push((pattern, expected, client.subscribe(pattern).await?));
    }
    // No question whether anybody listens: `>` does.
    client.flush().await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for subject in ["a", "a.b", "a.c", "a.b.c", "a.x.c", "x.b", "a.*"] {
        // A subject with a wildcard may be published to; it is just a subject then.
        publisher.publish(subject, subject.into()).await?;
    }
    for (pattern, expected, mut subscriber) in subscribers {
        hear(&stage, pattern, &mut subscriber, expected).await;
    }
    Ok(())
}

async fn groups(stage: Stage) -> Played {
    let (client, publisher) = (connect(&stage).await?, connect(&stage).await?);
    let mut groups: Vec<(&str, Vec<Subscriber>)> = Vec::new();
    for group in ["red", "blue"] {
        let mut members = Vec::new();
        for _ in 0..3 {
            members.push(client.queue_subscribe("work", group.to_owned()).await?);
        }
        groups.push((group, members));
    }
    let mut plain = client.subscribe("work").await?;
    settled(&client).await?;
    publish(&publisher, "work", 0..60).await?;
    settled(&publisher).await?;
    hear(&stage, "plain", &mut plain, 60).await;
    for (group, members) in &mut groups {
        let mut all = Vec::new();
        for member in members {
            let before = all.len();
            while let Ok(Some(message)) = tokio::time::timeout(Duration::from_millis(100), member.next()).await {
                all.push(String::from_utf8_lossy(&message.payload).into_owned());
            }
            let share = all.len() - before;
            stage.note(group, if share == 0 { "a member got nothing" } else { "a member got its share" });
        }
        let distinct: BTreeSet<&String> = all.iter().collect();
        stage.note(group, format_args!("{} messages, {} distinct", all.len(), distinct.len()));
    }
    Ok(())
}

async fn member_leaves(stage: Stage) -> Played {
    let (client, publisher) = (connect(&stage).await?, connect(&stage).await?);
    let mut stays = client.queue_subscribe("work", "team".to_owned()).await?;
    let mut leaves = client.queue_subscribe("work", "team".to_owned()).await?;
    settled(&client).await?;
    leaves.unsubscribe().await?;
    settled(&client).await?;
    publish(&publisher, "work", 0..10).await?;
    hear(&stage, "stays", &mut stays, 10).await;
    hear(&stage, "leaves", &mut leaves, 1).await;
    Ok(())
}

async fn unsubscribe(stage: Stage) -> Played {
    let (client, publisher) = (connect(&stage).await?, connect(&stage).await?);
    let mut at_once = client.subscribe("news").await?;
    let mut after_three = client.subscribe("news").await?;
    let mut after_two_already = client.subscribe("news").await?;
    settled(&client).await?;
    after_three.unsubscribe_after(3).await?;
    publish(&publisher, "news", 0..2).await?;
    settled(&publisher).await?;
    settled(&client).await?;
    after_two_already.unsubscribe_after(2).await?;
    at_once.unsubscribe().await?;
    settled(&client).await?;
    publish(&publisher, "news", 2..6).await?;
    hear(&stage, "at once", &mut at_once, 3).await;
    hear(&stage, "after three", &mut after_three, 4).await;
    hear(&stage, "after two, which came already", &mut after_two_already, 3).await;
    Ok(())
}

async fn twice(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let mut first = client.subscribe("news").await?;
    let mut second = client.subscribe("news").await?;
    let mut wide = client.subscribe("*").await?;
    publish(&client, "news", 0..3).await?;
    hear(&stage, "first", &mut first, 3).await;
    hear(&stage, "second", &mut second, 3).await;
    hear(&stage, "wide", &mut wide, 3).await;
    Ok(())
}

async fn headers(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let mut subscriber = client.subscribe("news").await?;
    let mut headers = HeaderMap::new();
    headers.insert("Node", "7");
    headers.append("Trace", "one");
    headers.append("Trace", "two: with a colon");
    client.publish_with_headers("news", headers.clone(), "with".into()).await?;
    client.publish_with_headers("news", headers.clone(), "".into()).await?;
    client.publish_with_reply_and_headers("news", "answers.here", headers, "reply".into()).await?;
    client.publish("news", "without".into()).await?;
    for _ in 0..4 {
        let message = subscriber.next().await.ok_or("the subscription ended")?;
        let headers = message.headers.unwrap_or_default();
        let mut names: Vec<String> = headers.iter().map(|(name, values)| format!("{name}={values:?}")).collect();
        names.sort();
        let payload = String::from_utf8_lossy(&message.payload).into_owned();
        stage.note("subscriber", format_args!("{payload:?} reply {:?} {names:?}", message.reply));
    }
    Ok(())
}

async fn request(stage: Stage) -> Played {
    let (client, service) = (connect(&stage).await?, connect(&stage).await?);
    let mut questions = service.subscribe("question").await?;
    let _deaf = service.subscribe("deaf").await?;
    settled(&service).await?;
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            if let Some(reply) = question.reply {
                service.publish(reply, "answer".into()).await?;
            }
        }
        Ok::<(), async_nats::PublishError>(())
    });
    for (subject, timeout) in [("question", 5_000), ("nobody", 5_000), ("deaf", 200)] {
        let request = async_nats::Request::new().payload("?".into()).timeout(Some(Duration::from_millis(timeout)));
        match client.send_request(subject, request).await {
            Ok(answer) => stage.note(subject, String::from_utf8_lossy(&answer.payload)),
            Err(error) => stage.note(subject, format_args!("{:?}", error.kind())),
        }
    }
    answering.abort();
    Ok(())
}

async fn late(stage: Stage) -> Played {
    let (client, publisher) = (connect(&stage).await?, connect(&stage).await?);
    publish(&publisher, "news", 0..5).await?;
    settled(&publisher).await?;
    let mut subscriber = client.subscribe("news").await?;
    settled(&client).await?;
    publish(&publisher, "news", 5..8).await?;
    hear(&stage, "subscriber", &mut subscriber, 3).await;
    Ok(())
}

async fn drain(stage: Stage) -> Played {
    let (client, publisher) = (connect(&stage).await?, connect(&stage).await?);
    let mut subscriber = client.subscribe("news").await?;
    settled(&client).await?;
    publish(&publisher, "news", 0..5).await?;
    settled(&publisher).await?;
    subscriber.drain().await?;
    settled(&client).await?;
    publish(&publisher, "news", 5..8).await?;
    hear(&stage, "subscriber", &mut subscriber, 6).await;
    Ok(())
}
