//! `squall serve kafka`

use super::Where;
use crate::serve::ServeError;
use crate::serve::kafka::{Advertised, Kafka};
use clap::value_parser;
use squall_sim::servers::kafka::AutoCreate;
use std::time::Duration;

/// Kafka: one broker, with what clients without groups and transactions need of Apache Kafka 4.
///
/// The logs are in memory and outlive SIGHUP.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) place: Where,
    /// Address that clients are told to connect to [default: the one it listens on]
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Option<Advertised>,
    /// Partitions of a topic whose creation does not say
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(i32).range(1..=10_000))]
    partitions: i32,
    /// Leave topics unknown that a client asks for and nobody created
    #[arg(long)]
    no_auto_create: bool,
    /// Bytes of one record batch
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_588)]
    max_message_bytes: usize,
    /// Milliseconds after which a broker that was killed is let back in
    #[arg(long, value_name = "MS", default_value_t = 9_000, value_parser = value_parser!(u64).range(10..=600_000))]
    session_timeout: u64,
}

impl Args {
    pub(super) fn service(&self) -> Result<Kafka, ServeError> {
        let mut kafka = Kafka::new(self.advertise.clone());
        kafka.topics.partitions = self.partitions;
        kafka.topics.max_message_bytes = self.max_message_bytes;
        if self.no_auto_create {
            kafka.set_auto_create(AutoCreate::Disabled);
        }
        kafka.session_timeout = Duration::from_millis(self.session_timeout);
        Ok(kafka)
    }
}
