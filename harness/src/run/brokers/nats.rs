//! NATS servers, which form a cluster when there are several.

use super::slot::Slot;
use super::{Broker, program, serve};
use squall_cluster::config::NatsConfig;
use squall_sim::servers::nats::{Authorization, ClusterConfig, NatsServer, ServerConfig, TlsMode, User};
use squall_sim::servers::tls::Authority;

const PORT: u16 = 4222;
const ROUTE_PORT: u16 = 6222;

/// Servers that let in whoever has the nodes' credentials.
pub(super) fn brokers(config: &NatsConfig, names: &[String], seed: u64, authority: Option<&Authority>) -> Vec<Broker> {
    let routes: Vec<String> = names.iter().map(|name| format!("{name}:{ROUTE_PORT}")).collect();
    let cluster = (names.len() > 1).then(|| ClusterConfig::new("squall", routes));
    let settings = |name: &String| ServerConfig {
        server_name: Some(name.clone()),
        connect_urls: cluster.iter().map(|_| format!("{name}:{PORT}")).collect(),
        cluster: cluster.clone(),
        authorization: authorization(config),
        tls: authority.map(|authority| TlsMode::Required(authority.issue(&[name]))),
        ..ServerConfig::default()
    };
    let seeds = (0..).map(|number| seed.wrapping_add(number));
    names.iter().zip(seeds).map(|(name, seed)| broker(name, settings(name), seed)).collect()
}

fn authorization(config: &NatsConfig) -> Authorization {
    let Some(login) = &config.login else { return Authorization::Open };
    Authorization::Users(vec![User { name: login.user.clone(), password: login.password.clone() }])
}

fn broker(name: &str, settings: ServerConfig, seed: u64) -> Broker {
    let slot = Slot::<NatsServer>::default();
    let running = slot.clone();
    let program = program(move |boot| {
        let server = NatsServer::new(settings.clone(), seed ^ u64::from(boot.incarnation));
        slot.set(server.clone());
        let clustered = settings.cluster.is_some();
        async move {
            let (to_clients, to_servers) = (server.clone(), server);
            let clients = serve(PORT, |listener| async move { to_clients.serve(listener).await });
            if clustered {
                let routes = serve(ROUTE_PORT, |listener| async move { to_servers.serve_routes(listener).await });
                tokio::join!(clients, routes);
            } else {
                clients.await;
            }
        }
    });
    let farewell = Box::new(move || {
        let server = running.get()?;
        let clients = server.stats().connections as u64;
        server.lame_duck();
        Some(clients)
    });
    Broker { name: name.to_owned(), program, farewell }
}
