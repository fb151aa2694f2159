//! What the brokers have agreed on: the controller's state.
//!
//! In KRaft the controllers replicate it among themselves. Here it is one register that outlives them, and
//! a broker may change it only when it can prove that it hears a majority at that time, which
//! [`membership`](super::broker) does over the network.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::ResponseError;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tokio::time::Instant;

use super::config::{BrokerId, TopicConfig};

#[cfg(test)]
mod tests;

/// Identity of a topic; one that is created anew under the same name has another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TopicId(pub(super) u64);

/// Identity of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartitionKey {
    pub(super) topic: TopicId,
    pub(super) index: i32,
}

/// Which life of a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Life(pub(super) u64);

/// Whether a broker takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Active,
    Fenced,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) life: Life,
    pub(super) standing: Standing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) replicas: Vec<BrokerId>,
    pub(super) isr: Vec<BrokerId>,
    pub(super) leader: Option<BrokerId>,
    pub(super) epoch: i32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) id: TopicId,
    pub(super) config: TopicConfig,
    pub(super) partitions: Vec<Partition>,
}

impl Topic {
    pub(super) fn key(&self, index: i32) -> PartitionKey {
        PartitionKey { topic: self.id, index }
    }

    pub(super) fn partition(&self, index: i32) -> Option<&Partition> {
        self.partitions.get(usize::try_from(index).ok()?)
    }
}

/// One version of what is agreed on; brokers work from a copy that may be old.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    pub(super) version: i64,
    pub(super) brokers: BTreeMap<BrokerId, Registration>,
    pub(super) topics: BTreeMap<String, Topic>,
}

impl Metadata {
    pub(super) fn is_active(&self, broker: BrokerId) -> bool {
        self.brokers.get(&broker).is_some_and(|entry| entry.standing == Standing::Active)
    }

    pub(super) fn active(&self) -> Vec<BrokerId> {
        self.brokers.keys().copied().filter(|id| self.is_active(*id)).collect()
    }

    fn partitions_mut(&mut self) -> impl Iterator<Item = &mut Partition> {
        self.topics.values_mut().flat_map(|topic| &mut topic.partitions)
    }

    /// Takes a broker out of its duties; the last replica in sync stays that.
    fn fence(&mut self, broker: BrokerId) {
        if let Some(entry) = self.brokers.get_mut(&broker) {
            entry.standing = Standing::Fenced;
        }
        let active = self.active();
        for partition in self.partitions_mut() {
            if partition.isr.len() > 1 {
                partition.isr.retain(|id| *id != broker);
            }
            if partition.leader == Some(broker) {
                partition.elect(&active);
            }
        }
    }

    fn admit(&mut self, broker: BrokerId, life: Life) {
        self.brokers.insert(broker, Registration { life, standing: Standing::Active });
        let active = self.active();
        for partition in self.partitions_mut().filter(|partition| partition.leader.is_none()) {
            if partition.isr.contains(&broker) {
                partition.elect(&active);
            }
        }
    }
}

impl Partition {
    /// Makes the first active replica in sync the leader, if there is one.
    fn elect(&mut self, active: &[BrokerId]) {
        let eligible = |id: &&BrokerId| self.isr.contains(id) && active.contains(id);
        self.leader = self.replicas.iter().find(eligible).copied();
        self.epoch += 1;
    }
}

/// What a new topic shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NewTopic {
    pub(super) name: String,
    pub(super) config: TopicConfig,
    /// The replicas of each partition, where the creator chose them.
    pub(super) assignment: Option<Vec<Vec<BrokerId>>>,
}

/// A change of what is agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A broker starts to take part, or takes part again.
    Admit {
        broker: BrokerId,
        life: Life,
    },
    /// A broker leaves in good order.
    Leave {
        broker: BrokerId,
        life: Life,
    },
    /// Brokers whose session is over are fenced.
    ExpireSessions,
    CreateTopic(NewTopic),
    /// As above, without the creation.
    ValidateTopic(NewTopic),
    DeleteTopic(String),
    /// The leader of a partition says who is in sync.
    SetIsr {
        partition: PartitionKey,
        epoch: i32,
        leader: BrokerId,
        isr: Vec<BrokerId>,
    },
    /// An operator chooses the leader.
    MoveLeader {
        topic: String,
        partition: i32,
        to: BrokerId,
    },
}

/// The register.
#[derive(Debug)]
pub(super) struct Quorum {
    metadata: Arc<Metadata>,
    /// When each broker's session was last renewed.
    sessions: BTreeMap<BrokerId, Instant>,
    session_timeout: Duration,
    /// When the metadata last changed.
    changed: Option<Instant>,
    cluster_id: String,
    next_topic: u64,
    rng: ChaCha8Rng,
}

impl Quorum {
    pub(super) fn new(session_timeout: Duration, rng_seed: u64) -> Self {
        const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut rng = ChaCha8Rng::seed_from_u64(rng_seed);
        let cluster_id = (0..22).map(|_| char::from(ALPHABET[(rng.next_u32() % 64) as usize])).collect();
        Self {
            metadata: Arc::default(),
            sessions: BTreeMap::new(),
            session_timeout,
            cluster_id,
            next_topic: 1,
            changed: None,
            rng,
        }
    }

    pub(super) fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    pub(super) fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// When the session of a broker ends unless it is renewed, if it has one.
    pub(super) fn session_end(&self, broker: BrokerId) -> Option<Instant> {
        self.sessions.get(&broker).map(|renewed| *renewed + self.session_timeout)
    }

    /// When the earliest session other than `broker`'s ends.
    pub(super) fn next_session_end(&self, broker: BrokerId) -> Option<Instant> {
        self.sessions.keys().filter(|id| **id != broker).filter_map(|id| self.session_end(*id)).min()
    }

    /// Renews the session of a broker that a majority heard at that time.
    pub(super) fn renew(&mut self, broker: BrokerId, life: Life, at: Instant) {
        let takes_part = Registration { life, standing: Standing::Active };
        if self.metadata.brokers.get(&broker) == Some(&takes_part)
            && let Some(renewed) = self.sessions.get_mut(&broker)
        {
            *renewed = (*renewed).max(at);
        }
    }

    /// Whether a majority that was heard at that time knew the metadata as they are.
    pub(super) fn was_known(&self, heard: Instant) -> bool {
        self.changed.is_none_or(|changed| heard >= changed)
    }

    /// Applies a change.
    pub(super) fn apply(&mut self, change: &Change, now: Instant) -> Result<(), ResponseError> {
        let before = self.metadata.version;
        let applied = self.carry_out(change, now);
        if self.metadata.version != before {
            self.changed = Some(now);
        }
        applied
    }

    fn carry_out(&mut self, change: &Change, now: Instant) -> Result<(), ResponseError> {
        match change {
            Change::Admit { broker, life } => self.admit(*broker, *life, now),
            Change::Leave { broker, life } => self.leave(*broker, *life),
            Change::ExpireSessions => {
                self.expire(now);
                Ok(())
            }
            Change::CreateTopic(topic) => {
                let partitions = self.place(topic)?;
                let id = TopicId(self.next_topic);
                self.next_topic += 1;
                let created = Topic { id, config: topic.config.clone(), partitions };
                self.edit().topics.insert(topic.name.clone(), created);
                Ok(())
            }
            Change::ValidateTopic(topic) => self.place(topic).map(|_| ()),
            Change::DeleteTopic(name) => {
                if !self.metadata.topics.contains_key(name) {
                    return Err(ResponseError::UnknownTopicOrPartition);
                }
                self.edit().topics.remove(name);
                Ok(())
            }
            Change::SetIsr { partition, epoch, leader, isr } => self.set_isr(*partition, *epoch, *leader, isr),
            Change::MoveLeader { topic, partition, to } => self.move_leader(topic, *partition, *to),
        }
    }

    fn edit(&mut self) -> &mut Metadata {
        let metadata = Arc::make_mut(&mut self.metadata);
        metadata.version += 1;
        metadata
    }

    fn admit(&mut self, broker: BrokerId, life: Life, now: Instant) -> Result<(), ResponseError> {
        if let Some(entry) = self.metadata.brokers.get(&broker).copied() {
            if entry == (Registration { life, standing: Standing::Active }) {
                return Ok(());
            }
            let valid = self.session_end(broker).is_some_and(|end| end > now);
            if entry.life != life && entry.standing == Standing::Active {
                // An earlier life may still be there, for all that is known.
                if valid {
                    return Err(ResponseError::DuplicateBrokerRegistration);
                }
                self.edit().fence(broker);
            }
        }
        self.sessions.insert(broker, now);
        self.edit().admit(broker, life);
        Ok(())
    }

    fn leave(&mut self, broker: BrokerId, life: Life) -> Result<(), ResponseError> {
        let takes_part = Registration { life, standing: Standing::Active };
        if self.metadata.brokers.get(&broker) == Some(&takes_part) {
            self.sessions.remove(&broker);
            self.edit().fence(broker);
        }
        Ok(())
    }

    fn expire(&mut self, now: Instant) {
        let timeout = self.session_timeout;
        let over: Vec<BrokerId> =
            self.sessions.iter().filter(|(_, renewed)| **renewed + timeout <= now).map(|(id, _)| *id).collect();
        for broker in over {
            self.sessions.remove(&broker);
            self.edit().fence(broker);
        }
    }

    /// Chooses the replicas of a topic that can be created.
    fn place(&mut self, topic: &NewTopic) -> Result<Vec<Partition>, ResponseError> {
        if self.metadata.topics.contains_key(&topic.name) {
            return Err(ResponseError::TopicAlreadyExists);
        }
        let active = self.metadata.active();
        let assignment = match &topic.assignment {
            Some(assignment) => {
                let known = |id: &BrokerId| active.contains(id);
                if assignment.iter().any(|replicas| replicas.is_empty() || !replicas.iter().all(known)) {
                    return Err(ResponseError::InvalidReplicaAssignment);
                }
                assignment.clone()
            }
            None => self.spread(topic, &active)?,
        };
        let place = |replicas: Vec<BrokerId>| Partition {
            isr: replicas.clone(),
            leader: replicas.first().copied(),
            replicas,
            epoch: 0,
        };
        Ok(assignment.into_iter().map(place).collect())
    }

    /// Replicas in turn over the active brokers, from one drawn by lot.
    fn spread(&mut self, topic: &NewTopic, active: &[BrokerId]) -> Result<Vec<Vec<BrokerId>>, ResponseError> {
        let factor = usize::try_from(topic.config.replication_factor).unwrap_or(0);
        if factor == 0 || factor > active.len() {
            return Err(ResponseError::InvalidReplicationFactor);
        }
        if topic.config.partitions < 1 {
            return Err(ResponseError::InvalidPartitions);
        }
        let first = self.rng.next_u32() as usize % active.len();
        let replicas = |at: usize| (0..factor).map(|nth| active[(first + at + nth) % active.len()]).collect();
        Ok((0..topic.config.partitions as usize).map(replicas).collect())
    }

    fn set_isr(
        &mut self,
        key: PartitionKey,
        epoch: i32,
        leader: BrokerId,
        isr: &[BrokerId],
    ) -> Result<(), ResponseError> {
        let found = self.metadata.topics.iter().find(|(_, topic)| topic.id == key.topic);
        let (name, topic) = found.ok_or(ResponseError::UnknownTopicOrPartition)?;
        let partition = topic.partition(key.index).ok_or(ResponseError::UnknownTopicOrPartition)?;
        if partition.leader != Some(leader) || partition.epoch != epoch {
            return Err(ResponseError::FencedLeaderEpoch);
        }
        if isr.iter().any(|id| !self.metadata.is_active(*id) || !partition.replicas.contains(id)) {
            return Err(ResponseError::IneligibleReplica);
        }
        let name = name.clone();
        self.edit_partition(&name, key.index, |partition| partition.isr = isr.to_vec());
        Ok(())
    }

    fn move_leader(&mut self, topic: &str, index: i32, to: BrokerId) -> Result<(), ResponseError> {
        let found = self.metadata.topics.get(topic).and_then(|topic| topic.partition(index));
        let partition = found.ok_or(ResponseError::UnknownTopicOrPartition)?;
        if !partition.isr.contains(&to) || !self.metadata.is_active(to) {
            return Err(ResponseError::EligibleLeadersNotAvailable);
        }
        if partition.leader != Some(to) {
            self.edit_partition(topic, index, |partition| {
                partition.leader = Some(to);
                partition.epoch += 1;
            });
        }
        Ok(())
    }

    fn edit_partition(&mut self, topic: &str, index: i32, edit: impl FnOnce(&mut Partition)) {
        let topic = self.edit().topics.get_mut(topic);
        if let Some(partition) = topic.and_then(|topic| topic.partitions.get_mut(usize::try_from(index).ok()?)) {
            edit(partition);
        }
    }
}
