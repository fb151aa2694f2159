//! A client that is only a socket.

use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Real time after which nothing more is expected.
const PATIENCE: Duration = Duration::from_secs(8);
/// Real time in which what was sent already arrives.
const QUIET: Duration = Duration::from_millis(300);

/// A connection that speaks in lines.
pub(crate) struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What a reader meets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A line without its end.
    Line(String),
    /// The other side closed or reset the connection.
    End,
    /// Nothing for a long time.
    Silence,
}

impl Raw {
    pub(crate) async fn connect(port: u16) -> io::Result<Self> {
        Ok(Self { stream: TcpStream::connect(("127.0.0.1", port)).await?, buffer: Vec::new() })
    }

    /// Sends bytes; that the other side is gone is heard, not seen here.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _heard_later = self.stream.write_all(bytes.as_ref()).await;
    }

    /// The next line.
    pub(crate) async fn hear(&mut self) -> Heard {
        self.hear_within(PATIENCE).await
    }

    async fn hear_within(&mut self, patience: Duration) -> Heard {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Heard::Line(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned());
            }
            match tokio::time::timeout(patience, self.stream.read_buf(&mut self.buffer)).await {
                Err(_) => return Heard::Silence,
                Ok(Ok(0) | Err(_)) => return Heard::End,
                Ok(Ok(_)) => {}
            }
        }
    }

    /// The next line.
    ///
    /// # Errors
    /// There is none.
    pub(crate) async fn line(&mut self) -> Result<String, String> {
        match self.hear().await {
            Heard::Line(line) => Ok(line),
            other => Err(format!("a line was expected, and there was {other:?}")),
        }
    }

    /// Lines until nothing comes for a moment, or the end, which is the last entry then.
    pub(crate) async fn lines(&mut self) -> Vec<String> {
        self.collect(QUIET).await
    }

    /// Lines until the end, however long that takes within reason.
    pub(crate) async fn lines_to_the_end(&mut self) -> Vec<String> {
        self.collect(PATIENCE).await
    }

    async fn collect(&mut self, patience: Duration) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.hear_within(patience).await {
                Heard::Line(line) => lines.push(line),
                Heard::End => {
                    lines.push("(closed)".to_owned());
                    return lines;
                }
                Heard::Silence => return lines,
            }
        }
    }

    /// Reads and forgets everything; whether there was an end.
    pub(crate) async fn drain(&mut self) -> Heard {
        loop {
            self.buffer.clear();
            match tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await {
                Err(_) => return Heard::Silence,
                Ok(Ok(0) | Err(_)) => return Heard::End,
                Ok(Ok(_)) => {}
            }
        }
    }
}
