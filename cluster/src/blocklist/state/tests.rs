//! Clusters of state machines on a bus without delay, with a store that can be away.

use super::*;
use crate::blocklist::testing::entry;
use crate::coordinator::{Event, PublishError};
use crate::store::StoreError;
use bytes::Bytes;
use std::collections::BTreeMap;

const CONFIG: &str = r#"
[store.bus]
type = "nats"
address = "nats:4222"
[store.db]
type = "postgresql"
host = "db"
user = "squall"
database = "squall"
[cluster]
coordinator = "bus"
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Service {
    Up,
    Down,
}

struct Cluster {
    nodes: Vec<Core>,
    linked: Vec<bool>,
    /// Which nodes lose what is sent to them although they are linked.
    deaf: Vec<bool>,
    store: BTreeMap<IpNet, Entry>,
    store_service: Service,
    now: Now,
    messages: usize,
    resyncs: usize,
    applied: Vec<(usize, Source)>,
}

impl Cluster {
    fn new(size: u64, store_service: Service) -> Self {
        let config = NodeConfig::parse("test", CONFIG).unwrap();
        let now = Now { at: Instant::now(), wall_ms: 1_700_000_000_000 };
        let core = |node| Core::new(&config, Incarnation(node), NodeRng::from_seed(node), now);
        let size_now = usize::try_from(size).unwrap();
        let mut cluster = Self {
            nodes: (1..=size).map(core).collect(),
            linked: vec![false; size_now],
            deaf: vec![false; size_now],
            store: BTreeMap::new(),
            store_service,
            now,
            messages: 0,
            resyncs: 0,
            applied: Vec::new(),
        };
        for node in 0..size_now {
            cluster.link(node, true);
        }
        cluster.settle();
        cluster
    }

    fn link(&mut self, node: usize, up: bool) {
        self.linked[node] = up;
        let event = if up { Event::Connected } else { Event::Disconnected };
        self.nodes[node].on_event(event, self.now);
    }

    fn block(&mut self, node: usize, net: &str) -> Entry {
        let state = State::Blocked { reason: "test".into(), expires_ms: None };
        self.nodes[node].change(net.parse().unwrap(), state, self.now)
    }

    /// Everything that can be done at this moment is done.
    fn settle(&mut self) {
        loop {
            let mut busy = false;
            for node in 0..self.nodes.len() {
                busy |= self.publish(node) | self.serve_store(node);
                let now = self.now;
                if self.nodes[node].armed().is_some_and(|at| at <= now.at) {
                    self.nodes[node].on_time(now);
                    busy = true;
                }
                for event in std::mem::take(&mut self.nodes[node].effects).events {
                    match event {
                        NodeEvent::ResyncStarted(_) => self.resyncs += 1,
                        NodeEvent::Applied { source, .. } => self.applied.push((node, source)),
                        _ => {}
                    }
                }
            }
            if !busy {
                return;
            }
        }
    }

    fn publish(&mut self, node: usize) -> bool {
        let Publish::Now(publication) = self.nodes[node].next_publication(self.now) else {
            return false;
        };
        let message = publication.message.clone();
        self.nodes[node].published(publication, Ok(()), self.now);
        self.deliver(node, &message);
        true
    }

    fn deliver(&mut self, from: usize, message: &Bytes) {
        self.messages += 1;
        for node in 0..self.nodes.len() {
            // Its own message comes back, as from a broker that was not asked to keep it.
            if self.linked[node] && !self.deaf[node] && self.linked[from] {
                self.nodes[node].on_event(Event::Message(message.clone()), self.now);
            }
        }
    }

    fn serve_store(&mut self, node: usize) -> bool {
        let down = || Err(StoreError::Connect("away".into()));
        let up = self.store_service == Service::Up;
        let now = self.now;
        match self.nodes[node].next_store_job(now) {
            StoreJob::Load { reason, .. } => {
                let read = if up { Ok(self.store.values().cloned().collect()) } else { down() };
                self.nodes[node].loaded(reason, read, now);
            }
            StoreJob::Save(batch) => {
                let written = if up {
                    for entry in &batch {
                        let known = self.store.get(&entry.net);
                        if known.is_none_or(|known| known.version < entry.version) {
                            self.store.insert(entry.net, entry.clone());
                        }
                    }
                    Ok(())
                } else {
                    down().map(|_: Vec<Entry>| ())
                };
                self.nodes[node].saved(&batch, written, now);
            }
            StoreJob::Purge { .. } => self.nodes[node].purged(Ok(0), now),
            StoreJob::WaitUntil(_) | StoreJob::Idle => return false,
        }
        true
    }

    fn pass(&mut self, time: Duration) {
        let step = Duration::from_millis(10);
        let end = self.now.at + time;
        while self.now.at < end {
            self.now.at += step;
            self.now.wall_ms += 10;
            self.settle();
        }
    }

    fn converged(&self) -> bool {
        let digest = self.nodes[0].list.digest();
        self.nodes.iter().all(|node| node.list.digest() == digest)
    }

    fn entries(&self, node: usize) -> usize {
        self.nodes[node].list.entries().count()
    }
}

#[test]
fn a_block_is_everywhere_and_in_the_store_at_once() {
    let mut cluster = Cluster::new(5, Service::Up);
    cluster.pass(Duration::from_secs(5));
    (cluster.messages, cluster.resyncs) = (0, 0);
    cluster.block(2, "192.0.2.1/32");
    cluster.settle();
    assert!(cluster.converged());
    assert_eq!((cluster.store.len(), cluster.messages), (1, 1));
    assert_eq!(cluster.resyncs, 0);
    let broadcast = cluster.applied.iter().filter(|(_, source)| *source == Source::Broadcast);
    assert_eq!(broadcast.count(), 4);
}

#[test]
fn a_stalled_store_delays_the_broadcast_by_the_grace_and_no_more() {
    let mut cluster = Cluster::new(2, Service::Up);
    let now = cluster.now;
    cluster.block(0, "192.0.2.1/32");
    let Publish::WaitUntil(at) = cluster.nodes[0].next_publication(now) else {
        panic!("published before the store has it")
    };
    assert_eq!(at, now.at + Duration::from_millis(50));
    assert!(matches!(cluster.nodes[0].next_store_job(now), StoreJob::Save(_)));
    cluster.now.at = at;
    assert!(cluster.publish(0));
    assert_eq!(cluster.entries(1), 1);
}

#[test]
fn a_gap_is_noticed_and_filled_from_the_store() {
    let mut cluster = Cluster::new(3, Service::Up);
    cluster.block(0, "192.0.2.1/32");
    cluster.settle();
    cluster.deaf[2] = true;
    cluster.block(0, "192.0.2.2/32");
    cluster.settle();
    cluster.deaf[2] = false;
    cluster.block(0, "192.0.2.3/32");
    cluster.pass(Duration::from_millis(300));
    assert!(cluster.converged());
}

#[test]
fn a_lost_last_message_is_noticed_by_digest() {
    let mut cluster = Cluster::new(3, Service::Up);
    cluster.deaf[2] = true;
    cluster.block(0, "192.0.2.1/32");
    cluster.settle();
    cluster.deaf[2] = false;
    assert!(!cluster.converged());
    cluster.pass(Duration::from_secs(32));
    assert!(cluster.converged());
}

#[test]
fn without_any_store_digests_and_repairs_reconcile_both_sides() {
    let mut cluster = Cluster::new(4, Service::Down);
    cluster.link(3, false);
    cluster.block(0, "192.0.2.1/32");
    cluster.block(3, "192.0.2.2/32");
    cluster.pass(Duration::from_secs(5));
    assert_eq!((cluster.entries(1), cluster.entries(3)), (1, 1));
    cluster.link(3, true);
    cluster.pass(Duration::from_secs(4));
    assert!(cluster.converged());
    assert_eq!(cluster.entries(0), 2);
    assert!(cluster.store.is_empty());
    cluster.store_service = Service::Up;
    cluster.pass(Duration::from_secs(3));
    assert_eq!(cluster.store.len(), 2);
}

#[test]
fn a_version_whose_author_stopped_reaches_the_store_from_a_peer() {
    let mut cluster = Cluster::new(2, Service::Down);
    cluster.block(0, "192.0.2.1/32");
    cluster.pass(Duration::from_secs(1));
    assert_eq!(cluster.entries(1), 1);
    cluster.nodes.remove(0);
    cluster.linked.remove(0);
    cluster.deaf.remove(0);
    cluster.store_service = Service::Up;
    cluster.pass(Duration::from_secs(10));
    cluster.link(0, false);
    cluster.link(0, true);
    cluster.pass(Duration::from_secs(1));
    assert_eq!(cluster.store.len(), 1);
}

#[test]
fn a_reconnected_node_catches_up_from_the_store() {
    let mut cluster = Cluster::new(3, Service::Up);
    cluster.link(1, false);
    cluster.block(0, "192.0.2.1/32");
    cluster.pass(Duration::from_secs(1));
    cluster.applied.clear();
    cluster.link(1, true);
    cluster.pass(Duration::from_millis(300));
    assert_eq!(cluster.applied, vec![(1, Source::Resync)]);
}

#[test]
fn blocks_made_while_disconnected_are_published_on_return() {
    let mut cluster = Cluster::new(3, Service::Down);
    cluster.link(0, false);
    cluster.block(0, "192.0.2.1/32");
    cluster.pass(Duration::from_secs(1));
    cluster.link(0, true);
    cluster.settle();
    assert!(cluster.converged());
}

#[test]
fn a_failed_publication_is_repeated_under_its_number() {
    let mut cluster = Cluster::new(2, Service::Up);
    cluster.block(0, "192.0.2.1/32");
    let job = cluster.nodes[0].next_store_job(cluster.now);
    let StoreJob::Save(batch) = job else { panic!("{job:?}") };
    cluster.nodes[0].saved(&batch, Ok(()), cluster.now);
    let Publish::Now(publication) = cluster.nodes[0].next_publication(cluster.now) else {
        panic!("nothing to publish")
    };
    let failed = Err(PublishError::Refused("no".into()));
    cluster.nodes[0].published(publication, failed, cluster.now);
    cluster.resyncs = 0;
    cluster.pass(Duration::from_millis(200));
    assert!(cluster.converged());
    assert_eq!((cluster.entries(1), cluster.resyncs), (1, 0));
}

#[test]
fn twins_with_one_node_id_hear_each_other() {
    // All nodes of the rig have node id 1.
    let mut cluster = Cluster::new(2, Service::Down);
    cluster.block(0, "192.0.2.1/32");
    cluster.pass(Duration::from_millis(100));
    assert_eq!(cluster.entries(1), 1);
}

#[test]
fn garbled_messages_do_no_harm() {
    let mut cluster = Cluster::new(2, Service::Up);
    for noise in [&b""[..], b"\x01", b"\x02later", &[0xff; 64]] {
        cluster.deliver(0, &Bytes::copy_from_slice(noise));
    }
    cluster.settle();
    assert!(cluster.converged());
}

#[test]
fn a_quiet_cluster_is_quiet() {
    let mut cluster = Cluster::new(8, Service::Up);
    cluster.block(0, "192.0.2.1/32");
    cluster.pass(Duration::from_secs(40));
    (cluster.messages, cluster.resyncs) = (0, 0);
    cluster.pass(Duration::from_secs(300));
    assert_eq!(cluster.resyncs, 0);
    assert!(cluster.messages <= 20, "{} messages", cluster.messages);
}

#[test]
fn readiness_is_reported_when_it_changes() {
    let config = NodeConfig::parse("test", CONFIG).unwrap();
    let now = Now { at: Instant::now(), wall_ms: 1 };
    let mut core = Core::new(&config, Incarnation(1), NodeRng::from_seed(1), now);
    let ready = |core: &mut Core| {
        let events = std::mem::take(&mut core.effects).events;
        events
            .into_iter()
            .filter_map(|event| match event {
                NodeEvent::Ready { coordinated, stored } => Some((coordinated, stored)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    core.on_event(Event::Connected, now);
    assert_eq!(ready(&mut core), vec![]);
    core.loaded(ResyncReason::Boot, Err(StoreError::Connect("away".into())), now);
    assert_eq!(ready(&mut core), vec![(true, false)]);
    core.loaded(ResyncReason::Boot, Ok(vec![entry("192.0.2.1/32", 1, None)]), now);
    assert_eq!(ready(&mut core), vec![(true, true)]);
    core.on_event(Event::Disconnected, now);
    assert_eq!(ready(&mut core), vec![(false, true)]);
}
