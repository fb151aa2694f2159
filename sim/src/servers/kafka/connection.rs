//! The asynchronous shell: one task per connection, which reads a request, waits, and answers.
//!
//! As in Kafka the next request of a connection is read only when the one before is answered, so that
//! answers come in order.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{error::Elapsed, sleep_until, timeout};

use super::broker::Step;
use super::wire::WireError;
use super::{Bell, KafkaBroker, Superseded};

/// Why a connection ends before its client ends it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("nothing moved for too long: {0}")]
    Idle(#[from] Elapsed),
    #[error("a frame of {0} bytes is not taken: send smaller requests")]
    FrameSize(i32),
    #[error("the other side closed in the midst of a frame")]
    Unfinished,
    #[error("closed in place of an answer, which the client did not want")]
    Unanswered,
    #[error(transparent)]
    Superseded(#[from] Superseded),
}

/// A stream of frames, each after its length.
#[derive(Debug)]
pub(super) struct Frames {
    stream: TcpStream,
    buffer: BytesMut,
    max: usize,
}

impl Frames {
    pub(super) fn new(stream: TcpStream, max: usize) -> io::Result<Self> {
        // Without it an answer could wait for the acknowledgement of the one before.
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::new(), max })
    }

    /// The next frame without its length; `None` when the other side has closed.
    pub(super) async fn read(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            if let Some(head) = self.buffer.first_chunk::<4>() {
                let length = i32::from_be_bytes(*head);
                let size = usize::try_from(length).ok().filter(|size| *size <= self.max);
                let size = size.ok_or(Broken::FrameSize(length))?;
                if self.buffer.len() >= 4 + size {
                    self.buffer.advance(4);
                    return Ok(Some(self.buffer.split_to(size).freeze()));
                }
                self.buffer.reserve(4 + size - self.buffer.len());
            } else {
                self.buffer.reserve(1024);
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() { Ok(None) } else { Err(Broken::Unfinished) };
            }
        }
    }

    pub(super) async fn write(&mut self, frame: &[u8]) -> Result<(), Broken> {
        Ok(self.stream.write_all(frame).await?)
    }
}

/// One connection of a client, or of another broker.
#[derive(Debug)]
pub(super) struct Session {
    broker: KafkaBroker,
    bell: Bell,
    frames: Frames,
    idle: Duration,
}

impl Session {
    pub(super) fn open(broker: &KafkaBroker, stream: TcpStream) -> Result<Self, Broken> {
        let config = broker.config();
        let frames = Frames::new(stream, config.limits.max_request_bytes)?;
        let bell = broker.enroll(super::broker::Broker::attach)?;
        Ok(Self { broker: broker.clone(), bell, frames, idle: config.timing.idle_connection })
    }

    /// Serves until the client leaves or must go.
    pub(super) async fn run(mut self) {
        loop {
            match self.turn().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error @ Broken::Wire(WireError::Unencodable(_))) => {
                    tracing::error!(broker = %self.broker.id, %error, "this is a bug of the broker");
                    return;
                }
                Err(error) => {
                    tracing::debug!(broker = %self.broker.id, %error, "connection closed");
                    return;
                }
            }
        }
    }

    /// Serves one request; whether there may be another.
    async fn turn(&mut self) -> Result<bool, Broken> {
        let Some(frame) = timeout(self.idle, self.frames.read()).await?? else { return Ok(false) };
        let id = self.bell.id;
        let mut step = self.broker.enter(|broker, quorum, now| broker.receive(id, frame, quorum, now))??;
        loop {
            step = match step {
                Step::Reply(frame) => {
                    timeout(self.idle, self.frames.write(&frame)).await??;
                    return Ok(true);
                }
                Step::Silent => return Ok(true),
                Step::Hangup => return Err(Broken::Unanswered),
                Step::Wait(delayed) => {
                    let bell = self.bell.notify.notified();
                    match delayed.deadline {
                        Some(deadline) => tokio::select! { biased; () = bell => {}, () = sleep_until(deadline) => {} },
                        None => bell.await,
                    }
                    self.broker.enter(|broker, quorum, now| broker.resume(*delayed, quorum, now))??
                }
            };
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.broker.dismiss(self.bell.id);
    }
}
