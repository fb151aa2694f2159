//! What leaves through the coordinator.

use super::super::outbox::{Batch, Next};
use super::{Core, LinkState, Now};
use crate::coordinator::PublishError;
use crate::defects::{self, Defect};
use crate::events::{self, Envelope, Event, Numbering};
use crate::observe::{Message, NodeEvent};
use bytes::Bytes;
use tokio::time::Instant;

/// A message on its way to the coordinator.
#[derive(Debug)]
pub(in super::super) struct Publication {
    pub(in super::super) message: Bytes,
    batch: Batch,
    sequence: u64,
    offered: Instant,
}

/// What the publisher does next.
#[derive(Debug)]
pub(in super::super) enum Publish {
    /// Hand this over, then report by [`Core::published`].
    Now(Publication),
    /// Nothing before this moment.
    WaitUntil(Instant),
    /// Nothing until woken.
    Idle,
}

impl Core {
    /// What to publish now.
    pub(in super::super) fn next_publication(&mut self, now: Now) -> Publish {
        if self.link != LinkState::Up {
            if defects::active(Defect::DropBatchOnPublishError) && self.link == LinkState::Down {
                while let Next::Publish(_dropped) = self.outbox.next(now.at) {}
            } else {
                // The link's return wakes the publisher.
                return Publish::Idle;
            }
        }
        match self.outbox.next(now.at) {
            Next::Publish(batch) => Publish::Now(self.publication(batch, now)),
            Next::WaitUntil(at) => Publish::WaitUntil(at),
            Next::Idle => Publish::Idle,
        }
    }

    fn publication(&self, batch: Batch, now: Now) -> Publication {
        let (numbering, sequence, event) = match &batch {
            Batch::Digest => (Numbering::Latest, self.sequence, Event::Digest(self.list.digest())),
            Batch::Blocks(entries) => (Numbering::Own, self.sequence + 1, Event::Blocks(entries.clone())),
            Batch::Repair(entries) => (Numbering::Own, self.sequence + 1, Event::Repair(entries.clone())),
        };
        let message = events::encode(&Envelope {
            publisher: self.incarnation,
            node_id: self.node_id,
            numbering,
            sequence,
            events: vec![event],
        });
        Publication { message, batch, sequence, offered: now.at }
    }

    /// How a publication went.
    pub(in super::super) fn published(
        &mut self,
        publication: Publication,
        outcome: Result<(), PublishError>,
        now: Now,
    ) {
        let Publication { batch, sequence, offered, .. } = publication;
        let message = Message { publisher: self.incarnation, sequence };
        let entries = batch.len();
        let error = match outcome {
            Ok(()) => {
                self.outbox.sent();
                self.sequence = sequence;
                if entries > 0 {
                    let after = now.at - offered;
                    self.effects.events.push(NodeEvent::Published { message, entries, after });
                }
                return;
            }
            Err(error) => error,
        };
        // The number is used again: it was not sent, or, when the outcome is unknown, peers may get two messages under it.
        if entries > 0 {
            let (unknown, error) = (may_be_sent(&error), error.to_string());
            self.effects.events.push(NodeEvent::PublishFailed { message, entries, error, unknown });
        }
        if defects::active(Defect::DropBatchOnPublishError) {
            return;
        }
        match error {
            PublishError::TooLarge(_) => self.outbox.too_large(batch, now.at, &mut self.rng),
            PublishError::NotConnected
            | PublishError::TimedOut(_)
            | PublishError::Refused(_)
            | PublishError::OutcomeUnknown(_) => self.outbox.failed(batch, now.at, &mut self.rng),
        }
    }
}

/// Whether peers may get the message although publishing it failed.
fn may_be_sent(error: &PublishError) -> bool {
    match error {
        PublishError::NotConnected
        | PublishError::TimedOut(_)
        | PublishError::TooLarge(_)
        | PublishError::Refused(_) => false,
        PublishError::OutcomeUnknown(_) => true,
    }
}
