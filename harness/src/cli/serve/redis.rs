//! `squall serve redis`

use super::Where;
use super::tls::Tls;
use crate::serve::ServeError;
use crate::serve::redis::Redis;
use squall_sim::servers::redis::{ClusterMode, OutputLimit, RedisDisk, ServerConfig, User};

/// Redis: publish and subscribe and a small keyspace, as redis-server 7.0 serves them.
///
/// The keys are in memory and outlive SIGHUP.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) place: Where,
    #[command(flatten)]
    tls: Tls,
    /// A user beside `default`
    #[arg(long, value_name = "NAME", requires = "password")]
    user: Option<String>,
    /// That user's password; without --user the one of `default`
    #[arg(long, value_name = "PASSWORD")]
    password: Option<String>,
    /// Be the only node of a cluster
    #[arg(long)]
    cluster: bool,
    /// Connections at one time
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    max_clients: usize,
    /// Bytes that may wait for a subscriber before it is cut; 0 is no limit
    #[arg(long, value_name = "BYTES", default_value_t = 32 << 20)]
    pubsub_output_limit: usize,
    /// Bytes of one argument of a command
    #[arg(long, value_name = "BYTES", default_value_t = 512 << 20)]
    max_bulk: usize,
}

impl Args {
    pub(super) fn service(&self) -> Result<Redis, ServeError> {
        let tls = self.tls.authority()?.map(|(authority, names)| authority.issue(&names));
        let mut config = ServerConfig { tls, ..ServerConfig::default() };
        match (&self.user, &self.password) {
            (Some(name), Some(password)) => {
                config.users.push(User { name: name.clone(), password: password.clone() });
            }
            (_, password) => config.password.clone_from(password),
        }
        if self.cluster {
            config.cluster = ClusterMode::SingleNode;
        }
        config.limits.max_clients = self.max_clients;
        config.limits.max_bulk = self.max_bulk;
        let usual = config.limits.pubsub_output;
        let soft = usual.soft.min(self.pubsub_output_limit);
        config.limits.pubsub_output = OutputLimit { hard: self.pubsub_output_limit, soft, ..usual };
        Ok(Redis { config, disk: RedisDisk::default() })
    }
}
