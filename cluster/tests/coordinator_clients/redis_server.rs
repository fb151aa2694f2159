//! As much of a Redis server as the adapter talks to, with a switch for what it fails to do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinSet;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    #[default]
    Fine,
    /// Reads everything, answers nothing.
    Silent,
    /// Goes silent on the connection that a message comes from.
    StallsAtMessages,
    /// Says no to each message.
    RefusesMessages,
}

#[derive(Clone, Default)]
pub(crate) struct Server(Arc<Mutex<State>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Plain,
    Subscribed,
    /// Nothing is answered any more.
    Stalled,
}

#[derive(Default)]
struct State {
    mood: Mood,
    connections: JoinSet<()>,
    accepted: usize,
    subscribers: Vec<UnboundedSender<Vec<u8>>>,
}

impl Server {
    pub(crate) async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Self::default();
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut state = accepting.state();
                state.accepted += 1;
                state.connections.spawn(accepting.clone().serve(stream));
            }
        });
        (server, address)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.state().mood = mood;
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state().accepted
    }

    pub(crate) fn close_all_connections(&self) {
        self.state().connections.abort_all();
    }

    async fn serve(self, stream: TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut reader = BufReader::new(reader);
        let (tell, mut told) = unbounded_channel::<Vec<u8>>();
        let mut connection = Connection::Plain;
        loop {
            tokio::select! {
                command = command(&mut reader) => {
                    let Some(command) = command else { return };
                    let answer = self.answer(&command, &tell, &mut connection);
                    if writer.write_all(&answer).await.is_err() {
                        return;
                    }
                }
                Some(message) = told.recv() => {
                    if writer.write_all(&message).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    fn answer(&self, command: &[Vec<u8>], tell: &UnboundedSender<Vec<u8>>, connection: &mut Connection) -> Vec<u8> {
        let mut state = self.state();
        let name = command[0].to_ascii_uppercase();
        match (state.mood, &name[..]) {
            (Mood::Silent, _) => Vec::new(),
            _ if *connection == Connection::Stalled => Vec::new(),
            (Mood::StallsAtMessages, b"PUBLISH") => {
                *connection = Connection::Stalled;
                Vec::new()
            }
            (Mood::RefusesMessages, b"PUBLISH") => b"-NOPERM no permissions to access a channel\r\n".to_vec(),
            (_, b"SUBSCRIBE") => {
                *connection = Connection::Subscribed;
                state.subscribers.push(tell.clone());
                array(&[b"subscribe", &command[1]], b":1\r\n")
            }
            (_, b"PUBLISH") => {
                let message = array(&[b"message", &command[1], &command[2]], b"");
                state.subscribers.retain(|subscriber| subscriber.send(message.clone()).is_ok());
                format!(":{}\r\n", state.subscribers.len()).into_bytes()
            }
            (_, b"PING") if *connection == Connection::Subscribed => array(&[b"pong", b""], b""),
            (_, b"PING") => b"+PONG\r\n".to_vec(),
            _ => b"+OK\r\n".to_vec(),
        }
    }
}

/// An array of texts and one more element that is encoded already.
fn array(texts: &[&[u8]], last: &[u8]) -> Vec<u8> {
    let length = texts.len() + usize::from(!last.is_empty());
    let mut out = format!("*{length}\r\n").into_bytes();
    for text in texts {
        out.extend(format!("${}\r\n", text.len()).bytes());
        out.extend_from_slice(text);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(last);
    out
}

/// Reads one command. Not cancelled while it is read: the rest arrives with its beginning.
async fn command(reader: &mut BufReader<OwnedReadHalf>) -> Option<Vec<Vec<u8>>> {
    let parts = number(reader, b'*').await?;
    let mut command = Vec::new();
    for _ in 0..parts {
        let length = number(reader, b'$').await?;
        let mut part = vec![0; length + 2];
        reader.read_exact(&mut part).await.ok()?;
        part.truncate(length);
        command.push(part);
    }
    Some(command)
}

async fn number(reader: &mut BufReader<OwnedReadHalf>, mark: u8) -> Option<usize> {
    let mut line = Vec::new();
    reader.read_until(b'\n', &mut line).await.ok()?;
    let digits = line.strip_prefix(&[mark])?.strip_suffix(b"\r\n")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
