//! Zenoh nodes in one process, over loopback.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

use bytes::Bytes;
use squall_cluster::config::{CoordinatorConfig, ZenohConfig};
use squall_cluster::coordinator::{self, Coordinator, Event, Listener, PublishError};
use squall_cluster::entropy::NodeRng;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// Far above what anything here takes, so that only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Means nothing; see [`reach`].
const CALL: &str = "call";

struct Told(mpsc::UnboundedSender<Event>);

impl Listener for Told {
    fn on_event(&self, event: Event) {
        // The test may have ended.
        let _ = self.0.send(event);
    }
}

struct Node {
    coordinator: Arc<dyn Coordinator>,
    events: mpsc::UnboundedReceiver<Event>,
}

/// Numbers what must differ between nodes.
static NODES: AtomicU8 = AtomicU8::new(1);

/// Where a node listens: on a loopback address of its own, so that no other node is given the port before it.
async fn unused() -> SocketAddr {
    let address = [127, 0, NODES.fetch_add(1, Ordering::Relaxed), 1];
    TcpListener::bind(SocketAddr::from((address, 0))).await.unwrap().local_addr().unwrap()
}

impl Node {
    /// Without multicast, and with a lease of one second.
    fn start(listen: SocketAddr, connect: &[SocketAddr]) -> Self {
        let endpoints = connect.iter().map(|peer| format!("'tcp/{peer}'")).collect::<Vec<_>>().join(", ");
        let config = format!(
            "{{mode: 'peer', listen: {{endpoints: ['tcp/{listen}']}}, connect: {{endpoints: [{endpoints}], \
             retry: {{period_init_ms: 100, period_max_ms: 200}}}}, scouting: {{multicast: {{enabled: false}}}}, \
             transport: {{link: {{tx: {{lease: 1000}}}}}}}}"
        );
        let config = CoordinatorConfig::Zenoh { name: "mesh".into(), zenoh: ZenohConfig { config } };
        let (told, events) = mpsc::unbounded_channel();
        let rng = NodeRng::from_seed(u64::from(NODES.fetch_add(1, Ordering::Relaxed)));
        let coordinator = coordinator::start(&config, Arc::new(Told(told)), rng).unwrap();
        Self { coordinator, events }
    }

    async fn next(&mut self) -> Event {
        timeout(PATIENCE, self.events.recv()).await.expect("an event in time").expect("the listener lives")
    }

    /// Passes over everything until `event`.
    async fn until(&mut self, event: Event) {
        let arrived = async { while self.next().await != event {} };
        timeout(PATIENCE, arrived).await.expect("the event in time");
    }

    async fn publish(&self, message: &'static str) {
        self.coordinator.publish(Bytes::from_static(message.as_bytes())).await.unwrap();
    }
}

fn message(text: &'static str) -> Event {
    Event::Message(Bytes::from_static(text.as_bytes()))
}

/// Calls until `to` hears it; from then on everything that `from` publishes arrives there.
async fn reach(from: &Node, to: &mut Node) {
    let heard = async {
        loop {
            from.publish(CALL).await;
            let called = async { while to.next().await != message(CALL) {} };
            if timeout(Duration::from_millis(100), called).await.is_ok() {
                return;
            }
        }
    };
    timeout(PATIENCE, heard).await.expect("a call is heard in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_peer_hears_the_others_in_order_and_not_itself() {
    let (a, b) = (unused().await, unused().await);
    let mut others = [Node::start(a, &[]), Node::start(b, &[a])];
    let mut speaker = Node::start(unused().await, &[a, b]);
    speaker.until(Event::Connected).await;
    for other in &mut others {
        other.until(Event::Connected).await;
        reach(&speaker, other).await;
        reach(other, &mut speaker).await;
    }
    speaker.publish("one").await;
    speaker.publish("two").await;
    for other in &mut others {
        let mut said = Vec::new();
        while said.len() < 2 {
            // What other publishers say may come at any time.
            if let Event::Message(text) = other.next().await
                && [&b"one"[..], b"two"].contains(&&*text)
            {
                said.push(text);
            }
        }
        assert_eq!(said, ["one", "two"]);
        other.publish("heard").await;
        let mut heard = speaker.next().await;
        while heard != message("heard") {
            assert!(heard != message("one") && heard != message("two"), "its own message came back");
            heard = speaker.next().await;
        }
    }
    for node in others.iter().chain([&speaker]) {
        node.coordinator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_connected_alone_and_a_peer_that_joins_and_leaves_is_told() {
    let address = unused().await;
    let mut alone = Node::start(address, &[]);
    let refused = alone.coordinator.publish(Bytes::from_static(b"early")).await;
    assert_eq!(refused, Err(PublishError::NotConnected));
    assert_eq!(alone.next().await, Event::Connected);
    alone.publish("to nobody").await;

    let mut peer = Node::start(unused().await, &[address]);
    assert_eq!(peer.next().await, Event::Connected);
    assert_eq!(alone.next().await, Event::Gap);
    peer.publish("hello").await;
    assert_eq!(alone.next().await, message("hello"));

    peer.coordinator.shutdown().await;
    assert_eq!(alone.next().await, Event::Disconnected);
    let refused = alone.coordinator.publish(Bytes::from_static(b"late")).await;
    assert_eq!(refused, Err(PublishError::NotConnected));

    let peer = Node::start(unused().await, &[address]);
    assert_eq!(alone.next().await, Event::Connected);
    peer.coordinator.shutdown().await;
    alone.coordinator.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_after_connected_arrives_at_once() {
    let address = unused().await;
    let mut listening = Node::start(address, &[]);
    let mut joining = Node::start(unused().await, &[address]);
    // Whoever is told of the other, the other's next message arrives.
    listening.until(Event::Connected).await;
    joining.until(Event::Connected).await;
    joining.publish("first").await;
    listening.until(message("first")).await;
    for node in [&listening, &joining] {
        node.coordinator.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_taken_is_tried_again_until_it_is_free() {
    let address = unused().await;
    let taken = TcpListener::bind(address).await.unwrap();
    let mut node = Node::start(address, &[]);
    let Event::Error(reason) = node.next().await else { panic!("no error") };
    assert!(!reason.is_empty() && !reason.contains(".rs"), "{reason}");
    assert_eq!(node.next().await, Event::Disconnected);
    assert_eq!(node.next().await, Event::Rebuilt);
    drop(taken);
    node.until(Event::Connected).await;
    node.coordinator.shutdown().await;
}

/// Passes on what two peers say, or nothing at all, as a cut cable does.
struct Cable {
    near_end: SocketAddr,
    cut: watch::Sender<bool>,
}

impl Cable {
    async fn to(far_end: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near_end = listener.local_addr().unwrap();
        let (cut, is_cut) = watch::channel(false);
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(far_end).await.unwrap();
                let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
                tokio::spawn(carry(near_read, far_write, is_cut.clone()));
                tokio::spawn(carry(far_read, near_write, is_cut.clone()));
            }
        });
        Self { near_end, cut }
    }
}

/// While cut, nothing is carried, and neither end is told.
async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut cut: watch::Receiver<bool>,
) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        if cut.wait_for(|cut| !cut).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = cut.wait_for(|cut| !cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_longer_than_the_lease_disconnects_and_its_end_connects_both_sides() {
    let address = unused().await;
    let cable = Cable::to(address).await;
    let mut nodes = [Node::start(address, &[]), Node::start(unused().await, &[cable.near_end])];
    for node in &mut nodes {
        node.until(Event::Connected).await;
    }
    cable.cut.send_replace(true);
    for node in &mut nodes {
        node.until(Event::Disconnected).await;
    }
    cable.cut.send_replace(false);
    for node in &mut nodes {
        node.until(Event::Connected).await;
    }
    nodes[0].publish("again").await;
    nodes[1].until(message("again")).await;
    for node in &nodes {
        node.coordinator.shutdown().await;
    }
}
