//! A served server, clients of it, and patience.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event};
use futures_util::StreamExt;
use squall_sim::servers::nats::{NatsServer, ServerConfig};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough for what must not arrive to have arrived.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("too late: {what}"),
    }
}

pub(crate) struct Served {
    pub(crate) server: NatsServer,
    pub(crate) address: SocketAddr,
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

impl Served {
    pub(crate) async fn on(address: SocketAddr, config: ServerConfig) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = NatsServer::new(config, 7);
        let handle = server.clone();
        let task = tokio::spawn(async move { handle.serve(listener).await });
        Self { server, address, task }
    }

    pub(crate) async fn new(config: ServerConfig) -> Self {
        Self::on(SocketAddr::from(([127, 0, 0, 1], 0)), config).await
    }

    pub(crate) async fn client(&self) -> Client {
        self.client_with(ConnectOptions::new()).await
    }

    pub(crate) async fn client_with(&self, options: ConnectOptions) -> Client {
        soon("connect", options.connect(self.address.to_string())).await.unwrap()
    }

    pub(crate) async fn raw(&self) -> BufReader<TcpStream> {
        BufReader::new(soon("raw connect", TcpStream::connect(self.address)).await.unwrap())
    }

    pub(crate) async fn ended(self) {
        soon("the end of the server", self.task).await.unwrap().unwrap();
    }
}

pub(crate) async fn plain() -> Served {
    Served::new(ServerConfig::default()).await
}

/// Options whose events arrive in the channel.
pub(crate) fn with_events(options: ConnectOptions) -> (ConnectOptions, mpsc::UnboundedReceiver<Event>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let options = options.event_callback(move |event| {
        let _ = sender.send(event);
        async {}
    });
    (options, receiver)
}

pub(crate) async fn event(events: &mut mpsc::UnboundedReceiver<Event>, wanted: &str) {
    soon(wanted, async { while events.recv().await.expect("events go on").to_string() != wanted {} }).await;
}

/// Waits until the server has seen everything the client sent.
pub(crate) async fn settled(client: &Client) {
    // A flush of the client ends when its bytes are in the socket; an answer proves that they were read.
    let inbox = client.new_inbox();
    let mut answer = client.subscribe(inbox.clone()).await.unwrap();
    client.publish(inbox, "".into()).await.unwrap();
    soon("answer", answer.next()).await.unwrap();
}

pub(crate) async fn texts(subscriber: &mut async_nats::Subscriber, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    while texts.len() < count {
        let message = soon("message", subscriber.next()).await.expect("subscription goes on");
        texts.push(String::from_utf8(message.payload.to_vec()).unwrap());
    }
    texts
}

pub(crate) async fn assert_quiet(subscriber: &mut async_nats::Subscriber) {
    let message = tokio::time::timeout(QUIET, subscriber.next()).await;
    assert!(message.is_err(), "{message:?}");
}

pub(crate) async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    soon("line", stream.read_line(&mut line)).await.unwrap();
    line
}

/// Everything until the server closes.
pub(crate) async fn rest(stream: &mut BufReader<TcpStream>) -> String {
    let mut rest = Vec::new();
    soon("end of stream", stream.read_to_end(&mut rest)).await.unwrap();
    String::from_utf8_lossy(&rest).into_owned()
}
