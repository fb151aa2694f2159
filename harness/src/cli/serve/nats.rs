//! `squall serve nats`

use super::Where;
use super::tls::Tls;
use crate::serve::nats::Nats;
use crate::serve::{Address, ServeError};
use squall_sim::servers::nats::{Authorization, ClusterConfig, ServerConfig, TlsMode, User};
use std::time::Duration;

/// NATS: core NATS as nats-server 2.10 speaks it.
///
/// SIGUSR2 is lame duck mode.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) place: Where,
    #[command(flatten)]
    tls: Tls,
    /// The one user who may connect [default: everybody may]
    #[arg(long, value_name = "NAME", requires = "password")]
    user: Option<String>,
    /// That user's password
    #[arg(long, value_name = "PASSWORD", requires = "user")]
    password: Option<String>,
    /// A token that clients must know
    #[arg(long, value_name = "TOKEN", conflicts_with = "user")]
    token: Option<String>,
    /// Name that the server tells its clients [default: its id]
    #[arg(long, value_name = "NAME")]
    server_name: Option<String>,
    /// A further address that the server tells its clients; may be repeated
    #[arg(long, value_name = "HOST:PORT")]
    advertise: Vec<String>,
    /// Where other servers of the cluster reach this one
    #[arg(long, value_name = "ADDRESS:PORT")]
    cluster: Option<String>,
    /// Name of the cluster
    #[arg(long, value_name = "NAME", default_value = "squall", requires = "cluster")]
    cluster_name: String,
    /// Where another server of the cluster listens for routes; may be repeated
    #[arg(long, value_name = "HOST:PORT", requires = "cluster")]
    route: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    timing: TimingArgs,
}

/// Sizes and counts.
#[derive(Debug, clap::Args)]
struct LimitArgs {
    /// Bytes of headers and payload in one message
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_payload: usize,
    /// Bytes that may wait for a client before it is cut as a slow consumer
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_pending: usize,
    /// Connections at one time
    #[arg(long, value_name = "N", default_value_t = 1 << 16)]
    max_connections: usize,
}

/// Intervals and deadlines.
#[derive(Debug, clap::Args)]
struct TimingArgs {
    /// Seconds between two pings to a silent client
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    ping_interval: u64,
    /// Seconds that a client may take to authenticate
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    auth_timeout: u64,
    /// Seconds that one write to a client may take
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    write_deadline: u64,
    /// Seconds in lame duck mode before the first client is closed
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=86_400))]
    lame_duck_grace: u64,
    /// Seconds in lame duck mode before the last client is closed
    #[arg(long, value_name = "S", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    lame_duck_duration: u64,
}

impl Args {
    pub(super) fn service(&self) -> Result<Nats, ServeError> {
        let tls = self.tls.authority()?.map(|(authority, names)| TlsMode::Required(authority.issue(&names)));
        let mut config = ServerConfig {
            server_name: self.server_name.clone(),
            connect_urls: self.advertise.clone(),
            authorization: self.authorization(),
            tls,
            ..ServerConfig::default()
        };
        config.limits.max_payload = self.limits.max_payload;
        config.limits.max_pending = self.limits.max_pending;
        config.limits.max_connections = self.limits.max_connections;
        config.timing.ping_interval = Duration::from_secs(self.timing.ping_interval);
        config.timing.auth_timeout = Duration::from_secs(self.timing.auth_timeout);
        config.timing.write_deadline = Duration::from_secs(self.timing.write_deadline);
        config.timing.lame_duck_grace = Duration::from_secs(self.timing.lame_duck_grace);
        config.timing.lame_duck_duration = Duration::from_secs(self.timing.lame_duck_duration);
        let routes = self.routes()?;
        if routes.is_some() {
            config.cluster = Some(ClusterConfig::new(self.cluster_name.clone(), self.route.clone()));
        }
        Ok(Nats { config, routes })
    }

    fn routes(&self) -> Result<Option<Address>, ServeError> {
        self.cluster.as_ref().map(|text| self.place.parse(text)).transpose()
    }

    fn authorization(&self) -> Authorization {
        match (&self.token, &self.user, &self.password) {
            (Some(token), ..) => Authorization::Token(token.clone()),
            (None, Some(name), Some(password)) => {
                Authorization::Users(vec![User { name: name.clone(), password: password.clone() }])
            }
            _ => Authorization::Open,
        }
    }
}
