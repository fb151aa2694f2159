//! What is produced and fetched, and where.

use super::{connect, fetch, note, note_log, partition, produce, record, topic};
use crate::script::{Played, Script, Stage};
use futures_util::StreamExt;
use rskafka::client::consumer::{StartOffset, StreamConsumerBuilder};
use rskafka::client::partition::OffsetAt;
use rskafka::record::Record;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const SCRIPTS: &[Script] = &[
    Script::new("produce and fetch", "offsets, the high watermark, keys and headers", |stage| {
        Box::pin(round_trip(stage))
    }),
    Script::new("in order", "forty records in batches of different sizes", |stage| Box::pin(in_order(stage))),
    Script::new("offsets", "earliest and latest, of an empty and a filled log", |stage| Box::pin(offsets(stage))),
    Script::new("offset of a time", "before, between and after the records", |stage| Box::pin(offset_of_time(stage))),
    Script::new("out of range", "a fetch behind the end", |stage| Box::pin(out_of_range(stage))),
    Script::new("long poll", "a fetch that waits, and one whose wait is over", |stage| Box::pin(long_poll(stage))),
    Script::new("big record", "below and above the limit", |stage| Box::pin(big(stage))),
    Script::new("small fetch", "a fetch that takes less than a batch", |stage| Box::pin(small_fetch(stage))),
    Script::new("several producers", "three at one time", |stage| Box::pin(producers(stage))),
    Script::new("stream consumer", "from the beginning, from the end, from an offset", |stage| Box::pin(stream(stage))),
    Script::new("delete records", "where the log begins afterwards", |stage| Box::pin(delete_records(stage))),
];

async fn round_trip(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    let headers = BTreeMap::from([("node".to_owned(), b"7".to_vec()), ("empty".to_owned(), Vec::new())]);
    let full = Record { key: Some(b"key".to_vec()), headers, ..record("value") };
    let hollow = Record { key: Some(Vec::new()), value: None, ..record("") };
    note(&stage, "producer", produce(&log, vec![full, hollow]).await);
    note(&stage, "producer", produce(&log, vec![record("third")]).await);
    let (records, high) = fetch(&log, 0).await?;
    for found in &records {
        let Record { key, value, headers, timestamp } = &found.record;
        stage.note(
            "consumer",
            format_args!("{}: {key:?} {value:?} {headers:?} {}", found.offset, timestamp.timestamp_millis()),
        );
    }
    stage.note("consumer", format_args!("high watermark {high}"));
    Ok(())
}

async fn in_order(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    let mut next = 0;
    for size in [1, 2, 3, 4, 10, 20] {
        let records = (next..next + size).map(|number: u32| record(number.to_string())).collect();
        note(&stage, "producer", produce(&log, records).await);
        next += size;
    }
    note_log(&stage, "consumer", &log, 0).await;
    note_log(&stage, "from the middle", &log, 25).await;
    Ok(())
}

async fn offsets(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    note(&stage, "empty, earliest", log.get_offset(OffsetAt::Earliest).await);
    note(&stage, "empty, latest", log.get_offset(OffsetAt::Latest).await);
    produce(&log, vec![record("a"), record("b")]).await?;
    note(&stage, "filled, earliest", log.get_offset(OffsetAt::Earliest).await);
    note(&stage, "filled, latest", log.get_offset(OffsetAt::Latest).await);
    Ok(())
}

async fn offset_of_time(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    let base = record("").timestamp.timestamp_millis();
    for delay in [0, 1_000, 2_000] {
        produce(&log, vec![Record { timestamp: super::at(base + delay), ..record("x") }]).await?;
    }
    for (who, delay) in
        [("long before", -10_000), ("the first", 0), ("between", 500), ("the last", 2_000), ("after", 2_001)]
    {
        note(&stage, who, log.get_offset(OffsetAt::Timestamp(super::at(base + delay))).await);
    }
    Ok(())
}

async fn out_of_range(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    produce(&log, vec![record("a"), record("b")]).await?;
    for offset in [2_i64, 3, 100] {
        let fetched = fetch(&log, offset).await.map(|(records, high)| (records.len(), high));
        note(&stage, &format!("at {offset}"), fetched);
    }
    Ok(())
}

async fn long_poll(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = Arc::new(topic(&client, "news").await?);
    let begun = Instant::now();
    let (records, _) = log.fetch_records(0, 1..1_000_000, 600).await?;
    let waited = begun.elapsed() >= Duration::from_millis(500);
    stage.note("nothing comes", format_args!("{} records, waited: {waited}", records.len()));
    let waiting = tokio::spawn({
        let log = Arc::clone(&log);
        async move { (log.fetch_records(0, 1..1_000_000, 8_000).await, Instant::now()) }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    let other = connect(&stage).await?;
    produce(&partition(&other, "news", 0).await?, vec![record("at last")]).await?;
    let produced = Instant::now();
    let (fetched, answered) = waiting.await?;
    stage.note("something comes", format_args!("{} records", fetched?.0.len()));
    let soon = answered.saturating_duration_since(produced) < Duration::from_secs(3);
    stage.note("something comes", if soon { "answered soon after" } else { "answered when the wait was over" });
    Ok(())
}

async fn big(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    note(&stage, "below", produce(&log, vec![record(vec![b'x'; 1_000_000])]).await);
    note(&stage, "above", produce(&log, vec![record(vec![b'x'; 2_000_000])]).await);
    note(&stage, "afterwards", produce(&log, vec![record("small")]).await);
    let (records, _) = fetch(&log, 0).await?;
    let size = records.first().and_then(|found| found.record.value.as_ref()).map(Vec::len);
    stage.note("consumer", format_args!("first record {size:?}"));
    Ok(())
}

async fn small_fetch(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    for _ in 0..3 {
        produce(&log, vec![record(vec![b'x'; 10_000])]).await?;
    }
    for bytes in [100, 15_000, 100_000] {
        let fetched = log.fetch_records(0, 1..bytes, 500).await;
        note(&stage, &format!("{bytes} bytes"), fetched.map(|(records, high)| (records.len(), high)));
    }
    Ok(())
}

async fn producers(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    let mut tasks = Vec::new();
    for name in ["a", "b", "c"] {
        let client = connect(&stage).await?;
        let log = partition(&client, "news", 0).await?;
        tasks.push(tokio::spawn(async move {
            for number in 0..20 {
                log.produce(vec![record(format!("{name}{number}"))], Default::default()).await?;
            }
            Ok::<(), rskafka::client::error::Error>(())
        }));
    }
    for task in tasks {
        task.await??;
    }
    let (records, high) = fetch(&log, 0).await?;
    stage.note("log", format_args!("{} records, high watermark {high}", records.len()));
    let dense = records.iter().zip(0..).all(|(record, offset)| record.offset == offset);
    stage.note("log", if dense { "offsets without gaps" } else { "offsets with gaps" });
    for name in ["a", "b", "c"] {
        let values = records.iter().filter_map(|found| found.record.value.as_deref()).map(String::from_utf8_lossy);
        let own: Vec<String> = values.filter_map(|value| Some(value.strip_prefix(name)?.to_owned())).collect();
        stage.note(name, own.join(" "));
    }
    Ok(())
}

async fn stream(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = Arc::new(topic(&client, "news").await?);
    produce(&log, (0..5).map(|number| record(number.to_string())).collect()).await?;
    for (who, start, expected) in [
        ("from the beginning", StartOffset::Earliest, 7),
        ("from the end", StartOffset::Latest, 2),
        ("from 3", StartOffset::At(3), 4),
        ("from 100", StartOffset::At(100), 1),
    ] {
        let mut stream = StreamConsumerBuilder::new(Arc::clone(&log), start).with_max_wait_ms(200).build();
        let first = tokio::time::timeout(Duration::from_millis(1_000), stream.next()).await;
        if who == "from the end" || who == "from the beginning" {
            // The end is where it was when the stream began.
            produce(&log, vec![record(format!("{who} 1"))]).await?;
        }
        let mut heard = Vec::from_iter(first.ok().flatten());
        while heard.len() < expected && heard.last().is_none_or(Result::is_ok) {
            match tokio::time::timeout(Duration::from_secs(3), stream.next()).await {
                Ok(Some(item)) => heard.push(item),
                _ => break,
            }
        }
        for item in heard {
            note(
                &stage,
                who,
                item.map(|(found, _high)| {
                    (found.offset, found.record.value.map(|v| String::from_utf8_lossy(&v).into_owned()))
                }),
            );
        }
    }
    Ok(())
}

async fn delete_records(stage: Stage) -> Played {
    let client = connect(&stage).await?;
    let log = topic(&client, "news").await?;
    for number in 0..6 {
        produce(&log, vec![record(number.to_string())]).await?;
    }
    note(&stage, "delete before 4", log.delete_records(4, 5_000).await);
    note(&stage, "earliest", log.get_offset(OffsetAt::Earliest).await);
    note(&stage, "latest", log.get_offset(OffsetAt::Latest).await);
    note_log(&stage, "from 4", &log, 4).await;
    note_log(&stage, "from 0", &log, 0).await;
    note(&stage, "delete before 100", log.delete_records(100, 5_000).await);
    Ok(())
}
