//! Frames to requests, responses to frames.
//!
//! Messages are encoded by the crate `kafka-protocol`; here is what is around them, and which versions of
//! which requests a broker takes.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiKey, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};

/// A request that clients may send, and in which versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) key: ApiKey,
    pub(super) min: i16,
    pub(super) max: i16,
}

const fn offer(key: ApiKey, min: i16, max: i16) -> Offer {
    Offer { key, min, max }
}

/// What clients are told. The lowest versions are those of Kafka 4; the highest are the last that name
/// topics by name and leave out what this broker has not: share groups, fetching by topic id.
pub(super) const OFFERS: [Offer; 8] = [
    offer(ApiKey::Produce, 3, 9),
    offer(ApiKey::Fetch, 4, 12),
    offer(ApiKey::ListOffsets, 1, 6),
    offer(ApiKey::Metadata, 0, 9),
    offer(ApiKey::ApiVersions, 0, 3),
    offer(ApiKey::CreateTopics, 2, 6),
    offer(ApiKey::DeleteTopics, 1, 5),
    offer(ApiKey::DeleteRecords, 0, 2),
];

/// What brokers send each other besides: this is no client's business.
const INTERNAL: Offer = offer(ApiKey::BrokerHeartbeat, 0, 1);

/// Versions in which brokers speak to each other.
pub(super) const PEER_FETCH: i16 = 12;
pub(super) const PEER_HEARTBEAT: i16 = 1;

/// Why a frame ends its connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("request key {0} is none that this broker knows: speak to it as ApiVersions says")]
    UnknownKey(i16),
    #[error("{key:?} in version {version} is not offered: speak as ApiVersions says")]
    UnsupportedVersion { key: ApiKey, version: i16 },
    #[error("{0} could not be decoded: send what the protocol describes")]
    Malformed(&'static str),
    #[error("a response could not be encoded: {0}")]
    Unencodable(String),
}

/// What a response must repeat of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) key: ApiKey,
    pub(super) version: i16,
    pub(super) correlation: i32,
}

/// Whether a request can be understood.
#[derive(Debug)]
pub(super) enum Opened {
    Request(Envelope, Bytes),
    /// Asks for the versions in a version of its own that is too new; it gets the oldest answer.
    TooNew(Envelope),
}

/// Opens a frame, without its length.
pub(super) fn open(mut frame: Bytes) -> Result<Opened, WireError> {
    let Some((key, version)) = frame
        .first_chunk::<8>()
        .map(|head| (i16::from_be_bytes([head[0], head[1]]), i16::from_be_bytes([head[2], head[3]])))
    else {
        return Err(WireError::Malformed("the request header"));
    };
    let correlation = i32::from_be_bytes([frame[4], frame[5], frame[6], frame[7]]);
    let key = ApiKey::try_from(key).map_err(|()| WireError::UnknownKey(key))?;
    let envelope = Envelope { key, version, correlation };
    let offered = OFFERS.iter().chain([&INTERNAL]).find(|offer| offer.key == key);
    match offered {
        Some(offer) if (offer.min..=offer.max).contains(&version) => {
            RequestHeader::decode(&mut frame, key.request_header_version(version))
                .map_err(|_| WireError::Malformed("the request header"))?;
            Ok(Opened::Request(envelope, frame))
        }
        Some(_) if key == ApiKey::ApiVersions => Ok(Opened::TooNew(Envelope { version: 0, ..envelope })),
        _ => Err(WireError::UnsupportedVersion { key, version }),
    }
}

/// Decodes the body of a request or of a response.
pub(super) fn decode<M: Decodable>(body: &mut Bytes, version: i16) -> Result<M, WireError> {
    M::decode(body, version).map_err(|_| WireError::Malformed(std::any::type_name::<M>()))
}

/// Encodes a response as a frame with its length.
pub(super) fn respond<M: Encodable + HeaderVersion>(envelope: Envelope, response: &M) -> Result<Bytes, WireError> {
    let header = ResponseHeader::default().with_correlation_id(envelope.correlation);
    frame(|buffer| {
        header.encode(buffer, M::header_version(envelope.version))?;
        response.encode(buffer, envelope.version)
    })
}

/// Encodes a request as a frame with its length.
pub(super) fn request<M: Request>(version: i16, correlation: i32, request: &M) -> Result<Bytes, WireError> {
    let header = RequestHeader::default()
        .with_request_api_key(M::KEY)
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(StrBytes::from_static_str("broker")));
    frame(|buffer| {
        header.encode(buffer, M::header_version(version))?;
        request.encode(buffer, version)
    })
}

/// Opens the response to a request of type `M`.
pub(super) fn open_response<M: Request>(
    mut frame: Bytes,
    version: i16,
    correlation: i32,
) -> Result<M::Response, WireError> {
    let header = ResponseHeader::decode(&mut frame, M::Response::header_version(version));
    if header.is_ok_and(|header| header.correlation_id == correlation) {
        return decode(&mut frame, version);
    }
    Err(WireError::Malformed("the response header"))
}

fn frame<E: std::fmt::Display>(encode: impl FnOnce(&mut BytesMut) -> Result<(), E>) -> Result<Bytes, WireError> {
    let mut buffer = BytesMut::new();
    buffer.put_i32(0);
    encode(&mut buffer).map_err(|error| WireError::Unencodable(error.to_string()))?;
    let length = i32::try_from(buffer.len() - 4).map_err(|error| WireError::Unencodable(error.to_string()))?;
    buffer[..4].copy_from_slice(&length.to_be_bytes());
    Ok(buffer.freeze())
}
