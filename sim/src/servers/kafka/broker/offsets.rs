//! ListOffsets and DeleteRecords: where a log starts and ends.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse};

use super::Broker;

/// Timestamps that mean something else.
const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// The offset that means the high watermark when records are deleted.
const ALL: i64 = -1;

impl Broker {
    pub(super) fn list_offsets(&self, version: i16, request: &ListOffsetsRequest) -> ListOffsetsResponse {
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| self.list_offset(&topic.name, partition));
            let mut partitions: Vec<ListOffsetsPartitionResponse> = partitions.collect();
            if version < 4 {
                // Older answers have no epoch, and the encoder takes none for them.
                partitions.iter_mut().for_each(|partition| partition.leader_epoch = -1);
            }
            ListOffsetsTopicResponse::default().with_name(topic.name.clone()).with_partitions(partitions)
        });
        ListOffsetsResponse::default().with_topics(topics.collect())
    }

    fn list_offset(&self, topic: &str, partition: &ListOffsetsPartition) -> ListOffsetsPartitionResponse {
        let response = ListOffsetsPartitionResponse::default()
            .with_partition_index(partition.partition_index)
            .with_timestamp(-1)
            .with_offset(-1);
        let led = self.led(topic, partition.partition_index, partition.current_leader_epoch);
        let found = led.and_then(|(led, _)| {
            let log = self.disk.get(&led.key).ok_or(ResponseError::KafkaStorageError)?;
            let place = match partition.timestamp {
                LATEST => Some((log.high_watermark(), -1)),
                EARLIEST => Some((log.start(), -1)),
                0.. => log.find_time(partition.timestamp),
                _ => return Err(ResponseError::UnsupportedForMessageFormat),
            };
            Ok((place, led.epoch))
        });
        match found {
            Ok((Some((offset, timestamp)), epoch)) => {
                response.with_offset(offset).with_timestamp(timestamp).with_leader_epoch(epoch)
            }
            Ok((None, _)) => response,
            Err(error) => response.with_error_code(error.code()),
        }
    }

    /// Deletes at once; a real broker also waits until the followers have.
    pub(super) fn delete_records(&mut self, request: &DeleteRecordsRequest) -> DeleteRecordsResponse {
        let mut topics = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let partitions = topic.partitions.iter().map(|partition| {
                let result = DeleteRecordsPartitionResult::default().with_partition_index(partition.partition_index);
                match self.delete_below(&topic.name, partition.partition_index, partition.offset) {
                    Ok(start) => result.with_low_watermark(start),
                    Err(error) => result.with_low_watermark(-1).with_error_code(error.code()),
                }
            });
            let partitions = partitions.collect();
            topics.push(DeleteRecordsTopicResult::default().with_name(topic.name.clone()).with_partitions(partitions));
        }
        DeleteRecordsResponse::default().with_topics(topics)
    }

    fn delete_below(&mut self, topic: &str, index: i32, offset: i64) -> Result<i64, ResponseError> {
        let (led, _) = self.led(topic, index, -1)?;
        let log = self.disk.get_mut(&led.key).ok_or(ResponseError::KafkaStorageError)?;
        let offset = if offset == ALL { log.high_watermark() } else { offset };
        if offset < 0 || offset > log.high_watermark() {
            return Err(ResponseError::OffsetOutOfRange);
        }
        log.advance_start(offset);
        Ok(log.start())
    }
}
