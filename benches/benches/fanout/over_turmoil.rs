//! On turmoil, which steps every host and every link once a simulated millisecond.

use super::{BROKER, LATENCY_MAX, LATENCY_MIN, RUN, Sockets, Tally, address, broker, node, spare_the_clock};
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use turmoil::net::{TcpListener, TcpStream};

struct Turmoil;

impl Sockets for Turmoil {
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

/// Segments that a connection holds; more than a run has in flight, since a full one is an error there.
const CAPACITY: usize = 1 << 16;

/// Runs the workload.
pub(crate) fn work(nodes: u16) -> Arc<Tally> {
    spare_the_clock();
    let tally = Arc::new(Tally::default());
    let mut sim = turmoil::Builder::new()
        .simulation_duration(2 * RUN)
        .min_message_latency(LATENCY_MIN)
        .max_message_latency(LATENCY_MAX)
        .tcp_capacity(CAPACITY)
        .rng_seed(1)
        .build();
    let of_broker = Arc::clone(&tally);
    sim.host(IpAddr::V4(BROKER), move || {
        let tally = Arc::clone(&of_broker);
        async move {
            broker::<Turmoil>(tally).await;
            Ok(())
        }
    });
    for index in 0..nodes {
        let of_node = Arc::clone(&tally);
        sim.host(IpAddr::V4(address(index)), move || {
            let tally = Arc::clone(&of_node);
            async move {
                node::<Turmoil>(index, nodes, tally).await;
                Ok(())
            }
        });
    }
    while sim.elapsed() < RUN {
        sim.step().expect("a host returns only `Ok`");
    }
    // The process ends here; what taking thousands of hosts apart costs is not measured.
    std::mem::forget(sim);
    tally
}
