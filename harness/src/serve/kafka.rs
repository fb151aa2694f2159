//! One simulated Kafka broker on a real port.

use super::{Life, Service, clock_ms, unforeseeable_seed};
use squall_sim::servers::kafka::{AutoCreate, BrokerAddress, BrokerId, ClusterConfig, KafkaCluster, TopicConfig};
use std::io;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;
use tokio::net::TcpListener;

const BROKER: BrokerId = BrokerId(1);

/// Where clients are told to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertised {
    host: String,
    port: u16,
}

impl FromStr for Advertised {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected a host and a port such as `localhost:9092`, found `{text}`");
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        if host.is_empty() { Err(expected()) } else { Ok(Self { host: host.to_owned(), port }) }
    }
}

/// A cluster of one broker, with its logs.
pub(crate) struct Kafka {
    /// What topics are like.
    pub(crate) topics: TopicConfig,
    /// How long the cluster waits for a broker that was killed.
    pub(crate) session_timeout: Duration,
    auto_create: AutoCreate,
    advertised: Option<Advertised>,
    /// Known once the port is.
    cluster: Option<KafkaCluster>,
}

impl Kafka {
    /// With the defaults of Kafka; `advertised` is where it listens if absent.
    pub(crate) fn new(advertised: Option<Advertised>) -> Self {
        Self {
            topics: TopicConfig::default(),
            session_timeout: Duration::from_secs(9),
            auto_create: AutoCreate::Enabled,
            advertised,
            cluster: None,
        }
    }

    /// Whether topics that nobody created come into being when a client asks for them.
    pub(crate) fn set_auto_create(&mut self, auto_create: AutoCreate) {
        self.auto_create = auto_create;
    }

    fn config(&self, address: SocketAddr) -> ClusterConfig {
        let here = || Advertised { host: address.ip().to_string(), port: address.port() };
        let Advertised { host, port } = self.advertised.clone().unwrap_or_else(here);
        let mut config = ClusterConfig::new(vec![BrokerAddress { id: BROKER, host, port }], clock_ms);
        config.auto_create = self.auto_create;
        config.topics = self.topics.clone();
        config.timing.session_timeout = self.session_timeout;
        config.timing.heartbeat_interval = config.timing.heartbeat_interval.min(self.session_timeout / 4);
        config
    }
}

impl Service for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn url(&self, address: SocketAddr) -> String {
        address.to_string()
    }

    fn start(&mut self, listener: TcpListener) -> io::Result<Life> {
        let address = listener.local_addr()?;
        let config = self.config(address);
        let cluster = self.cluster.get_or_insert_with(|| KafkaCluster::new(config, unforeseeable_seed()));
        let broker = cluster.broker(BROKER);
        let serving = broker.clone();
        Ok(Life {
            serve: Box::pin(async move { serving.serve(listener).await }),
            shutdown: Box::new(move || broker.shutdown()),
            lame_duck: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_advertised_address_is_a_host_and_a_port() {
        let parse = |text: &str| text.parse::<Advertised>();
        assert_eq!(parse("broker-1:9092"), Ok(Advertised { host: "broker-1".into(), port: 9092 }));
        for odd in ["", "broker-1", ":9092", "broker-1:", "broker-1:x", "broker-1:70000"] {
            assert!(parse(odd).is_err_and(|why| why.contains("localhost:9092")), "{odd}");
        }
    }
}
