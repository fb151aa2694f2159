//! The workload that every engine carries: one broker, N nodes, each message to all but its sender.
//!
//! | file | what |
//! |---|---|
//! | `mod.rs` | the workload, over whatever sockets an engine has |
//! | `over_squall.rs` | on squall-sim |
//! | `over_turmoil.rs` | on turmoil |
//! | `over_turmoil_net.rs` | on turmoil-net, with the scheduler it needs |

pub(crate) mod over_squall;
pub(crate) mod over_turmoil;
pub(crate) mod over_turmoil_net;

use std::future::{Future, pending};
use std::io;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Simulated time of one run.
pub(crate) const RUN: Duration = Duration::from_secs(30);
/// One-way latency of a packet is drawn evenly between these two.
pub(crate) const LATENCY_MIN: Duration = Duration::from_millis(1);
/// See [`LATENCY_MIN`].
pub(crate) const LATENCY_MAX: Duration = Duration::from_millis(5);

/// Messages that each node sends to all others, one every five seconds.
const MESSAGES: u64 = 6;
/// Messages that each node sends to the broker alone, one a second.
const PINGS: u64 = 29;
/// Bytes of a message.
const MESSAGE_BYTES: usize = 64;

type Message = [u8; MESSAGE_BYTES];

const SUBSCRIBE: u8 = b'S';
const PUBLISH: u8 = b'M';
const PING: u8 = b'P';

/// What an engine offers in the place of `tokio::net` and `tokio::spawn`.
pub(crate) trait Sockets: Send + 'static {
    type Listener: Send;
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    fn listen(addr: &'static str) -> impl Future<Output = io::Result<Self::Listener>> + Send;
    fn accept(listener: &Self::Listener) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    fn connect(addr: &'static str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
    /// Starts a task on the host of the running one.
    fn spawn(work: impl Future<Output = ()> + Send + 'static);
}

/// The address of a node; the broker has 10.0.0.1, the nodes follow.
pub(crate) fn address(node: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(BROKER.to_bits() + 1 + u32::from(node))
}

/// The broker's address.
pub(crate) const BROKER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const LISTEN: &str = "0.0.0.0:9000";
const CONNECT: &str = "10.0.0.1:9000";

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    deliveries: AtomicU64,
    published: AtomicU64,
    pings: AtomicU64,
    errors: AtomicU64,
}

impl Tally {
    /// The tally as it crosses the pipe.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let counts = [&self.deliveries, &self.published, &self.pings, &self.errors];
        counts.map(|count| count.load(Relaxed).to_string()).join(" ").into_bytes()
    }

    /// What [`Tally::encode`] gives when all the work was done and nothing failed.
    pub(crate) fn expected(nodes: u16) -> Vec<u8> {
        let n = u64::from(nodes);
        let published = n * MESSAGES;
        let complete = Self {
            deliveries: deliveries(nodes).into(),
            published: published.into(),
            pings: (n * PINGS).into(),
            errors: 0.into(),
        };
        complete.encode()
    }

    fn failed(&self) {
        self.errors.fetch_add(1, Relaxed);
    }
}

/// Messages that arrive at nodes in a complete run.
pub(crate) fn deliveries(nodes: u16) -> u64 {
    MESSAGES * u64::from(nodes) * u64::from(nodes - 1)
}

/// Spares a peer the real clock. It reads it often, and in this process each read is a system call, because the symbol
/// is replaced for squall-sim: a fifth of turmoil's time. The simulated clock costs nothing and moves with every read.
pub(crate) fn spare_the_clock() {
    squall_interpose::clock::start(1_750_000_000_000);
}

/// Who wants what others publish: the number of their connection, and their messages.
type Subscribers = Arc<Mutex<Vec<(u64, mpsc::UnboundedSender<Message>)>>>;

/// Passes every message on to all subscribers but its sender.
pub(crate) async fn broker<S: Sockets>(tally: Arc<Tally>) {
    let Ok(listener) = S::listen(LISTEN).await else { return tally.failed() };
    let subscribers = Subscribers::default();
    for number in 0.. {
        let Ok(stream) = S::accept(&listener).await else { return tally.failed() };
        S::spawn(client::<S>(number, stream, Arc::clone(&subscribers), Arc::clone(&tally)));
    }
}

/// The broker's side of one connection.
async fn client<S: Sockets>(number: u64, stream: S::Stream, subscribers: Subscribers, tally: Arc<Tally>) {
    let (mut reader, writer) = tokio::io::split(stream);
    let mut writer = Some(writer);
    let mut message: Message = [0; MESSAGE_BYTES];
    while reader.read_exact(&mut message).await.is_ok() {
        let mut subscribers = subscribers.lock().unwrap_or_else(PoisonError::into_inner);
        match message[0] {
            SUBSCRIBE => {
                let Some(writer) = writer.take() else { return tally.failed() };
                let (sender, receiver) = mpsc::unbounded_channel();
                subscribers.push((number, sender));
                S::spawn(deliver::<S>(writer, receiver, Arc::clone(&tally)));
            }
            PUBLISH => {
                tally.published.fetch_add(1, Relaxed);
                for (_, subscriber) in subscribers.iter().filter(|(other, _)| *other != number) {
                    if subscriber.send(message).is_err() {
                        tally.failed();
                    }
                }
            }
            _ => {
                tally.pings.fetch_add(1, Relaxed);
            }
        }
    }
    tally.failed();
}

/// Writes to one subscriber what it is due.
async fn deliver<S: Sockets>(
    mut writer: WriteHalf<S::Stream>,
    mut messages: mpsc::UnboundedReceiver<Message>,
    tally: Arc<Tally>,
) {
    while let Some(message) = messages.recv().await {
        if writer.write_all(&message).await.is_err() {
            return tally.failed();
        }
    }
}

/// Subscribes, publishes and counts what arrives. `node` counts from 0.
pub(crate) async fn node<S: Sockets>(node: u16, nodes: u16, tally: Arc<Tally>) {
    let began = Instant::now();
    let at = |ms: u64| began + Duration::from_millis(ms);
    // Nodes do everything at different times, spread over so many milliseconds.
    let share = |of_ms: u64| of_ms * u64::from(node) / u64::from(nodes);
    sleep_until(at(5 + share(300))).await;
    let Ok(stream) = S::connect(CONNECT).await else { return tally.failed() };
    let (reader, mut writer) = tokio::io::split(stream);
    S::spawn(count::<S>(reader, Arc::clone(&tally)));
    let publications = (0..MESSAGES).map(|k| (500 + share(4_000) + 5_000 * k, PUBLISH));
    let pings = (0..PINGS).map(|k| (500 + share(1_000) + 1_000 * k, PING));
    let mut due: Vec<(u64, u8)> = publications.chain(pings).chain([(0, SUBSCRIBE)]).collect();
    due.sort_unstable();
    for (at_ms, kind) in due {
        sleep_until(at(at_ms)).await;
        let mut message: Message = [0; MESSAGE_BYTES];
        message[0] = kind;
        if writer.write_all(&message).await.is_err() {
            return tally.failed();
        }
    }
    // The connection stays open to the end.
    pending().await
}

async fn count<S: Sockets>(mut reader: ReadHalf<S::Stream>, tally: Arc<Tally>) {
    let mut message: Message = [0; MESSAGE_BYTES];
    while reader.read_exact(&mut message).await.is_ok() {
        tally.deliveries.fetch_add(1, Relaxed);
    }
    tally.failed();
}
