//! How a broker takes part: heartbeats to the others, and changes that a majority must hear of.
//!
//! A broker sends heartbeats to every other one, and the answer proves that the two heard each other at
//! the time it was sent. With a majority, itself included, the broker's session is renewed as of then, and
//! changes proposed before then take effect. A broker that is cut off can do neither.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{BrokerHeartbeatRequest, BrokerHeartbeatResponse};
use tokio::time::Instant;

use super::watchers::Watch;
use super::{Broker, ConnectionId, Phase};
use crate::servers::kafka::config::BrokerId;
use crate::servers::kafka::quorum::{Change, Quorum};
use crate::servers::kafka::wire::{self, WireError};

/// The results of a proposal, change by change.
pub(super) type Results = Vec<Result<(), ResponseError>>;

#[derive(Debug)]
struct Peer {
    /// The latest heartbeat known to have arrived, by when it was sent.
    heard: Option<Instant>,
    next_heartbeat: Option<Instant>,
    /// The link that sends heartbeats.
    link: Option<ConnectionId>,
}

#[derive(Debug)]
struct Proposal {
    since: Instant,
    changes: Vec<Change>,
    from: Option<ConnectionId>,
}

/// A broker's contact with the others.
#[derive(Debug)]
pub(super) struct Membership {
    majority: usize,
    peers: BTreeMap<BrokerId, Peer>,
    proposals: VecDeque<Proposal>,
    results: BTreeMap<ConnectionId, Results>,
}

impl Membership {
    pub(super) fn new(peers: impl Iterator<Item = BrokerId>, majority: usize) -> Self {
        let peer = |id| (id, Peer { heard: None, next_heartbeat: None, link: None });
        Self { majority, peers: peers.map(peer).collect(), proposals: VecDeque::new(), results: BTreeMap::new() }
    }

    pub(super) fn forget(&mut self, connection: ConnectionId) {
        self.results.remove(&connection);
        for proposal in &mut self.proposals {
            if proposal.from == Some(connection) {
                proposal.from = None;
            }
        }
    }

    pub(super) fn take_results(&mut self, connection: ConnectionId) -> Option<Results> {
        self.results.remove(&connection)
    }

    /// The latest time at which a majority is known to have heard this broker.
    fn majority_heard(&self, now: Instant) -> Option<Instant> {
        let Some(others) = self.majority.checked_sub(2) else { return Some(now) };
        let mut heard: Vec<Instant> = self.peers.values().filter_map(|peer| peer.heard).collect();
        heard.sort_unstable_by(|a, b| b.cmp(a));
        heard.get(others).copied()
    }
}

/// What a link to another broker does next.
#[derive(Debug)]
pub(in super::super) enum Heartbeat {
    Send(Bytes),
    WaitUntil(Instant),
}

impl Broker {
    /// Proposes changes; the results come at once in a cluster of one.
    pub(super) fn propose(
        &mut self,
        quorum: &mut Quorum,
        from: Option<ConnectionId>,
        changes: Vec<Change>,
        now: Instant,
    ) {
        self.membership.proposals.push_back(Proposal { since: now, changes, from });
        self.hurry_heartbeats(now);
        self.settle(quorum, now);
    }

    /// Renews the session and carries out proposals, as far as the majority that heard this broker allows.
    pub(super) fn settle(&mut self, quorum: &mut Quorum, now: Instant) {
        let Some(heard) = self.membership.majority_heard(now) else { return };
        let before = quorum.metadata().version;
        let end = heard + self.config.timing.session_timeout;
        if self.phase == Phase::Serving && end > now {
            quorum.renew(self.id, self.life, heard);
            // An earlier life whose session still runs keeps this one waiting.
            let _ = quorum.apply(&Change::Admit { broker: self.id, life: self.life }, now);
        }
        while let Some(proposal) = self.membership.proposals.pop_front_if(|proposal| proposal.since <= heard) {
            let results: Results = proposal.changes.iter().map(|change| quorum.apply(change, now)).collect();
            self.note_refusals(&proposal.changes, &results);
            if let Some(connection) = proposal.from {
                self.membership.results.insert(connection, results);
                self.watchers.fire(Watch::Own(connection));
            }
            if matches!(self.phase, Phase::Leaving { .. }) && !quorum.metadata().is_active(self.id) {
                self.phase = Phase::Stopped;
                self.watchers.fire(Watch::Control);
            }
        }
        let changed_it = quorum.metadata().version != before;
        if changed_it {
            self.hurry_heartbeats(now);
        }
        // A broker that was cut off before the change has not heard of it.
        if changed_it || quorum.was_known(heard) {
            self.synchronize(quorum, now);
        }
    }

    /// Learns what is agreed on, once this life takes part.
    fn synchronize(&mut self, quorum: &mut Quorum, now: Instant) {
        let metadata = quorum.metadata();
        let admitted = metadata.brokers.get(&self.id).is_some_and(|entry| entry.life == self.life);
        let known = self.image.as_ref().map(|image| image.version);
        if !admitted || known == Some(metadata.version) {
            return;
        }
        self.image = Some(metadata.clone());
        self.take_roles(quorum, now);
        self.watchers.fire(Watch::Control);
    }

    fn hurry_heartbeats(&mut self, now: Instant) {
        for peer in self.membership.peers.values_mut() {
            peer.next_heartbeat = Some(now);
            if let Some(link) = peer.link {
                self.watchers.fire(Watch::Own(link));
            }
        }
    }

    /// Learns of a change that an operator made, and spreads it.
    pub(in super::super) fn announce(&mut self, quorum: &mut Quorum, now: Instant) {
        self.hurry_heartbeats(now);
        self.synchronize(quorum, now);
    }

    /// What the link that sends heartbeats to `peer` does next.
    ///
    /// # Errors
    /// The request cannot be encoded.
    pub(in super::super) fn next_heartbeat(
        &mut self,
        peer: BrokerId,
        link: ConnectionId,
        now: Instant,
    ) -> Result<Heartbeat, WireError> {
        let interval = self.config.timing.heartbeat_interval;
        let version = self.image.as_ref().map_or(-1, |image| image.version);
        let Some(entry) = self.membership.peers.get_mut(&peer) else {
            return Ok(Heartbeat::WaitUntil(now + interval));
        };
        entry.link = Some(link);
        match entry.next_heartbeat {
            Some(at) if at > now => {
                self.watchers.watch(Watch::Own(link), link);
                Ok(Heartbeat::WaitUntil(at))
            }
            _ => {
                entry.next_heartbeat = Some(now + interval);
                let request = BrokerHeartbeatRequest::default()
                    .with_broker_id(self.id.0.into())
                    .with_broker_epoch(self.life.0 as i64)
                    .with_current_metadata_offset(version);
                wire::request(wire::PEER_HEARTBEAT, 0, &request).map(Heartbeat::Send)
            }
        }
    }

    /// Notes that there is a new connection to `peer`, which has not carried a heartbeat yet.
    pub(in super::super) fn reconnected(&mut self, peer: BrokerId) {
        if let Some(peer) = self.membership.peers.get_mut(&peer) {
            peer.next_heartbeat = None;
        }
    }

    /// Notes that `peer` answered the heartbeat sent at that time.
    pub(in super::super) fn heard_by(&mut self, peer: BrokerId, sent: Instant, quorum: &mut Quorum, now: Instant) {
        if let Some(peer) = self.membership.peers.get_mut(&peer) {
            peer.heard = peer.heard.max(Some(sent));
        }
        self.settle(quorum, now);
    }

    /// Answers another broker's heartbeat; it may know something newer.
    pub(super) fn answer_heartbeat(
        &mut self,
        request: &BrokerHeartbeatRequest,
        quorum: &mut Quorum,
        now: Instant,
    ) -> BrokerHeartbeatResponse {
        let known = self.image.as_ref().map(|image| image.version);
        if known.is_some_and(|known| known < request.current_metadata_offset) {
            self.synchronize(quorum, now);
        }
        let fenced = !quorum.metadata().is_active(BrokerId(request.broker_id.0));
        BrokerHeartbeatResponse::default().with_is_caught_up(true).with_is_fenced(fenced)
    }
}
