//! On squall-sim, through plain `tokio::net`. It digests every packet as it does in a run.

use super::{LATENCY_MAX, LATENCY_MIN, RUN, Sockets, Tally, broker, node};
use squall_sim::{Boot, HostSpec, Latency, Program, WorldConfig, run};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

struct Squall;

impl Sockets for Squall {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen(addr: &'static str) -> io::Result<TcpListener> {
        TcpListener::bind(addr).await
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        listener.accept().await.map(|(stream, _)| stream)
    }

    async fn connect(addr: &'static str) -> io::Result<TcpStream> {
        TcpStream::connect(addr).await
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(work);
    }
}

fn host<F>(name: String, program: impl Fn() -> F + Send + Sync + 'static) -> HostSpec
where
    F: Future<Output = ()> + Send + 'static,
{
    let program: Program = Arc::new(move |_: Boot| Box::pin(program()));
    HostSpec { name, program, wall_offset_ns: 0 }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Runs the workload.
pub(crate) fn work(nodes: u16) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let of_broker = Arc::clone(&tally);
    let mut hosts = vec![host("broker".to_owned(), move || broker::<Squall>(Arc::clone(&of_broker)))];
    for index in 0..nodes {
        let of_node = Arc::clone(&tally);
        hosts.push(host(format!("node-{index}"), move || node::<Squall>(index, nodes, Arc::clone(&of_node))));
    }
    let mut config = WorldConfig::new(1);
    let (min_ns, max_ns) = (ns(LATENCY_MIN), ns(LATENCY_MAX));
    let width_ns = max_ns - min_ns;
    // These quantiles lie on a straight line.
    config.network.latency =
        Latency { min_ns, median_ns: min_ns + width_ns / 2, p99_ns: min_ns + width_ns * 99 / 100, max_ns };
    config.network.nic_bytes_per_s = None;
    run(config, hosts, |_| tokio::time::sleep(RUN));
    tally
}
