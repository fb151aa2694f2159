//! Peers for the tests: hosts that open a zenoh session, publish a numbered event every second and note what they hear.

use squall_sim::world::{Finished, World};
use squall_sim::{HostSpec, Latency, Program, WorldConfig, now_ns, run};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{interval, sleep};
use zenoh::Wait;
use zenoh::sample::Locality;

/// Which peer, from 0.
pub(crate) type Peer = usize;

/// An event that reached a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Heard {
    pub(crate) at: Peer,
    pub(crate) from: Peer,
    /// The boot that published it.
    pub(crate) boot: u32,
    pub(crate) number: u64,
    pub(crate) sent_ms: u64,
    pub(crate) heard_ms: u64,
}

/// What all peers of a world have heard.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Heard>>>);

impl Log {
    fn add(&self, heard: Heard) {
        self.0.lock().unwrap().push(heard);
    }

    pub(crate) fn all(&self) -> Vec<Heard> {
        self.0.lock().unwrap().clone()
    }

    /// The pairs of peers `(from, at)` of which `at` heard something that `from` sent in this span.
    pub(crate) fn pairs(&self, sent_ms: std::ops::Range<u64>) -> BTreeSet<(Peer, Peer)> {
        let heard = self.all();
        heard.iter().filter(|h| sent_ms.contains(&h.sent_ms)).map(|h| (h.from, h.at)).collect()
    }

    /// When the events of this span that `at` heard from `from` were sent, milliseconds, in the order they came.
    pub(crate) fn sent_between(&self, from: Peer, at: Peer, sent_ms: std::ops::Range<u64>) -> Vec<u64> {
        let heard = self.all().into_iter().filter(|h| (h.from, h.at) == (from, at) && sent_ms.contains(&h.sent_ms));
        heard.map(|h| h.sent_ms).collect()
    }
}

/// Every pair of different peers.
pub(crate) fn every_pair(peers: Peer) -> BTreeSet<(Peer, Peer)> {
    (0..peers).flat_map(|from| (0..peers).map(move |at| (from, at))).filter(|(from, at)| from != at).collect()
}

/// The configuration that the documentation gives, with the quotes that JSON5 needs.
pub(crate) const DOCUMENTED: &str = r#"{
  mode: "peer",
  scouting: {
    multicast: {
      enabled: true,
      address: "224.0.0.224:7446",
      interface: "auto",
      autoconnect: { router: [], peer: ["router", "peer"] },
      listen: true,
    },
  },
}"#;

/// Endpoints by address: each peer listens, and dials those before it.
pub(crate) fn endpoints(peer: Peer) -> String {
    let dialled: Vec<String> = (1..=peer).map(|number| format!("\"tcp/10.0.0.{number}:7447\"")).collect();
    format!(
        r#"{{
  mode: "peer",
  scouting: {{ multicast: {{ enabled: false }}, gossip: {{ enabled: false }} }},
  listen: {{ endpoints: ["tcp/0.0.0.0:7447"] }},
  connect: {{ endpoints: [{}], timeout_ms: -1, exit_on_failure: false }},
  open: {{ return_conditions: {{ connect_scouted: false }} }},
}}"#,
        dialled.join(", ")
    )
}

fn now_ms() -> u64 {
    now_ns() / 1_000_000
}

/// Opens a session and takes part for as long as the host lives.
pub(crate) async fn take_part(peer: Peer, boot: u32, config: &str, log: Log) {
    let config = zenoh::Config::from_json5(config).unwrap();
    // It blocks, awaited or not.
    let session = tokio::task::spawn_blocking(|| zenoh::open(config).wait()).await.unwrap().unwrap();
    let subscriber = session.declare_subscriber("squall/*").allowed_origin(Locality::Remote).await.unwrap();
    tokio::spawn(async move {
        while let Ok(sample) = subscriber.recv_async().await {
            let text = sample.payload().try_to_string().unwrap().into_owned();
            let numbers: Vec<u64> = text.split(' ').map(|n| n.parse().unwrap()).collect();
            let [from, boot, number, sent_ms] = numbers[..] else { panic!("a strange event: {text}") };
            let (from, boot) = (usize::try_from(from).unwrap(), u32::try_from(boot).unwrap());
            log.add(Heard { at: peer, from, boot, number, sent_ms, heard_ms: now_ms() });
        }
    });
    let publisher = session.declare_publisher(format!("squall/{peer}")).await.unwrap();
    let mut every_second = interval(Duration::from_secs(1));
    for number in 0_u64.. {
        every_second.tick().await;
        publisher.put(format!("{peer} {boot} {number} {}", now_ms())).await.unwrap();
    }
}

/// A peer as a host; peer 0 is `p0` at 10.0.0.1. Peers boot a few milliseconds apart, as machines do.
pub(crate) fn host(peer: Peer, config: String, log: &Log) -> HostSpec {
    let log = log.clone();
    let program: Program = Arc::new(move |boot| {
        let (config, log) = (config.clone(), log.clone());
        Box::pin(async move {
            sleep(Duration::from_millis(7 * peer as u64)).await;
            take_part(peer, boot.incarnation, &config, log).await;
        })
    });
    HostSpec { name: format!("p{peer}"), program, wall_offset_ns: 0 }
}

/// What a world with healthy links of half a millisecond is made from.
pub(crate) fn quiet(seed: u64) -> WorldConfig {
    let mut config = WorldConfig::new(seed);
    config.network.latency = Latency::fixed(500_000);
    config
}

/// Runs peers with these configurations in a quiet world, and `story` beside them.
pub(crate) fn with_peers<F: Future<Output = ()>>(
    seed: u64,
    configs: impl IntoIterator<Item = String>,
    story: impl FnOnce(World) -> F + Send,
) -> (Finished<()>, Log) {
    with_peers_in(quiet(seed), configs, story)
}

/// Runs peers with these configurations in this world, and `story` beside them.
pub(crate) fn with_peers_in<F: Future<Output = ()>>(
    config: WorldConfig,
    configs: impl IntoIterator<Item = String>,
    story: impl FnOnce(World) -> F + Send,
) -> (Finished<()>, Log) {
    let log = Log::default();
    let hosts = configs.into_iter().enumerate().map(|(peer, config)| host(peer, config, &log)).collect();
    let finished = run(config, hosts, story);
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
    assert_eq!(finished.facts.polls_after_death, 0);
    assert_eq!(finished.facts.sockets_after_death, 0);
    assert_eq!(finished.facts.escaped_spawns, 0);
    (finished, log)
}
