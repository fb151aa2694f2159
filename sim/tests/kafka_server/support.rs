//! Clients, records and configurations for the tests with `rskafka`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::time::Duration;

use rskafka::BackoffConfig;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};
use squall_sim::servers::kafka::{BrokerAddress, BrokerId, ClusterConfig};

/// What the brokers' wall clock says where it does not matter.
pub(crate) const NOW_MS: i64 = 1_750_000_000_000;

pub(crate) fn record(text: &str, timestamp_ms: i64) -> Record {
    Record {
        key: Some(b"key".to_vec()),
        value: Some(text.as_bytes().to_vec()),
        headers: [("header".to_owned(), b"value".to_vec())].into(),
        timestamp: DateTime::<Utc>::from_timestamp_millis(timestamp_ms).unwrap(),
    }
}

pub(crate) fn address(id: i32, host: &str, port: u16) -> BrokerAddress {
    BrokerAddress { id: BrokerId(id), host: host.into(), port }
}

pub(crate) fn config(brokers: Vec<BrokerAddress>) -> ClusterConfig {
    ClusterConfig::new(brokers, || NOW_MS)
}

pub(crate) async fn client(brokers: &[String]) -> Client {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(1), ..BackoffConfig::default() };
    ClientBuilder::new(brokers.to_vec()).backoff_config(backoff).build().await.unwrap()
}

pub(crate) async fn partition(client: &Client, topic: &str) -> PartitionClient {
    client.partition_client(topic, 0, UnknownTopicHandling::Retry).await.unwrap()
}

pub(crate) async fn produce(partition: &PartitionClient, text: &str) -> i64 {
    let records = vec![record(text, NOW_MS)];
    partition.produce(records, Compression::NoCompression).await.unwrap()[0]
}

pub(crate) fn texts(records: &[RecordAndOffset]) -> Vec<String> {
    let text = |record: &RecordAndOffset| String::from_utf8(record.record.value.clone().unwrap()).unwrap();
    records.iter().map(text).collect()
}
