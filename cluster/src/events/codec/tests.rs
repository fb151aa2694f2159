//! Round trips, truncation, noise.

use super::*;
use crate::blocklist::testing::entries;
use proptest::prelude::*;

fn events() -> impl Strategy<Value = Vec<Event>> {
    let digest = (any::<[u64; BUCKETS]>(), any::<u32>(), 0..=MAX_WALL_MS)
        .prop_map(|(buckets, entries, horizon_ms)| Event::Digest(Digest { buckets, entries, horizon_ms }));
    proptest::collection::vec(
        prop_oneof![entries(20).prop_map(Event::Blocks), entries(20).prop_map(Event::Repair), digest,],
        0..4,
    )
}

fn envelopes() -> impl Strategy<Value = Envelope> {
    (any::<u64>(), 1..=u16::MAX, any::<bool>(), any::<u64>(), events()).prop_map(
        |(publisher, node, own, sequence, events)| Envelope {
            publisher: Incarnation(publisher),
            node_id: NodeId::new(node).unwrap(),
            numbering: if own { Numbering::Own } else { Numbering::Latest },
            sequence,
            events,
        },
    )
}

/// Recomputes the checksum, so that what follows it is reached.
fn resealed(mut content: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&content);
    content.extend_from_slice(&sum);
    content
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(envelope in envelopes()) {
        prop_assert_eq!(decode(&encode(&envelope)), Ok(envelope));
    }

    #[test]
    fn every_truncation_is_an_error(envelope in envelopes(), cut in any::<prop::sample::Index>()) {
        let message = encode(&envelope);
        let content = &message[..message.len() - CHECKSUM_BYTES];
        let cut = cut.index(content.len());
        prop_assert!(decode(&message[..cut]).is_err());
        prop_assert!(decode(&resealed(content[..cut].to_vec())).is_err());
    }

    #[test]
    fn every_flipped_bit_is_an_error(envelope in envelopes(), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut message = encode(&envelope).to_vec();
        let at = at.index(message.len());
        message[at] ^= 1 << bit;
        prop_assert!(decode(&message).is_err());
    }

    #[test]
    fn noise_behind_a_valid_checksum_never_panics(envelope in envelopes(), at in any::<prop::sample::Index>(), noise in proptest::collection::vec(any::<u8>(), 1..40)) {
        let message = encode(&envelope);
        let mut content = message[..message.len() - CHECKSUM_BYTES].to_vec();
        let at = at.index(content.len());
        content.splice(at.., noise);
        let _ = decode(&resealed(content));
    }

    #[test]
    fn events_of_later_versions_are_skipped(envelope in envelopes(), tag in 4..=u8::MAX, body in proptest::collection::vec(any::<u8>(), 0..100)) {
        let mut known = envelope.clone();
        known.events.truncate(0);
        let message = encode(&known);
        let mut content = message[..message.len() - CHECKSUM_BYTES - 1].to_vec();
        content.push(2);
        content.push(tag);
        put_varint(&mut content, body.len() as u64);
        content.extend_from_slice(&body);
        let mut entries = Vec::new();
        let known_tag = encode_event(&mut entries, &Event::Blocks(vec![]));
        content.push(known_tag);
        put_varint(&mut content, entries.len() as u64);
        content.extend_from_slice(&entries);
        known.events = vec![Event::Blocks(vec![])];
        prop_assert_eq!(decode(&resealed(content)), Ok(known));
    }
}

#[test]
fn a_later_version_is_named() {
    assert_eq!(decode(&[9, 0, 0]), Err(DecodeError::Version(9)));
    assert_eq!(decode(&[]), Err(DecodeError::Truncated));
}
