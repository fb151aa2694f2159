//! Kafka: a broker that speaks its protocol and the simulated one, through `rskafka` and raw connections.
//!
//! The real one is tansu, since Apache Kafka needs a JVM. Where the two differ, what Apache Kafka does decides, and
//! `differences.toml` says so.
//!
//! | module | what its scripts look at |
//! |---|---|
//! | `log` | what is produced and fetched, and where |
//! | `topics` | topics that are and are not there |
//! | `failure` | kills, restarts, odd requests |

mod failure;
mod log;
mod topics;

use crate::compare::Backend;
use crate::script::Stage;
use crate::server::{Launch, Programs};
use chrono::{DateTime, Utc};
use rskafka::BackoffConfig;
use rskafka::client::controller::ControllerClient;
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

/// Real time in which an answer is due.
const DUE: Duration = Duration::from_secs(15);

pub(crate) const BACKEND: Backend = Backend {
    programs: Programs { name: "kafka", real: "tansu", arguments },
    scripts: &[log::SCRIPTS, topics::SCRIPTS, failure::SCRIPTS],
};

fn arguments(launch: &Launch<'_>) -> Vec<String> {
    let url = format!("tcp://127.0.0.1:{}", launch.port);
    ["broker", "--listener-url", &url, "--advertised-listener-url", &url, "--storage-engine", "memory://tansu/"]
        .map(str::to_owned)
        .to_vec()
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A client that gives up after some seconds.
async fn connect(stage: &Stage) -> Result<Client, Failure> {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(50),
        max_backoff: Duration::from_millis(500),
        base: 2.0,
        deadline: Some(Duration::from_secs(5)),
    };
    let building = ClientBuilder::new(vec![stage.address()]).backoff_config(backoff).build();
    Ok(tokio::time::timeout(DUE, building).await??)
}

fn controller(client: &Client) -> Result<ControllerClient, Error> {
    client.controller_client()
}

/// A topic of one partition.
async fn topic(client: &Client, name: &str) -> Result<PartitionClient, Failure> {
    match controller(client)?.create_topic(name, 1, 1, 5_000).await {
        // The client asks again when the first answer was slow to come.
        Ok(()) | Err(Error::ServerError { protocol_error: ProtocolError::TopicAlreadyExists, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    partition(client, name, 0).await
}

async fn partition(client: &Client, name: &str, index: i32) -> Result<PartitionClient, Failure> {
    let opening = client.partition_client(name, index, UnknownTopicHandling::Retry);
    Ok(tokio::time::timeout(DUE, opening).await??)
}

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(ms).unwrap()
}

/// A record of some time around which everything happens.
fn record(value: impl Into<Vec<u8>>) -> Record {
    Record { key: None, value: Some(value.into()), headers: BTreeMap::new(), timestamp: at(1_750_000_000_000) }
}

async fn produce(partition: &PartitionClient, records: Vec<Record>) -> Result<Vec<i64>, Error> {
    match tokio::time::timeout(DUE, partition.produce(records, Compression::NoCompression)).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout),
    }
}

/// Everything from an offset, and the high watermark.
async fn fetch(partition: &PartitionClient, offset: i64) -> Result<(Vec<RecordAndOffset>, i64), Error> {
    match tokio::time::timeout(DUE, partition.fetch_records(offset, 1..4_000_000, 500)).await {
        Ok(result) => result,
        Err(_) => Err(Error::Timeout),
    }
}

/// Notes everything from an offset on.
async fn note_log(stage: &Stage, who: &str, partition: &PartitionClient, mut offset: i64) {
    loop {
        let (records, high) = match fetch(partition, offset).await {
            Ok(fetched) => fetched,
            Err(error) => return note(stage, who, Err::<(), _>(error)),
        };
        // A fetch in the middle of a batch returns it whole.
        for RecordAndOffset { record, offset: found } in records.iter().filter(|record| record.offset >= offset) {
            let value = record.value.as_deref().map(String::from_utf8_lossy);
            stage.note(who, format_args!("{found}: {}", value.unwrap_or("(none)".into())));
        }
        match records.last() {
            Some(last) if last.offset + 1 < high => offset = last.offset + 1,
            _ => return stage.note(who, format_args!("high watermark {high}")),
        }
    }
}

/// Notes a result; an error by the name that the protocol gives it.
fn note<T: Debug>(stage: &Stage, who: &str, result: Result<T, Error>) {
    match result {
        Ok(value) => stage.note(who, format_args!("{value:?}")),
        Err(Error::ServerError { protocol_error, .. }) => stage.note(who, format_args!("{protocol_error:?}")),
        Err(Error::Timeout) => stage.note(who, "no answer"),
        Err(Error::RetryFailed(_)) => stage.note(who, "attempts used up"),
        Err(Error::InvalidResponse(_)) => stage.note(who, "an answer that makes no sense"),
        Err(_) => stage.note(who, "the connection or the request failed"),
    }
}
