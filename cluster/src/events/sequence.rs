//! Notices messages that never came.

use super::{Envelope, Numbering};
use crate::ids::Incarnation;
use rustc_hash::FxHashMap;

/// How many publishers are remembered. Each boot of a node is one; the longest silent one is forgotten first.
const MAX_PUBLISHERS: usize = 4096;

/// What a message tells about the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing is missing.
    InOrder,
    /// This many messages of the publisher are missing.
    Gap(u64),
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    sequence: u64,
    /// Orders publishers by how recently they spoke.
    at: u64,
}

/// The latest sequence number heard from each publisher.
///
/// A publisher's first message sets the mark without counting as a gap: what it said before is the business of the boot read
/// and of the digests, else every boot in a large cluster would make the node read its list once per peer.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    /// Looked up for each message; the only walk over it has one answer in any order.
    publishers: FxHashMap<Incarnation, Heard>,
    messages: u64,
}

impl Sequences {
    /// Takes note of a message.
    pub fn observe(&mut self, envelope: &Envelope) -> Arrival {
        self.messages += 1;
        let at = self.messages;
        if let Some(heard) = self.publishers.get_mut(&envelope.publisher) {
            let expected = match envelope.numbering {
                Numbering::Own => heard.sequence.saturating_add(1),
                Numbering::Latest => heard.sequence,
            };
            heard.at = at;
            heard.sequence = heard.sequence.max(envelope.sequence);
            return match envelope.sequence.saturating_sub(expected) {
                0 => Arrival::InOrder,
                missing => Arrival::Gap(missing),
            };
        }
        if self.publishers.len() >= MAX_PUBLISHERS {
            self.forget_the_longest_silent();
        }
        let sequence = envelope.sequence;
        self.publishers.insert(envelope.publisher, Heard { sequence, at });
        Arrival::InOrder
    }

    fn forget_the_longest_silent(&mut self) {
        let silent = self.publishers.iter().min_by_key(|(_, heard)| heard.at).map(|(publisher, _)| *publisher);
        if let Some(publisher) = silent {
            self.publishers.remove(&publisher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::NodeId;

    fn message(publisher: u64, numbering: Numbering, sequence: u64) -> Envelope {
        Envelope {
            publisher: Incarnation(publisher),
            node_id: NodeId::new(1).unwrap(),
            numbering,
            sequence,
            events: vec![],
        }
    }

    #[test]
    fn a_hole_is_reported_once_with_its_size() {
        let mut sequences = Sequences::default();
        for sequence in [5, 6] {
            assert_eq!(sequences.observe(&message(1, Numbering::Own, sequence)), Arrival::InOrder);
        }
        assert_eq!(sequences.observe(&message(1, Numbering::Own, 9)), Arrival::Gap(2));
        assert_eq!(sequences.observe(&message(1, Numbering::Own, 10)), Arrival::InOrder);
    }

    #[test]
    fn a_digest_reveals_that_the_last_batch_was_missed() {
        let mut sequences = Sequences::default();
        sequences.observe(&message(1, Numbering::Own, 1));
        assert_eq!(sequences.observe(&message(1, Numbering::Latest, 1)), Arrival::InOrder);
        assert_eq!(sequences.observe(&message(1, Numbering::Latest, 2)), Arrival::Gap(1));
    }

    #[test]
    fn repeats_and_strangers_are_no_gap() {
        let mut sequences = Sequences::default();
        assert_eq!(sequences.observe(&message(1, Numbering::Own, 70)), Arrival::InOrder);
        assert_eq!(sequences.observe(&message(1, Numbering::Own, 3)), Arrival::InOrder);
        assert_eq!(sequences.observe(&message(2, Numbering::Own, 1)), Arrival::InOrder);
    }

    #[test]
    fn memory_of_publishers_is_bounded() {
        let mut sequences = Sequences::default();
        for publisher in 0..2 * MAX_PUBLISHERS as u64 {
            sequences.observe(&message(publisher, Numbering::Own, 1));
        }
        assert_eq!(sequences.publishers.len(), MAX_PUBLISHERS);
    }
}
