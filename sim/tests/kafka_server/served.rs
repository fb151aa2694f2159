//! One broker as `rskafka` sees it, over real loopback sockets.

use std::time::Duration;

use futures_util::StreamExt;
use rskafka::chrono::DateTime;
use rskafka::client::consumer::{StartOffset, StreamConsumerBuilder};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, error};
use squall_sim::servers::kafka::{AutoCreate, BrokerId, ClusterConfig, KafkaCluster, TimestampType};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::support::{NOW_MS, address, client, config, partition, produce, record, texts};

const ALL: std::ops::Range<i32> = 1..1_000_000;

pub(crate) struct Served {
    pub(crate) cluster: KafkaCluster,
    pub(crate) address: String,
    task: JoinHandle<()>,
}

impl Served {
    pub(crate) async fn with(change: impl FnOnce(&mut ClusterConfig)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = config(vec![address(1, "127.0.0.1", port)]);
        change(&mut config);
        let cluster = KafkaCluster::new(config, 7);
        let broker = cluster.broker(BrokerId(1));
        let task = tokio::spawn(async move { broker.serve(listener).await.unwrap() });
        Self { cluster, address: format!("127.0.0.1:{port}"), task }
    }

    pub(crate) async fn plain() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn client(&self) -> Client {
        client(std::slice::from_ref(&self.address)).await
    }

    pub(crate) async fn topic(&self) -> PartitionClient {
        partition(&self.client().await, "events").await
    }
}

fn protocol_error<T: std::fmt::Debug>(result: error::Result<T>) -> ProtocolError {
    match result.unwrap_err() {
        Error::ServerError { protocol_error, .. } => protocol_error,
        other => panic!("not the broker's error: {other:?}"),
    }
}

#[tokio::test]
async fn records_come_back_as_they_were_produced() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    let records = vec![record("one", NOW_MS), record("two", NOW_MS + 5)];
    let offsets = topic.produce(records.clone(), Compression::NoCompression).await.unwrap();
    assert_eq!(offsets, [0, 1]);
    assert_eq!(produce(&topic, "three").await, 2);
    let (fetched, high_watermark) = topic.fetch_records(0, ALL, 100).await.unwrap();
    assert_eq!(high_watermark, 3);
    assert_eq!(fetched.iter().map(|record| record.offset).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!([&fetched[0].record, &fetched[1].record], [&records[0], &records[1]]);
    let (fetched, _) = topic.fetch_records(1, ALL, 100).await.unwrap();
    assert_eq!(texts(&fetched), ["two", "three"], "reading starts within a batch");
    let stats = served.cluster.stats(BrokerId(1));
    assert_eq!((stats.appended_batches, stats.deliveries, stats.led_partitions), (2, 2, 1));
}

#[tokio::test]
async fn offsets_are_found_by_place_and_by_time() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    assert_eq!(topic.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(topic.get_offset(OffsetAt::Latest).await.unwrap(), 0);
    for (text, at) in [("a", 10), ("b", 20), ("c", 40)] {
        let batch = vec![record(text, NOW_MS + at), record(text, NOW_MS + at + 5)];
        topic.produce(batch, Compression::NoCompression).await.unwrap();
    }
    assert_eq!(topic.get_offset(OffsetAt::Latest).await.unwrap(), 6);
    for (at, offset) in [(0, 0), (10, 0), (11, 1), (15, 1), (16, 2), (25, 3), (26, 4), (45, 5), (46, -1)] {
        let time = DateTime::from_timestamp_millis(NOW_MS + at).unwrap();
        assert_eq!(topic.get_offset(OffsetAt::Timestamp(time)).await.unwrap(), offset, "at {at} ms");
    }
}

#[tokio::test]
async fn an_unknown_topic_is_created_by_who_asks_for_it() {
    let served = Served::plain().await;
    let client = served.client().await;
    let first = client.partition_client("new", 0, UnknownTopicHandling::Error).await;
    assert_eq!(protocol_error(first), ProtocolError::UnknownTopicOrPartition);
    client.partition_client("new", 0, UnknownTopicHandling::Error).await.unwrap();
    let other = client.partition_client("bad name", 0, UnknownTopicHandling::Error).await;
    assert_eq!(protocol_error(other), ProtocolError::InvalidTopicException);
}

#[tokio::test]
async fn an_unknown_topic_stays_unknown_where_creation_is_forbidden() {
    let served = Served::with(|config| config.auto_create = AutoCreate::Disabled).await;
    let client = served.client().await;
    for _ in 0..2 {
        let topic = client.partition_client("new", 0, UnknownTopicHandling::Error).await;
        assert_eq!(protocol_error(topic), ProtocolError::UnknownTopicOrPartition);
    }
}

#[tokio::test]
async fn topics_are_created_listed_and_deleted() {
    let served = Served::plain().await;
    let client = served.client().await;
    let controller = client.controller_client().unwrap();
    controller.create_topic("a", 3, 1, 1000).await.unwrap();
    controller.create_topic("b", -1, -1, 1000).await.unwrap();
    let again = controller.create_topic("a", 1, 1, 1000).await;
    assert_eq!(protocol_error(again), ProtocolError::TopicAlreadyExists);
    let two_copies = controller.create_topic("c", 1, 2, 1000).await;
    assert_eq!(protocol_error(two_copies), ProtocolError::InvalidReplicationFactor);
    let none = controller.create_topic("c", 0, 1, 1000).await;
    assert_eq!(protocol_error(none), ProtocolError::InvalidPartitions);
    let topics = client.list_topics().await.unwrap();
    let shapes: Vec<_> = topics.iter().map(|topic| (topic.name.as_str(), topic.partitions.len())).collect();
    assert_eq!(shapes, [("a", 3), ("b", 1)]);

    let old = partition(&client, "a").await;
    assert_eq!(produce(&old, "old").await, 0);
    controller.delete_topic("a", 1000).await.unwrap();
    assert_eq!(protocol_error(controller.delete_topic("a", 1000).await), ProtocolError::UnknownTopicOrPartition);
    controller.create_topic("a", 1, 1, 1000).await.unwrap();
    let new = partition(&client, "a").await;
    assert_eq!(new.get_offset(OffsetAt::Latest).await.unwrap(), 0, "nothing is left of the old topic");
}

#[tokio::test]
async fn reading_outside_the_log_is_refused() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    produce(&topic, "only").await;
    for offset in [2, -1] {
        let fetched = topic.fetch_records(offset, ALL, 100).await;
        assert_eq!(protocol_error(fetched), ProtocolError::OffsetOutOfRange, "at {offset}");
    }
    assert!(topic.fetch_records(1, ALL, 1).await.unwrap().0.is_empty(), "the end is no error");
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_refused_and_leaves_no_trace() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    let large = "x".repeat(1_048_588);
    let produced = topic.produce(vec![record(&large, NOW_MS)], Compression::NoCompression).await;
    assert_eq!(protocol_error(produced), ProtocolError::MessageTooLarge);
    assert_eq!(produce(&topic, &large[..1_048_000]).await, 0);
}

#[tokio::test]
async fn a_fetch_waits_for_data_and_not_longer() {
    let served = Served::plain().await;
    let (topic, producer) = (served.topic().await, served.topic().await);
    let before = Instant::now();
    let (nothing, _) = topic.fetch_records(0, ALL, 200).await.unwrap();
    assert!(nothing.is_empty() && before.elapsed() >= Duration::from_millis(200), "{:?}", before.elapsed());

    let waiting = tokio::spawn(async move {
        let before = Instant::now();
        let (records, _) = topic.fetch_records(0, ALL, 20_000).await.unwrap();
        (texts(&records), before.elapsed())
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    produce(&producer, "news").await;
    let (records, waited) = waiting.await.unwrap();
    assert_eq!(records, ["news"]);
    assert!(waited < Duration::from_secs(5), "answered when the data came, not after {waited:?}");
}

#[tokio::test]
async fn a_fetch_waits_until_there_are_enough_bytes() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    produce(&topic, "little").await;
    let before = Instant::now();
    let (records, _) = topic.fetch_records(0, 10_000..1_000_000, 200).await.unwrap();
    assert_eq!(texts(&records), ["little"], "what there is comes when time is up");
    assert!(before.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn a_fetch_takes_whole_batches_within_its_limit_but_always_one() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    for text in ["first", "second", "third"] {
        produce(&topic, &text.repeat(100)).await;
    }
    for (limit, expected) in [(1, 1), (700, 1), (1400, 2), (10_000, 3)] {
        let (records, _) = topic.fetch_records(0, 1..limit + 1, 100).await.unwrap();
        assert_eq!(records.len(), expected, "within {limit} bytes");
    }
}

#[tokio::test]
async fn deleted_records_are_gone_from_the_start() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    for text in ["0", "1", "2"] {
        produce(&topic, text).await;
    }
    topic.delete_records(2, 1000).await.unwrap();
    assert_eq!(topic.get_offset(OffsetAt::Earliest).await.unwrap(), 2);
    assert_eq!(protocol_error(topic.fetch_records(1, ALL, 1).await), ProtocolError::OffsetOutOfRange);
    assert_eq!(texts(&topic.fetch_records(2, ALL, 100).await.unwrap().0), ["2"]);
    assert_eq!(protocol_error(topic.delete_records(9, 1000).await), ProtocolError::OffsetOutOfRange);
}

#[tokio::test]
async fn the_leader_stamps_records_where_the_topic_wants_it() {
    let served = Served::with(|config| config.topics.timestamps = TimestampType::LogAppendTime).await;
    let topic = served.topic().await;
    topic.produce(vec![record("late", NOW_MS - 1_000_000)], Compression::NoCompression).await.unwrap();
    let time = DateTime::from_timestamp_millis(NOW_MS).unwrap();
    assert_eq!(topic.get_offset(OffsetAt::Timestamp(time)).await.unwrap(), 0);
    assert_eq!(texts(&topic.fetch_records(0, ALL, 100).await.unwrap().0), ["late"], "its checksum holds");
}

#[tokio::test]
async fn a_stream_consumer_reads_on() {
    let served = Served::plain().await;
    let (topic, producer) = (served.topic().await, served.topic().await);
    produce(&producer, "before").await;
    let mut stream = StreamConsumerBuilder::new(topic.into(), StartOffset::Latest).build();
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.push(stream.next().await.unwrap().unwrap().0);
        }
        texts(&seen)
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    for text in ["1", "2", "3"] {
        produce(&producer, text).await;
    }
    assert_eq!(reading.await.unwrap(), ["1", "2", "3"]);
}

#[tokio::test]
async fn an_orderly_shutdown_ends_the_service_and_the_next_life_has_the_log() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    produce(&topic, "kept").await;
    let (cluster, address) = (served.cluster.clone(), served.address.clone());
    cluster.shutdown(BrokerId(1));
    served.task.await.unwrap();
    let listener = TcpListener::bind(&address).await.unwrap();
    let next = cluster.broker(BrokerId(1));
    tokio::spawn(async move { next.serve(listener).await.unwrap() });
    assert_eq!(texts(&topic.fetch_records(0, ALL, 100).await.unwrap().0), ["kept"]);
    assert_eq!(produce(&topic, "more").await, 1);
}
