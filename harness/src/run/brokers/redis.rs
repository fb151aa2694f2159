//! A Redis server.

use super::slot::Slot;
use super::{Broker, program, serve};
use squall_cluster::config::{RedisConfig, RedisKind};
use squall_sim::servers::redis::{ClusterMode, RedisServer, ServerConfig, User};
use squall_sim::servers::tls::Authority;

const PORT: u16 = 6379;

/// A server for each name, which lets in whoever has the nodes' credentials.
pub(super) fn brokers(config: &RedisConfig, names: &[String], seed: u64, authority: Option<&Authority>) -> Vec<Broker> {
    names.iter().map(|name| broker(name, &settings(config, name, authority), seed)).collect()
}

/// Whether the nodes expect TLS.
pub(super) fn wants_tls(config: &RedisConfig) -> bool {
    config.urls.iter().any(|url| url.starts_with("rediss://"))
}

fn settings(config: &RedisConfig, name: &str, authority: Option<&Authority>) -> ServerConfig {
    let tls = authority.map(|authority| authority.issue(&[name]));
    let settings = ServerConfig { tls, ..ServerConfig::default() };
    let (user, password, cluster) = match &config.kind {
        RedisKind::Single => {
            let (user, password) = config.urls.first().map(|url| login(url)).unwrap_or_default();
            (user, password, ClusterMode::Disabled)
        }
        RedisKind::Cluster(cluster) => (cluster.user.clone(), cluster.password.clone(), ClusterMode::SingleNode),
    };
    match (user, password) {
        (Some(name), Some(password)) => ServerConfig { users: vec![User { name, password }], cluster, ..settings },
        (None, password) => ServerConfig { password, cluster, ..settings },
        (Some(_), None) => ServerConfig { cluster, ..settings },
    }
}

/// User and password of a URL, as they are written there.
fn login(url: &str) -> (Option<String>, Option<String>) {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let Some((login, _)) = after_scheme.rsplit_once('@') else { return (None, None) };
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (some(user), some(password))
}

fn broker(name: &str, settings: &ServerConfig, seed: u64) -> Broker {
    let slot = Slot::<RedisServer>::default();
    let settings = settings.clone();
    let running = slot.clone();
    let program = program(move |boot| {
        let server = RedisServer::new(settings.clone(), seed ^ u64::from(boot.incarnation));
        slot.set(server.clone());
        async move { serve(PORT, |listener| async move { server.serve(listener).await }).await }
    });
    let farewell = Box::new(move || {
        let server = running.get()?;
        let clients = server.stats().connections as u64;
        server.shutdown();
        Some(clients)
    });
    Broker { name: name.to_owned(), program, farewell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_what_stands_before_the_host() {
        let login = |url| {
            let (user, password) = login(url);
            (user.unwrap_or_default(), password.unwrap_or_default())
        };
        assert_eq!(login("redis://redis1:6379"), (String::new(), String::new()));
        assert_eq!(login("redis://:secret@redis1:6379/1"), (String::new(), "secret".to_owned()));
        assert_eq!(login("rediss://ann:secret@redis1"), ("ann".to_owned(), "secret".to_owned()));
    }
}
