//! A request's way through the broker.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{ApiKey, ApiVersionsResponse, FetchRequest};
use kafka_protocol::protocol::{Encodable, HeaderVersion};
use tokio::time::Instant;

use super::admin::PendingChanges;
use super::produce::PendingProduce;
use super::watchers::Watch;
use super::{Broker, ConnectionId};
use crate::servers::kafka::quorum::Quorum;
use crate::servers::kafka::wire::{self, Envelope, Opened, WireError};

/// What a connection does next.
#[derive(Debug)]
pub(in super::super) enum Step {
    /// Sends this frame.
    Reply(Bytes),
    /// Sends nothing: the client did not ask for an answer.
    Silent,
    /// Waits.
    Wait(Box<Delayed>),
    /// Closes: the client does not expect an answer, and must learn that something went wrong.
    Hangup,
}

/// Where a request came from, and what its answer must repeat.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub(super) connection: ConnectionId,
    pub(super) envelope: Envelope,
}

/// A request that waits for something.
#[derive(Debug)]
pub(in super::super) struct Delayed {
    pub(super) origin: Origin,
    /// When it is answered at the latest.
    pub(in super::super) deadline: Option<Instant>,
    pub(super) waiting: Waiting,
}

#[derive(Debug)]
pub(super) enum Waiting {
    /// For the broker to take part in the cluster.
    Admission(Bytes),
    /// For the replicas in sync.
    Replication(PendingProduce),
    /// For data.
    Data(FetchRequest),
    /// For a majority.
    Agreement(PendingChanges),
}

impl Broker {
    /// Takes a request.
    ///
    /// # Errors
    /// It cannot be understood; Kafka closes the connection then.
    pub(in super::super) fn receive(
        &mut self,
        connection: ConnectionId,
        frame: Bytes,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        self.stats.requests += 1;
        match wire::open(frame)? {
            Opened::Request(envelope, body) => self.handle(Origin { connection, envelope }, body, quorum, now),
            Opened::TooNew(envelope) => reply(envelope, &api_versions(Err(ResponseError::UnsupportedVersion))),
        }
    }

    fn handle(
        &mut self,
        origin: Origin,
        mut body: Bytes,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        let Origin { envelope, .. } = origin;
        let (version, body) = (envelope.version, &mut body);
        if self.image.is_none() && envelope.key != ApiKey::BrokerHeartbeat {
            // Kafka starts to accept connections only now.
            let waiting = Waiting::Admission(body.clone());
            return self.resume(Delayed { origin, deadline: None, waiting }, quorum, now);
        }
        match envelope.key {
            ApiKey::ApiVersions => reply(envelope, &api_versions(Ok(()))),
            ApiKey::Metadata => {
                let response = self.metadata(version, &wire::decode(body, version)?, quorum, now);
                reply(envelope, &response)
            }
            ApiKey::Produce => {
                let request = wire::decode(body, version)?;
                self.produce(origin, request, quorum, now)
            }
            ApiKey::Fetch => {
                let request = wire::decode(body, version)?;
                self.fetch(origin, request, quorum, now)
            }
            ApiKey::ListOffsets => {
                let response = self.list_offsets(version, &wire::decode(body, version)?);
                reply(envelope, &response)
            }
            ApiKey::DeleteRecords => {
                let response = self.delete_records(&wire::decode(body, version)?);
                reply(envelope, &response)
            }
            ApiKey::CreateTopics => {
                let request = wire::decode(body, version)?;
                self.create_topics(origin, &request, quorum, now)
            }
            ApiKey::DeleteTopics => {
                let request = wire::decode(body, version)?;
                self.delete_topics(origin, &request, quorum, now)
            }
            ApiKey::BrokerHeartbeat => {
                let response = self.answer_heartbeat(&wire::decode(body, version)?, quorum, now);
                reply(envelope, &response)
            }
            key => Err(WireError::UnsupportedVersion { key, version }),
        }
    }

    /// Looks again at a request that waits.
    ///
    /// # Errors
    /// It turns out not to be understandable, or its answer cannot be encoded.
    pub(in super::super) fn resume(
        &mut self,
        delayed: Delayed,
        quorum: &mut Quorum,
        now: Instant,
    ) -> Result<Step, WireError> {
        let Delayed { origin, deadline, waiting } = delayed;
        let Origin { connection, envelope } = origin;
        let expired = deadline.is_some_and(|deadline| deadline <= now);
        let unanswered = match waiting {
            Waiting::Admission(body) if self.image.is_some() => {
                return self.handle(origin, body, quorum, now);
            }
            Waiting::Admission(body) => {
                self.watchers.watch(Watch::Control, connection);
                Waiting::Admission(body)
            }
            Waiting::Replication(mut pending) => match self.try_produce(connection, &mut pending, expired) {
                Some(response) => return reply(envelope, &response),
                None => Waiting::Replication(pending),
            },
            Waiting::Data(request) => match self.try_fetch(connection, &request, expired) {
                Some(response) => return reply(envelope, &response),
                None => Waiting::Data(request),
            },
            Waiting::Agreement(pending) => match self.try_changes(connection, &pending, expired) {
                Some(answer) => return answer.reply(envelope),
                None => Waiting::Agreement(pending),
            },
        };
        Ok(Step::Wait(Box::new(Delayed { origin, deadline, waiting: unanswered })))
    }
}

/// A step that answers.
pub(super) fn reply<M: Encodable + HeaderVersion>(envelope: Envelope, response: &M) -> Result<Step, WireError> {
    wire::respond(envelope, response).map(Step::Reply)
}

fn api_versions(outcome: Result<(), ResponseError>) -> ApiVersionsResponse {
    let offered = |offer: &wire::Offer| {
        ApiVersion::default().with_api_key(offer.key as i16).with_min_version(offer.min).with_max_version(offer.max)
    };
    ApiVersionsResponse::default()
        .with_error_code(super::code(outcome))
        .with_api_keys(wire::OFFERS.iter().map(offered).collect())
}
