use super::*;

const TIMEOUT: Duration = Duration::from_secs(9);

fn admit(broker: i32, life: u64) -> Change {
    Change::Admit { broker: BrokerId(broker), life: Life(life) }
}

fn topic(name: &str, partitions: i32, factor: i16) -> NewTopic {
    let config = TopicConfig { partitions, replication_factor: factor, ..TopicConfig::default() };
    NewTopic { name: name.into(), config, assignment: None }
}

/// Three brokers and the topic `t`, all replicas in sync.
fn quorum(now: Instant) -> Quorum {
    let mut quorum = Quorum::new(TIMEOUT, 1);
    for id in 1..=3 {
        quorum.apply(&admit(id, id as u64), now).unwrap();
    }
    let assignment = Some(vec![vec![BrokerId(2), BrokerId(1), BrokerId(3)]]);
    quorum.apply(&Change::CreateTopic(NewTopic { assignment, ..topic("t", 1, 3) }), now).unwrap();
    quorum
}

fn partition(quorum: &Quorum) -> Partition {
    quorum.metadata().topics["t"].partitions[0].clone()
}

fn key(quorum: &Quorum) -> PartitionKey {
    quorum.metadata().topics["t"].key(0)
}

#[test]
fn silence_costs_a_leader_its_place_and_its_return_does_not_give_it_back() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    let almost = now + TIMEOUT - Duration::from_millis(1);
    quorum.apply(&Change::ExpireSessions, almost).unwrap();
    assert_eq!(partition(&quorum).leader, Some(BrokerId(2)));
    for id in [1, 3] {
        quorum.renew(BrokerId(id), Life(id as u64), almost);
    }
    quorum.apply(&Change::ExpireSessions, now + TIMEOUT).unwrap();
    let after = partition(&quorum);
    assert_eq!((after.leader, after.epoch), (Some(BrokerId(1)), 1));
    assert_eq!(after.isr, [BrokerId(1), BrokerId(3)]);
    quorum.apply(&admit(2, 2), now + TIMEOUT).unwrap();
    assert_eq!(partition(&quorum), after);
}

#[test]
fn the_last_replica_in_sync_stays_it_and_alone_may_lead_again() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    quorum.apply(&Change::ExpireSessions, now + TIMEOUT).unwrap();
    let down = partition(&quorum);
    assert_eq!((down.leader, &down.isr[..]), (None, &[BrokerId(3)][..]));
    quorum.apply(&admit(1, 4), now + TIMEOUT).unwrap();
    assert_eq!(partition(&quorum).leader, None, "it may lack what was acknowledged");
    quorum.apply(&admit(3, 5), now + TIMEOUT).unwrap();
    assert_eq!(partition(&quorum).leader, Some(BrokerId(3)));
}

#[test]
fn a_new_life_waits_for_the_end_of_the_old_session_unless_that_left() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    let refused = quorum.apply(&admit(2, 9), now + TIMEOUT - Duration::from_millis(1));
    assert_eq!(refused, Err(ResponseError::DuplicateBrokerRegistration));
    quorum.apply(&admit(2, 9), now + TIMEOUT).unwrap();
    assert_eq!(partition(&quorum).leader, Some(BrokerId(1)));
    quorum.apply(&Change::Leave { broker: BrokerId(1), life: Life(1) }, now).unwrap();
    quorum.apply(&admit(1, 10), now).unwrap();
    assert_eq!(partition(&quorum).leader, Some(BrokerId(3)), "who leaves has handed over");
}

#[test]
fn an_old_life_renews_nothing() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    quorum.renew(BrokerId(2), Life(1), now + TIMEOUT);
    assert_eq!(quorum.session_end(BrokerId(2)), Some(now + TIMEOUT));
}

#[test]
fn only_the_leader_of_the_epoch_says_who_is_in_sync() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    let partition_key = key(&quorum);
    let set = |leader: i32, epoch, isr: &[i32]| Change::SetIsr {
        partition: partition_key,
        epoch,
        leader: BrokerId(leader),
        isr: isr.iter().map(|id| BrokerId(*id)).collect(),
    };
    assert_eq!(quorum.apply(&set(1, 0, &[1]), now), Err(ResponseError::FencedLeaderEpoch));
    assert_eq!(quorum.apply(&set(2, 1, &[2]), now), Err(ResponseError::FencedLeaderEpoch));
    assert_eq!(quorum.apply(&set(2, 0, &[2, 4]), now), Err(ResponseError::IneligibleReplica));
    quorum.apply(&set(2, 0, &[2, 3]), now).unwrap();
    assert_eq!(partition(&quorum).isr, [BrokerId(2), BrokerId(3)]);
    let to = |id| Change::MoveLeader { topic: "t".into(), partition: 0, to: BrokerId(id) };
    assert_eq!(quorum.apply(&to(1), now), Err(ResponseError::EligibleLeadersNotAvailable));
    quorum.apply(&to(3), now).unwrap();
    assert_eq!((partition(&quorum).leader, partition(&quorum).epoch), (Some(BrokerId(3)), 1));
}

#[test]
fn replicas_are_spread_over_active_brokers() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    quorum.apply(&Change::CreateTopic(topic("spread", 6, 2)), now).unwrap();
    let partitions = &quorum.metadata().topics["spread"].partitions;
    for broker in 1..=3 {
        let led = partitions.iter().filter(|partition| partition.leader == Some(BrokerId(broker))).count();
        assert_eq!(led, 2, "broker {broker}");
    }
    assert!(
        partitions
            .iter()
            .all(|partition| partition.replicas.len() == 2 && partition.replicas[0] != partition.replicas[1])
    );
    let four = quorum.apply(&Change::CreateTopic(topic("more", 1, 4)), now);
    assert_eq!(four, Err(ResponseError::InvalidReplicationFactor));
}

#[test]
fn a_topic_of_the_same_name_is_another_topic() {
    let now = Instant::now();
    let mut quorum = quorum(now);
    let old = key(&quorum);
    let again = Change::CreateTopic(topic("t", 1, 1));
    assert_eq!(quorum.apply(&again, now), Err(ResponseError::TopicAlreadyExists));
    quorum.apply(&Change::DeleteTopic("t".into()), now).unwrap();
    assert_eq!(quorum.apply(&Change::DeleteTopic("t".into()), now), Err(ResponseError::UnknownTopicOrPartition));
    quorum.apply(&again, now).unwrap();
    assert_ne!(key(&quorum), old);
}
