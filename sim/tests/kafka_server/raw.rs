//! What `rskafka` never does: pipelining, other acknowledgements, requests that are not offered.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, ProduceRequest, RequestHeader, TopicName};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use squall_sim::servers::kafka::BrokerId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::served::Served;
use super::support::{NOW_MS, produce};

fn frame(key: ApiKey, version: i16, correlation: i32, body: impl FnOnce(&mut BytesMut)) -> Vec<u8> {
    let header = RequestHeader::default()
        .with_request_api_key(key as i16)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("raw")));
    let mut bytes = BytesMut::new();
    header.encode(&mut bytes, key.request_header_version(version)).unwrap();
    body(&mut bytes);
    [&(bytes.len() as i32).to_be_bytes()[..], &bytes].concat()
}

/// A fetch in version 4 that waits `wait_ms` for the only partition of `events`.
fn fetch(correlation: i32, wait_ms: i32) -> Vec<u8> {
    frame(ApiKey::Fetch, 4, correlation, |bytes| {
        let (replica, min, max) = (-1_i32, 1_i32, 1_000_000_i32);
        for number in [replica, wait_ms, min, max] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes.extend_from_slice(&[0]);
        bytes.extend_from_slice(&1_i32.to_be_bytes());
        bytes.extend_from_slice(&[0, 6]);
        bytes.extend_from_slice(b"events");
        bytes.extend_from_slice(&1_i32.to_be_bytes());
        bytes.extend_from_slice(&0_i32.to_be_bytes());
        bytes.extend_from_slice(&0_i64.to_be_bytes());
        bytes.extend_from_slice(&max.to_be_bytes());
    })
}

fn versions(version: i16, correlation: i32) -> Vec<u8> {
    frame(ApiKey::ApiVersions, version, correlation, |bytes| {
        if version >= 3 {
            bytes.extend_from_slice(b"\x02a\x02b\x00");
        }
    })
}

/// The next answer: its correlation id and what follows.
async fn answer(stream: &mut TcpStream) -> Option<(i32, Bytes)> {
    let length = stream.read_i32().await.ok()?;
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body).await.ok()?;
    let correlation = i32::from_be_bytes([body[0], body[1], body[2], body[3]]);
    Some((correlation, Bytes::from(body).slice(4..)))
}

fn produce_request(acks: i16, topic: &'static str, records: Bytes) -> Vec<u8> {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str(topic)))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default().with_acks(acks).with_timeout_ms(1000).with_topic_data(vec![topic]);
    frame(ApiKey::Produce, 7, 1, |bytes| request.encode(bytes, 7).unwrap())
}

/// A batch of one record.
fn batch() -> Bytes {
    let record = Record {
        transactional: false,
        control: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp: NOW_MS,
        key: None,
        value: Some(Bytes::from_static(b"hi")),
        headers: Default::default(),
    };
    let mut bytes = BytesMut::new();
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    RecordBatchEncoder::encode(&mut bytes, [&record], &options).unwrap();
    bytes.freeze()
}

#[tokio::test]
async fn answers_come_in_order_though_the_first_waits() {
    let served = Served::plain().await;
    let topic = served.topic().await;
    let mut stream = TcpStream::connect(&served.address).await.unwrap();
    let requests = [fetch(1, 20_000), versions(3, 2), versions(0, 3)].concat();
    stream.write_all(&requests).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    produce(&topic, "news").await;
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(answer(&mut stream).await.unwrap().0);
    }
    assert_eq!(order, [1, 2, 3]);
}

#[tokio::test]
async fn versions_from_the_future_get_the_oldest_answer() {
    let served = Served::plain().await;
    let mut stream = TcpStream::connect(&served.address).await.unwrap();
    stream.write_all(&versions(99, 5)).await.unwrap();
    let (correlation, mut body) = answer(&mut stream).await.unwrap();
    let response = ApiVersionsResponse::decode(&mut body, 0).unwrap();
    assert_eq!((correlation, response.error_code), (5, 35));
    let produce = response.api_keys.iter().find(|api| api.api_key == ApiKey::Produce as i16).unwrap();
    assert_eq!((produce.min_version, produce.max_version), (3, 9));
    assert!(response.api_keys.iter().all(|api| api.api_key != ApiKey::JoinGroup as i16));
}

#[tokio::test]
async fn what_is_not_offered_ends_the_connection() {
    let served = Served::plain().await;
    for request in [
        frame(ApiKey::JoinGroup, 5, 1, |_| {}),
        frame(ApiKey::Fetch, 99, 1, |_| {}),
        b"\0\0\0\x0a\x7f\x7f\0\0\0\0\0\0\0\0".to_vec(),
        b"\0\0\0\x02\0\0".to_vec(),
        b"\xff\xff\xff\xff".to_vec(),
        frame(ApiKey::Metadata, 4, 1, |bytes| bytes.extend_from_slice(&[0, 0])),
    ] {
        let mut stream = TcpStream::connect(&served.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        assert!(answer(&mut stream).await.is_none(), "{request:?}");
    }
}

#[tokio::test]
async fn producers_choose_their_acknowledgement() {
    let served = Served::plain().await;
    served.topic().await;
    let mut stream = TcpStream::connect(&served.address).await.unwrap();
    stream
        .write_all(&[produce_request(0, "events", batch()), produce_request(1, "events", batch())].concat())
        .await
        .unwrap();
    let (_, body) = answer(&mut stream).await.unwrap();
    // Topic count, name, partition count and index come before the error and the base offset.
    assert_eq!(body[20..22], [0, 0], "the leader's acknowledgement");
    assert_eq!(body[22..30], 1_i64.to_be_bytes(), "it came second, and is the first answer");
    stream.write_all(&produce_request(2, "events", batch())).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().1[20..22], 21_i16.to_be_bytes());
    stream.write_all(&produce_request(0, "nothing", batch())).await.unwrap();
    assert!(answer(&mut stream).await.is_none(), "closed, as there is no answer that could say so");
    assert_eq!(served.cluster.stats(BrokerId(1)).appended_batches, 2);
}

#[tokio::test]
async fn a_damaged_batch_is_refused() {
    let served = Served::plain().await;
    served.topic().await;
    let mut stream = TcpStream::connect(&served.address).await.unwrap();
    let mut damaged = batch().to_vec();
    *damaged.last_mut().unwrap() ^= 1;
    stream.write_all(&produce_request(-1, "events", damaged.into())).await.unwrap();
    assert_eq!(answer(&mut stream).await.unwrap().1[20..22], 2_i16.to_be_bytes());
}
