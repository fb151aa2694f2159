//! What arrives from the coordinator.

use super::super::Digest;
use super::super::gossip::{Gossip, Heard};
use super::{Core, LinkState, Now};
use crate::coordinator;
use crate::defects::{self, Defect};
use crate::events::{self, Arrival, Envelope, Event, Numbering};
use crate::observe::{Link, Message, NodeEvent, ResyncReason, Source};
use bytes::Bytes;

impl Core {
    /// The coordinator reports something.
    pub(in super::super) fn on_event(&mut self, event: coordinator::Event, now: Now) {
        match event {
            coordinator::Event::Message(message) => self.on_message(&message, now),
            coordinator::Event::Connected => self.on_connected(now),
            coordinator::Event::Disconnected => {
                if self.link != LinkState::Down {
                    self.link = LinkState::Down;
                    self.tell(Link::Disconnected);
                    // Under `drop-batch-on-publish-error` the publisher has something to drop.
                    self.effects.publish = true;
                }
                self.report_readiness();
            }
            coordinator::Event::Lagged => {
                self.tell(Link::SlowConsumer);
                self.missed(ResyncReason::Lagged, now);
            }
            coordinator::Event::Gap => {
                self.tell(Link::Missed);
                self.missed(ResyncReason::Gap, now);
            }
            coordinator::Event::LameDuck => self.tell(Link::LameDuck),
            coordinator::Event::Rebuilt => self.tell(Link::Rebuilt),
            coordinator::Event::Error(error) => {
                self.tell(Link::Error(error));
                if self.link == LinkState::Trying {
                    self.link = LinkState::Down;
                }
                self.report_readiness();
            }
        }
        self.rearm(now);
    }

    fn tell(&mut self, link: Link) {
        self.effects.events.push(NodeEvent::Link(link));
    }

    fn on_connected(&mut self, now: Now) {
        self.link = LinkState::Up;
        self.tell(Link::Connected);
        self.outbox.link_restored();
        self.effects.publish = true;
        self.gossip = Gossip::new(self.config.anti_entropy_interval, now.at, &mut self.rng);
        let first = !std::mem::replace(&mut self.was_connected, true);
        if self.boot_begun {
            // What was sent between that read and this subscription has passed this node by.
            let reason = if first { ResyncReason::Boot } else { ResyncReason::Reconnected };
            self.request_resync(reason, now);
        }
        self.report_readiness();
    }

    /// Messages were missed: read the store, and compare digests soon in case the store does not have everything.
    fn missed(&mut self, reason: ResyncReason, now: Now) {
        self.request_resync(reason, now);
        self.gossip.hurry(now.at, &mut self.rng);
    }

    fn on_message(&mut self, message: &Bytes, now: Now) {
        let envelope = match events::decode(message) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.tell(Link::Error(error.to_string()));
                return;
            }
        };
        if envelope.numbering == Numbering::Own && envelope.publisher != self.incarnation {
            if defects::active(Defect::DropReceived) && envelope.sequence.is_multiple_of(10) {
                return;
            }
            self.effects.received = Some(Message { publisher: envelope.publisher, sequence: envelope.sequence });
        }
        if self.is_echo(&envelope) {
            return;
        }
        if let Arrival::Gap(_) = self.sequences.observe(&envelope) {
            self.missed(ResyncReason::Gap, now);
        }
        for event in envelope.events {
            match event {
                Event::Blocks(entries) => {
                    self.apply_all(entries, Source::Broadcast);
                }
                Event::Repair(entries) => {
                    self.gossip.on_repair();
                    self.apply_all(entries, Source::AntiEntropy);
                }
                Event::Digest(digest) => self.on_digest(&digest, now),
            }
        }
    }

    /// By incarnation, never by node id: two processes that share an id by mistake must still hear each other.
    fn is_echo(&self, envelope: &Envelope) -> bool {
        envelope.publisher == self.incarnation
            || (defects::active(Defect::EchoSuppressionByNodeId) && envelope.node_id == self.node_id)
    }

    fn on_digest(&mut self, theirs: &Digest, now: Now) {
        // Entries that this node has not published yet make a difference that says nothing.
        if !self.gossips() || !self.outbox.is_empty() {
            return;
        }
        let comparable = self.list.align_horizon(theirs.horizon_ms, now.wall_ms);
        let own = self.list.digest();
        let heard = if !comparable {
            Heard::Incomparable
        } else if own == *theirs {
            Heard::Equal
        } else {
            Heard::Differing(own.differing(theirs))
        };
        let reach = self.reach();
        let prompt = self.gossip.on_digest(now.at, heard, &own, reach, &mut self.rng);
        if let Some(prompt) = prompt {
            self.follow(prompt, now);
        }
    }
}
