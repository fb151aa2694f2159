//! The coordination servers of a world: one file per backend that has some.

#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "kafka", feature = "nats", feature = "redis"))]
mod slot;

use crate::scenario::Backend;
use squall_cluster::config::{Authorities, CoordinatorConfig, NodeConfig};
#[cfg(feature = "tls")]
use squall_sim::servers::tls::Authority;
use squall_sim::{Boot, Program};
use std::future::Future;
use std::sync::Arc;
use tokio::net::TcpListener;

/// No backend of this build has TLS, so there is none.
#[cfg(not(feature = "tls"))]
pub(super) enum Authority {}

#[cfg(not(feature = "tls"))]
impl Authority {
    fn certificate_pem(&self) -> &str {
        match *self {}
    }
}

/// A host that runs a coordination server.
pub(super) struct Broker {
    pub(super) name: String,
    pub(super) program: Program,
    pub(super) farewell: Farewell,
}

/// Begins the orderly shutdown of the server that runs, as its operator would, and counts the clients that this concerns.
pub(super) type Farewell = Box<dyn Fn() -> Option<u64> + Send + Sync>;

/// The names of the hosts, as node configurations name them.
pub(super) fn names(backend: Backend, brokers: u16) -> Vec<String> {
    let count = match backend {
        Backend::Zenoh => 0,
        Backend::Redis => 1,
        Backend::Nats | Backend::Kafka => brokers,
    };
    (1..=count).map(|number| format!("{backend}{number}")).collect()
}

/// The part of a node's configuration that is about coordination, when the scenario names no configuration: the
/// documented keys, with less patience than the documented defaults where those would outlast a scenario.
pub(super) fn section(backend: Backend, names: &[String]) -> String {
    let list = |scheme: &str, port: u16| {
        let addresses: Vec<String> = names.iter().map(|name| format!("\"{scheme}{name}:{port}\"")).collect();
        addresses.join(", ")
    };
    let keys = match backend {
        Backend::Zenoh => DOCUMENTED_ZENOH.to_owned(),
        Backend::Nats => format!("address = [{}]\nping-interval = \"5s\"", list("", 4222)),
        Backend::Kafka => format!("brokers = [{}]\ngroup-id = \"squall\"", list("", 9092)),
        Backend::Redis => format!("urls = [{}]\ntimeout = \"5s\"", list("redis://", 6379)),
    };
    format!("[store.\"{backend}\"]\ntype = \"{backend}\"\n{keys}\n\n[cluster]\ncoordinator = \"{backend}\"\n")
}

/// Peers find each other by multicast, as in the documentation.
const DOCUMENTED_ZENOH: &str = r#"config = '''
{
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
}'''"#;

/// The coordination servers that nodes of this configuration expect, with certificates where they expect TLS.
pub(super) fn brokers(config: &NodeConfig, names: &[String], seed: u64, tls: Option<&Authority>) -> Vec<Broker> {
    match &config.cluster.coordinator {
        #[cfg(feature = "nats")]
        Some(CoordinatorConfig::Nats { nats, .. }) => nats::brokers(nats, names, seed, tls),
        #[cfg(feature = "kafka")]
        Some(CoordinatorConfig::Kafka { .. }) => kafka::brokers(names, seed),
        #[cfg(feature = "redis")]
        Some(CoordinatorConfig::Redis { redis, .. }) => redis::brokers(redis, names, seed, tls),
        _ => {
            // A build with fewer backends has no use for some of them.
            let _ = (names, seed, tls);
            Vec::new()
        }
    }
}

/// The run's own authority for its servers' certificates, if nodes of this configuration expect TLS.
#[cfg(feature = "tls")]
pub(super) fn authority(config: &NodeConfig, seed: u64) -> Option<Authority> {
    let wanted = match &config.cluster.coordinator {
        #[cfg(feature = "nats")]
        Some(CoordinatorConfig::Nats { nats, .. }) => nats.tls,
        #[cfg(feature = "redis")]
        Some(CoordinatorConfig::Redis { redis, .. }) => redis::wants_tls(redis),
        _ => false,
    };
    wanted.then(|| Authority::from_seed(seed))
}

/// No server of this build has a certificate.
#[cfg(not(feature = "tls"))]
pub(super) fn authority(_config: &NodeConfig, _seed: u64) -> Option<Authority> {
    None
}

/// Has the node trust the run's authority, unless its configuration says whom to trust.
pub(super) fn trust(config: &mut NodeConfig, authority: &Authority) {
    let Ok(own) = Authorities::from_pem(authority.certificate_pem().to_owned()) else { return };
    let trusted = match &mut config.cluster.coordinator {
        Some(CoordinatorConfig::Nats { nats, .. }) => &mut nats.authorities,
        Some(CoordinatorConfig::Redis { redis, .. }) => &mut redis.authorities,
        _ => return,
    };
    trusted.get_or_insert(own);
}

/// A host's program, from a function of its boot.
pub(super) fn program<F>(program: impl Fn(Boot) -> F + Send + Sync + 'static) -> Program
where
    F: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |boot| Box::pin(program(boot)))
}

/// Listens and serves; a server that cannot is one that exited.
pub(super) async fn serve<F>(port: u16, serve: impl FnOnce(TcpListener) -> F)
where
    F: Future<Output = std::io::Result<()>>,
{
    let served = match TcpListener::bind(("0.0.0.0", port)).await {
        Ok(listener) => serve(listener).await,
        Err(error) => Err(error),
    };
    if let Err(error) = served {
        squall_sim::note(&"server ended", || format!("server ended: {error}"));
    }
}
