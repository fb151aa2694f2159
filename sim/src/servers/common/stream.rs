//! One connection, plain or with TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

/// A client's connection; with TLS it can be used at once, and waits for the handshake by itself.
pub(super) enum Stream {
    Plain(TcpStream),
    Handshake(Box<Accept<TcpStream>>),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    pub(super) fn new(stream: TcpStream, tls: Option<&Arc<rustls::ServerConfig>>) -> Self {
        match tls {
            None => Self::Plain(stream),
            Some(config) => Self::Handshake(Box::new(TlsAcceptor::from(Arc::clone(config)).accept(stream))),
        }
    }

    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(accept) = self {
            let stream = ready!(Pin::new(accept.as_mut()).poll(cx))?;
            *self = Self::Tls(Box::new(stream));
        }
        Poll::Ready(Ok(()))
    }

    /// Reads up to `room` bytes behind those in the buffer.
    pub(super) fn poll_read(
        &mut self,
        buffer: &mut BytesMut,
        room: usize,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(cx))?;
        buffer.reserve(room);
        match self {
            Self::Plain(stream) => poll_read(stream, buffer, cx),
            Self::Tls(stream) => poll_read(stream, buffer, cx),
            Self::Handshake(_) => Poll::Pending,
        }
    }

    /// Writes some of the bytes; they may stay inside until a [flush](Self::poll_flush).
    pub(super) fn poll_write(&mut self, slices: &[IoSlice<'_>], cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.poll_handshake(cx))?;
        match self {
            Self::Plain(stream) => loop {
                // The attempt comes first: it is cheaper than the question whether there is room.
                match stream.try_write_vectored(slices) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(stream.poll_write_ready(cx))?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    written => return Poll::Ready(written),
                }
            },
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, slices),
            Self::Handshake(_) => Poll::Pending,
        }
    }

    /// Passes everything written to the socket.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Plain(_) | Self::Handshake(_) => Poll::Ready(Ok(())),
        }
    }

    /// Says goodbye where the protocol has a word for it, as far as the socket takes it at once.
    pub(super) fn farewell(&mut self, cx: &mut Context<'_>) {
        if let Self::Tls(stream) = self {
            let _best_effort = Pin::new(stream.as_mut()).poll_shutdown(cx);
        }
    }
}

fn poll_read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    std::pin::pin!(stream.read_buf(buffer)).poll(cx)
}
