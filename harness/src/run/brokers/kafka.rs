//! Kafka brokers. Their logs outlive their processes.

use super::slot::Slot;
use super::{Broker, program, serve};
use squall_sim::servers::kafka::{BrokerAddress, BrokerId, ClusterConfig, KafkaBroker, KafkaCluster};

const PORT: u16 = 9092;

/// A cluster with a broker for each name.
pub(super) fn brokers(names: &[String], seed: u64) -> Vec<Broker> {
    let addresses = || (1..).map(BrokerId).zip(names);
    let address = |(id, host): (BrokerId, &String)| BrokerAddress { id, host: host.clone(), port: PORT };
    let config = ClusterConfig::new(addresses().map(address).collect(), super::super::cluster::wall_clock_ms);
    let cluster = KafkaCluster::new(config, seed);
    addresses().map(|(id, name)| broker(id, name, &cluster)).collect()
}

fn broker(id: BrokerId, name: &str, cluster: &KafkaCluster) -> Broker {
    let slot = Slot::<KafkaBroker>::default();
    let cluster = cluster.clone();
    let running = slot.clone();
    let program = program(move |_boot| {
        let broker = cluster.broker(id);
        slot.set(broker.clone());
        async move { serve(PORT, |listener| async move { broker.serve(listener).await }).await }
    });
    let farewell = Box::new(move || {
        let broker = running.get()?;
        let clients = broker.stats().connections as u64;
        broker.shutdown();
        Some(clients)
    });
    Broker { name: name.to_owned(), program, farewell }
}
