//! Topics that are and are not there.

use super::{connect, controller, note, note_log, partition, produce, record, topic};
use crate::script::{Played, Script, Stage};
use rskafka::client::partition::UnknownTopicHandling;

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("create twice", "the second creation", |stage| Box::pin(twice(stage))),
    Script::new("odd topics", "names and counts that are none", |stage| Box::pin(odd(stage))),
    Script::new("partitions", "a topic of three", |stage| Box::pin(partitions(stage))),
    Script::new("unknown topic", "a topic that nobody created", |stage| Box::pin(unknown(stage)))
        .with(&["--no-auto-create"], &[]),
    Script::new("unknown partition", "a partition that the topic has not", |stage| Box::pin(unknown_partition(stage))),
    Script::new("delete topic", "what is left of it", |stage| Box::pin(delete(stage))).with(&["--no-auto-create"], &[]),
];

async fn twice(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let controller = controller(&client)?;
    note(&stage, "first", controller.create_topic("news", 1, 1, 5_000).await);
    note(&stage, "second", controller.create_topic("news", 1, 1, 5_000).await);
    note(&stage, "with more partitions", controller.create_topic("news", 3, 1, 5_000).await);
    Ok(())
}

async fn odd(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let controller = controller(&client)?;
    let long = "x".repeat(250);
    for (who, name, partitions, replicas) in [
        ("empty name", "", 1, 1),
        ("dots", "..", 1, 1),
        ("a blank", "a b", 1, 1),
        ("a long name", &long, 1, 1),
        ("no partitions", "none", 0, 1),
        ("fewer than none", "fewer", -2, 1),
        ("more replicas than brokers", "many", 1, 3),
        ("defaults", "defaults", -1, -1),
    ] {
        note(&stage, who, controller.create_topic(name, partitions, replicas, 5_000).await);
    }
    Ok(())
}

async fn partitions(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    controller(&client)?.create_topic("news", 3, 1, 5_000).await?;
    for index in 0..3 {
        let log = partition(&client, "news", index).await?;
        for number in 0..=index {
            note(&stage, "producer", produce(&log, vec![record(format!("{index}.{number}"))]).await);
        }
    }
    for index in 0..3 {
        note_log(&stage, &format!("partition {index}"), &partition(&client, "news", index).await?, 0).await;
    }
    let topics = client.list_topics().await?;
    stage.note(
        "topics",
        format_args!("{:?}", topics.iter().map(|topic| (&topic.name, &topic.partitions)).collect::<Vec<_>>()),
    );
    Ok(())
}

async fn unknown(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let opened = client.partition_client("nothing", 0, UnknownTopicHandling::Error).await;
    note(&stage, "client", opened.map(|_| "opened"));
    stage.note("topics", format_args!("{:?}", client.list_topics().await?.len()));
    note(&stage, "delete", controller(&client)?.delete_topic("nothing", 5_000).await);
    Ok(())
}

async fn unknown_partition(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    topic(&client, "news").await?;
    let opened = client.partition_client("news", 7, UnknownTopicHandling::Error).await;
    note(&stage, "client", opened.map(|_| "opened"));
    Ok(())
}

async fn delete(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    produce(&log, vec![record("old")]).await?;
    note(&stage, "delete", controller(&client)?.delete_topic("news", 5_000).await);
    stage.note("topics", format_args!("{:?}", client.list_topics().await?.len()));
    let again = topic(&client, "news").await?;
    note(&stage, "produce again", produce(&again, vec![record("new")]).await);
    note_log(&stage, "log", &again, 0).await;
    Ok(())
}
