//! A deterministic world in which unmodified tokio applications live.
//!
//! All hosts of a world run on one paused tokio runtime. Their sockets, clocks and randomness come from
//! the world, so a run is a pure function of its seed; faults are data that the world applies.
//!
//! ```
//! use squall_sim::{HostSpec, WorldConfig, run};
//! use std::sync::Arc;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::{TcpListener, TcpStream};
//!
//! let server = HostSpec {
//!     name: "server".into(),
//!     wall_offset_ns: 0,
//!     program: Arc::new(|_boot| Box::pin(async {
//!         let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
//!         let (mut stream, _) = listener.accept().await.unwrap();
//!         stream.write_all(b"hello").await.unwrap();
//!     })),
//! };
//! let idle = HostSpec { name: "client".into(), wall_offset_ns: 0, program: Arc::new(|_| Box::pin(std::future::pending())) };
//! let finished = run(WorldConfig::new(7), vec![server, idle], |world| async move {
//!     let client = world.host("client").unwrap();
//!     let greeting = world.spawn(client, async {
//!         let mut text = String::new();
//!         let mut stream = TcpStream::connect("server:80").await.unwrap();
//!         stream.read_to_string(&mut text).await.unwrap();
//!         text
//!     });
//!     greeting.unwrap().await.unwrap()
//! });
//! assert_eq!(finished.result, "hello");
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`world`] | hosts, incarnations, running a world, applying faults |
//! | [`fault`] | every fault as data |
//! | [`net`] | links, TCP and UDP |
//! | [`record`] | digest and trace |
//! | [`servers`] | what lives beside the nodes and speaks a real protocol |
//! | [`entropy`] | one random stream per subsystem |

mod engine;
pub mod entropy;
pub mod fault;
mod hashers;
pub mod net;
pub mod record;
pub mod servers;
pub mod world;

pub use hashers::settle_hash_keys;
pub use net::{HostCosts, HostId, Latency, NetworkProfile};
pub use record::{Keep, Recording};
pub use world::{Boot, HostSpec, Program, World, WorldConfig, current_host, note, now_ns, run};

/// A lost `[patch.crates-io]` would give third-party crates the real tokio and its real network. The
/// types then differ, and this does not compile: build from this workspace, or repeat its `[patch]`.
const _: fn(tokio::net::TcpListener) = |listener| {
    let _patched = tokio_stream::wrappers::TcpListenerStream::new(listener);
};
