use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::{Request, StrBytes};

use super::request::Delayed;
use super::*;
use crate::servers::kafka::config::{BrokerAddress, TopicConfig};
use crate::servers::kafka::log::Oversized;
use crate::servers::kafka::quorum::NewTopic;
use crate::servers::kafka::samples::batch;
use crate::servers::kafka::wire;

const VERSION: i16 = 12;
const PRODUCE_VERSION: i16 = 9;

/// Brokers without sockets: what they say to each other is said for them.
struct Stage {
    quorum: Quorum,
    brokers: BTreeMap<i32, Broker>,
    now: Instant,
}

impl Stage {
    /// Brokers that are not admitted yet.
    fn idle(count: i32) -> Self {
        let address = |id| BrokerAddress { id: BrokerId(id), host: format!("b{id}"), port: 9092 };
        let config = Arc::new(ClusterConfig::new((1..=count).map(address).collect(), || 5));
        let now = Instant::now();
        let broker = |id| (id, Broker::new(BrokerId(id), Life(id as u64), config.clone(), Disk::new(), now));
        let quorum = Quorum::new(config.timing.session_timeout, 1);
        Self { quorum, brokers: (1..=count).map(broker).collect(), now }
    }

    /// Brokers that have the topic `t`, led by the first.
    fn ready(count: i32) -> Self {
        let mut stage = Self::idle(count);
        stage.meet();
        let replicas: Vec<BrokerId> = (1..=count).map(BrokerId).collect();
        let config = TopicConfig { min_insync_replicas: count.min(2) as usize, ..TopicConfig::default() };
        let topic = NewTopic { name: "t".into(), config, assignment: Some(vec![replicas]) };
        stage.quorum.apply(&Change::CreateTopic(topic), stage.now).unwrap();
        stage.meet();
        stage
    }

    /// Every broker hears every other one.
    fn meet(&mut self) {
        let ids: Vec<i32> = self.brokers.keys().copied().collect();
        for _ in 0..2 {
            for broker in self.brokers.values_mut() {
                broker.tick(&mut self.quorum, self.now);
                let own = broker.id.0;
                for id in ids.iter().filter(|id| **id != own) {
                    broker.heard_by(BrokerId(*id), self.now, &mut self.quorum, self.now);
                }
            }
        }
    }

    fn send<R: Request>(&mut self, to: i32, version: i16, request: &R) -> (ConnectionId, Step) {
        let broker = self.brokers.get_mut(&to).unwrap();
        let connection = broker.attach();
        let frame = wire::request(version, 1, request).unwrap().slice(4..);
        (connection, broker.receive(connection, frame, &mut self.quorum, self.now).unwrap())
    }

    fn resume(&mut self, at: i32, delayed: Delayed) -> Step {
        self.brokers.get_mut(&at).unwrap().resume(delayed, &mut self.quorum, self.now).unwrap()
    }

    fn woken(&mut self, at: i32) -> Vec<ConnectionId> {
        self.brokers.get_mut(&at).unwrap().take_woken()
    }

    /// Lets `follower` fetch once from `leader`, and takes in what that answers at once.
    fn replicate(&mut self, follower: i32, leader: i32) {
        let mut request = self.brokers[&follower].plan_fetch(BrokerId(leader)).unwrap();
        request.max_wait_ms = 0;
        let (_, step) = self.send(leader, VERSION, &request);
        let answer = answer::<FetchRequest>(step, VERSION);
        self.brokers.get_mut(&follower).unwrap().absorb(&request, answer, self.now);
    }
}

fn answer<R: Request>(step: Step, version: i16) -> R::Response {
    match step {
        Step::Reply(frame) => wire::open_response::<R>(frame.slice(4..), version, 1).unwrap(),
        other => panic!("no answer: {other:?}"),
    }
}

fn delayed(step: Step) -> Delayed {
    match step {
        Step::Wait(delayed) => *delayed,
        other => panic!("not waiting: {other:?}"),
    }
}

fn name() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

fn produce() -> ProduceRequest {
    let data = PartitionProduceData::default().with_records(Some(batch(&[1])));
    let topic = TopicProduceData::default().with_name(name()).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![topic])
}

fn fetch(offset: i64) -> FetchRequest {
    let partition = FetchPartition::default().with_fetch_offset(offset).with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default().with_topic(name()).with_partitions(vec![partition]);
    FetchRequest::default().with_max_wait_ms(500).with_min_bytes(1).with_topics(vec![topic])
}

fn produced(response: &ProduceResponse) -> (i16, i64) {
    let partition = &response.responses[0].partition_responses[0];
    (partition.error_code, partition.base_offset)
}

fn fetched(response: &FetchResponse) -> (i16, bool) {
    let partition = &response.responses[0].partitions[0];
    (partition.error_code, partition.records.as_ref().is_some_and(|records| !records.is_empty()))
}

#[test]
fn a_lone_broker_acknowledges_at_once() {
    let mut stage = Stage::ready(1);
    let (_, step) = stage.send(1, PRODUCE_VERSION, &produce());
    assert_eq!(produced(&answer::<ProduceRequest>(step, PRODUCE_VERSION)), (0, 0));
}

#[test]
fn a_waiting_fetch_is_woken_by_data_and_by_nothing_else() {
    let mut stage = Stage::ready(1);
    let (connection, step) = stage.send(1, VERSION, &fetch(0));
    let waiting = delayed(step);
    assert_eq!(waiting.deadline, Some(stage.now + Duration::from_millis(500)));
    stage.woken(1);
    stage.send(1, VERSION, &fetch(0));
    assert_eq!(stage.woken(1), []);
    stage.send(1, PRODUCE_VERSION, &produce());
    assert!(stage.woken(1).contains(&connection));
    assert_eq!(fetched(&answer::<FetchRequest>(stage.resume(1, waiting), VERSION)), (0, true));
}

#[test]
fn a_fetch_that_waited_in_vain_is_answered_without_records() {
    let mut stage = Stage::ready(1);
    let (_, step) = stage.send(1, VERSION, &fetch(0));
    let waiting = delayed(step);
    stage.now += Duration::from_millis(499);
    let waiting = delayed(stage.resume(1, waiting));
    stage.now += Duration::from_millis(1);
    assert_eq!(fetched(&answer::<FetchRequest>(stage.resume(1, waiting), VERSION)), (0, false));
}

#[test]
fn nothing_is_answered_before_the_broker_takes_part() {
    let mut stage = Stage::idle(3);
    let (connection, step) = stage.send(1, VERSION, &fetch(0));
    let waiting = delayed(step);
    stage.meet();
    assert!(stage.woken(1).contains(&connection));
    let (error, _) = fetched(&answer::<FetchRequest>(stage.resume(1, waiting), VERSION));
    assert_eq!(error, ResponseError::UnknownTopicOrPartition.code());
}

#[test]
fn a_record_is_readable_and_acknowledged_once_all_in_sync_have_it() {
    let mut stage = Stage::ready(3);
    let (producer, step) = stage.send(1, PRODUCE_VERSION, &produce());
    let waiting = delayed(step);
    for follower in [2, 3] {
        assert_eq!(fetched(&answer_now(&mut stage)), (0, false));
        // The first fetch brings the record, the second says that it has arrived.
        stage.replicate(follower, 1);
        stage.replicate(follower, 1);
    }
    assert!(stage.woken(1).contains(&producer));
    assert_eq!(produced(&answer::<ProduceRequest>(stage.resume(1, waiting), PRODUCE_VERSION)), (0, 0));
    assert_eq!(fetched(&answer_now(&mut stage)), (0, true));
}

fn answer_now(stage: &mut Stage) -> FetchResponse {
    let (_, step) = stage.send(1, VERSION, &fetch(0).with_max_wait_ms(0));
    answer::<FetchRequest>(step, VERSION)
}

#[test]
fn a_produce_that_is_not_replicated_in_time_says_so() {
    let mut stage = Stage::ready(3);
    let (_, step) = stage.send(1, PRODUCE_VERSION, &produce());
    let waiting = delayed(step);
    stage.now += Duration::from_secs(1);
    let response = answer::<ProduceRequest>(stage.resume(1, waiting), PRODUCE_VERSION);
    assert_eq!(produced(&response), (ResponseError::RequestTimedOut.code(), -1));
}

#[test]
fn a_follower_sends_producers_and_consumers_away() {
    let mut stage = Stage::ready(3);
    let (_, step) = stage.send(2, PRODUCE_VERSION, &produce());
    let error = ResponseError::NotLeaderOrFollower.code();
    assert_eq!(produced(&answer::<ProduceRequest>(step, PRODUCE_VERSION)), (error, -1));
    let (_, step) = stage.send(2, VERSION, &fetch(0));
    assert_eq!(fetched(&answer::<FetchRequest>(step, VERSION)), (error, false));
}

#[test]
fn a_former_leader_cuts_off_what_only_it_has() {
    let mut stage = Stage::ready(3);
    stage.send(1, PRODUCE_VERSION, &produce());
    for follower in [2, 3] {
        stage.replicate(follower, 1);
        stage.replicate(follower, 1);
    }
    let (_, step) = stage.send(1, PRODUCE_VERSION, &produce());
    let lonely = delayed(step);
    let change = Change::MoveLeader { topic: "t".into(), partition: 0, to: BrokerId(2) };
    stage.quorum.apply(&change, stage.now).unwrap();
    stage.meet();
    let refused = answer::<ProduceRequest>(stage.resume(1, lonely), PRODUCE_VERSION);
    assert_eq!(produced(&refused).0, ResponseError::NotLeaderOrFollower.code());
    stage.send(2, PRODUCE_VERSION, &produce());
    for _ in 0..3 {
        stage.replicate(1, 2);
    }
    let log = |stage: &Stage, id: i32| {
        let log = stage.brokers[&id].disk.values().next().unwrap();
        (log.end(), log.last_epoch(), log.read(0, i64::MAX, usize::MAX, Oversized::Never))
    };
    assert_eq!(log(&stage, 1), log(&stage, 2));
    assert_eq!(log(&stage, 1).1, 1, "what the new leader took");
}

#[test]
fn who_was_cut_off_before_a_change_does_not_know_it() {
    let mut stage = Stage::ready(3);
    stage.now += Duration::from_secs(1);
    let change = Change::MoveLeader { topic: "t".into(), partition: 0, to: BrokerId(2) };
    stage.quorum.apply(&change, stage.now).unwrap();
    let cut_off = stage.brokers.get_mut(&1).unwrap();
    cut_off.tick(&mut stage.quorum, stage.now);
    assert_eq!(cut_off.stats().led_partitions, 1, "it still believes that it leads");
    cut_off.heard_by(BrokerId(3), stage.now, &mut stage.quorum, stage.now);
    assert_eq!(cut_off.stats().led_partitions, 0);
}

#[test]
fn a_change_waits_for_a_majority() {
    let mut stage = Stage::ready(3);
    stage.now += Duration::from_secs(1);
    let version = stage.quorum.metadata().version;
    let broker = stage.brokers.get_mut(&1).unwrap();
    broker.propose(&mut stage.quorum, None, vec![Change::DeleteTopic("t".into())], stage.now);
    let earlier = stage.now - Duration::from_millis(1);
    broker.heard_by(BrokerId(2), earlier, &mut stage.quorum, stage.now);
    assert_eq!(stage.quorum.metadata().version, version, "that heartbeat left before the proposal");
    broker.heard_by(BrokerId(2), stage.now, &mut stage.quorum, stage.now);
    assert!(stage.quorum.metadata().topics.is_empty());
    assert!(broker.disk.is_empty(), "and the log goes with its topic");
}

#[test]
fn too_few_in_sync_refuse_what_asks_for_all() {
    let mut stage = Stage::ready(3);
    let partition = stage.quorum.metadata().topics["t"].key(0);
    let isr = vec![BrokerId(1)];
    let shrink = Change::SetIsr { partition, epoch: 0, leader: BrokerId(1), isr };
    stage.quorum.apply(&shrink, stage.now).unwrap();
    stage.brokers.get_mut(&1).unwrap().announce(&mut stage.quorum, stage.now);
    let (_, step) = stage.send(1, PRODUCE_VERSION, &produce());
    let error = ResponseError::NotEnoughReplicas.code();
    assert_eq!(produced(&answer::<ProduceRequest>(step, PRODUCE_VERSION)), (error, -1));
}
