//! What this broker is to each partition, and how far each partition is safe.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::ResponseError;
use tokio::time::Instant;

use super::Broker;
use super::watchers::Watch;
use crate::servers::kafka::config::BrokerId;
use crate::servers::kafka::quorum::{Change, Partition, PartitionKey, Quorum, Topic};

/// How far a follower is, as its leader knows it.
#[derive(Clone, Copy, Debug)]
struct Progress {
    end: i64,
    /// When it had everything.
    caught_up: Instant,
    /// The leader's end at the follower's latest fetch, and when that was.
    leader_end: i64,
    fetched: Instant,
}

#[derive(Debug)]
enum Role {
    Leader {
        isr: BTreeSet<BrokerId>,
        /// The replicas in sync that the leader has asked for and not yet got.
        proposed: Option<BTreeSet<BrokerId>>,
        followers: BTreeMap<BrokerId, Progress>,
        /// Where this leader's epoch began.
        began: i64,
    },
    Follower {
        leader: Option<BrokerId>,
    },
}

/// One partition on this broker, beside its log.
#[derive(Debug)]
pub(super) struct Replica {
    pub(super) epoch: i32,
    role: Role,
}

impl Replica {
    pub(super) fn is_leader(&self) -> bool {
        matches!(self.role, Role::Leader { .. })
    }

    /// Whom this replica follows.
    pub(super) fn followed(&self) -> Option<BrokerId> {
        match self.role {
            Role::Follower { leader } => leader,
            Role::Leader { .. } => None,
        }
    }

    pub(super) fn insync(&self) -> usize {
        match &self.role {
            Role::Leader { isr, .. } => isr.len(),
            Role::Follower { .. } => 0,
        }
    }
}

/// A partition that this broker leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Led {
    pub(super) key: PartitionKey,
    pub(super) epoch: i32,
}

impl Broker {
    /// Finds a partition that this broker leads, in the epoch that the client has in mind; -1 is any.
    pub(super) fn led(&self, topic: &str, index: i32, epoch: i32) -> Result<(Led, &Topic), ResponseError> {
        let topic = self.image.as_ref().and_then(|image| image.topics.get(topic));
        let topic = topic.ok_or(ResponseError::UnknownTopicOrPartition)?;
        topic.partition(index).ok_or(ResponseError::UnknownTopicOrPartition)?;
        let key = topic.key(index);
        match self.replicas.get(&key) {
            Some(replica) if epoch >= 0 && epoch < replica.epoch => Err(ResponseError::FencedLeaderEpoch),
            Some(replica) if epoch > replica.epoch => Err(ResponseError::UnknownLeaderEpoch),
            Some(replica) if replica.is_leader() => Ok((Led { key, epoch: replica.epoch }, topic)),
            _ => Err(ResponseError::NotLeaderOrFollower),
        }
    }

    /// Takes the roles that the metadata gives to this broker, and forgets partitions that are gone.
    pub(super) fn take_roles(&mut self, quorum: &mut Quorum, now: Instant) {
        let Some(image) = self.image.clone() else { return };
        let mut kept = BTreeSet::new();
        for topic in image.topics.values() {
            for (index, partition) in topic.partitions.iter().enumerate() {
                if partition.replicas.contains(&self.id) {
                    let key = topic.key(index as i32);
                    kept.insert(key);
                    self.take_role(key, partition, now);
                }
            }
        }
        let gone: Vec<PartitionKey> = self.disk.keys().filter(|key| !kept.contains(key)).copied().collect();
        for key in gone {
            self.disk.remove(&key);
            self.replicas.remove(&key);
            self.watchers.fire(Watch::Partition(key));
        }
        let led: Vec<PartitionKey> =
            self.replicas.iter().filter(|(_, replica)| replica.is_leader()).map(|(key, _)| *key).collect();
        for key in led {
            self.advance(key);
            self.grow_isr(key, quorum, now);
        }
    }

    fn take_role(&mut self, key: PartitionKey, partition: &Partition, now: Instant) {
        let isr: BTreeSet<BrokerId> = partition.isr.iter().copied().collect();
        let log = self.disk.entry(key).or_default();
        let leads = partition.leader == Some(self.id);
        if let Some(replica) = self.replicas.get_mut(&key)
            && replica.epoch == partition.epoch
        {
            if let Role::Leader { isr: known, proposed, .. } = &mut replica.role
                && *known != isr
            {
                (*known, *proposed) = (isr, None);
            }
            return;
        }
        let role = if leads {
            let unknown = Progress { end: -1, caught_up: now, leader_end: log.end(), fetched: now };
            let others = partition.replicas.iter().filter(|id| **id != self.id);
            let followers = others.map(|id| (*id, unknown)).collect();
            Role::Leader { isr, proposed: None, followers, began: log.end() }
        } else {
            Role::Follower { leader: partition.leader }
        };
        self.replicas.insert(key, Replica { epoch: partition.epoch, role });
        self.watchers.fire(Watch::Partition(key));
    }

    /// Moves the high watermark to what every replica in sync has, if this broker leads.
    pub(super) fn advance(&mut self, key: PartitionKey) {
        let (Some(replica), Some(log)) = (self.replicas.get(&key), self.disk.get_mut(&key)) else { return };
        let Role::Leader { isr, proposed, followers, .. } = &replica.role else { return };
        let waited_for = isr.iter().chain(proposed.iter().flatten());
        let ends = waited_for.filter_map(|id| followers.get(id)).map(|progress| progress.end);
        let safe = ends.min().unwrap_or(i64::MAX);
        if log.raise_high_watermark(safe) {
            self.watchers.fire(Watch::Partition(key));
        }
    }

    /// Notes how far a follower is, from the offset that it fetches.
    pub(super) fn note_progress(
        &mut self,
        key: PartitionKey,
        follower: BrokerId,
        end: i64,
        quorum: &mut Quorum,
        now: Instant,
    ) {
        let (Some(replica), Some(log)) = (self.replicas.get_mut(&key), self.disk.get(&key)) else { return };
        let Role::Leader { followers, .. } = &mut replica.role else { return };
        let Some(progress) = followers.get_mut(&follower) else { return };
        if end >= log.end() {
            progress.caught_up = now;
        } else if end >= progress.leader_end {
            progress.caught_up = progress.caught_up.max(progress.fetched);
        }
        *progress = Progress { end, leader_end: log.end(), fetched: now, ..*progress };
        self.advance(key);
        self.grow_isr(key, quorum, now);
    }

    /// Asks for followers that have caught up to be counted as in sync.
    fn grow_isr(&mut self, key: PartitionKey, quorum: &mut Quorum, now: Instant) {
        let (Some(replica), Some(log), Some(image)) =
            (self.replicas.get(&key), self.disk.get(&key), self.image.as_ref())
        else {
            return;
        };
        let Role::Leader { isr, proposed: None, followers, began } = &replica.role else { return };
        let enough = log.high_watermark().max(*began);
        let ready = |(id, progress): &(&BrokerId, &Progress)| progress.end >= enough && image.is_active(**id);
        let mut wanted = isr.clone();
        wanted.extend(followers.iter().filter(ready).map(|(id, _)| *id));
        if wanted != *isr {
            self.propose_isr(key, wanted, quorum, now);
        }
    }

    /// Asks for followers that lag too long to be left out.
    pub(super) fn shrink_isr(&mut self, quorum: &mut Quorum, now: Instant) {
        let patience = self.config.timing.replica_lag_max;
        let mut wishes = Vec::new();
        for (key, replica) in &self.replicas {
            let Role::Leader { isr, proposed: None, followers, .. } = &replica.role else { continue };
            let lags = |id: &BrokerId| followers.get(id).is_some_and(|progress| progress.caught_up + patience <= now);
            let wanted: BTreeSet<BrokerId> = isr.iter().copied().filter(|id| !lags(id)).collect();
            if wanted.len() < isr.len() {
                wishes.push((*key, wanted));
            }
        }
        for (key, wanted) in wishes {
            self.propose_isr(key, wanted, quorum, now);
        }
    }

    /// Takes back what was asked for and is not granted.
    pub(super) fn note_refusals(&mut self, changes: &[Change], results: &[Result<(), ResponseError>]) {
        for (change, result) in changes.iter().zip(results) {
            if let (Change::SetIsr { partition, .. }, Err(_)) = (change, result)
                && let Some(replica) = self.replicas.get_mut(partition)
                && let Role::Leader { proposed, .. } = &mut replica.role
            {
                *proposed = None;
            }
        }
    }

    fn propose_isr(&mut self, key: PartitionKey, wanted: BTreeSet<BrokerId>, quorum: &mut Quorum, now: Instant) {
        let Some(replica) = self.replicas.get_mut(&key) else { return };
        let Role::Leader { proposed, .. } = &mut replica.role else { return };
        let isr = wanted.iter().copied().collect();
        *proposed = Some(wanted);
        let change = Change::SetIsr { partition: key, epoch: replica.epoch, leader: self.id, isr };
        self.propose(quorum, None, vec![change], now);
    }
}
