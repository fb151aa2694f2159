//! The halves of a `TcpStream`.

#![expect(missing_docs, clippy::missing_errors_doc, reason = "mirrors tokio::net::tcp, which documents every item")]

use std::error::Error;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::BufMut;
use real_tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};

use super::stream::TcpStream;

/// The borrowed read half of a [`TcpStream`].
#[derive(Debug)]
pub struct ReadHalf<'a>(&'a TcpStream);

/// The borrowed write half of a [`TcpStream`].
#[derive(Debug)]
pub struct WriteHalf<'a>(&'a TcpStream);

/// The owned read half of a [`TcpStream`].
#[derive(Debug)]
pub struct OwnedReadHalf(Arc<TcpStream>);

/// The owned write half of a [`TcpStream`]. Dropping it closes the write side.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    stream: Arc<TcpStream>,
    on_drop: OnDrop,
}

#[derive(Debug, PartialEq, Eq)]
enum OnDrop {
    Shutdown,
    Leave,
}

pub(super) fn borrowed(stream: &mut TcpStream) -> (ReadHalf<'_>, WriteHalf<'_>) {
    (ReadHalf(stream), WriteHalf(stream))
}

pub(super) fn owned(stream: TcpStream) -> (OwnedReadHalf, OwnedWriteHalf) {
    let stream = Arc::new(stream);
    let write = OwnedWriteHalf { stream: Arc::clone(&stream), on_drop: OnDrop::Shutdown };
    (OwnedReadHalf(stream), write)
}

/// The halves given to `reunite` are of different streams.
#[derive(Debug)]
pub struct ReuniteError(pub OwnedReadHalf, pub OwnedWriteHalf);

impl fmt::Display for ReuniteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("tried to reunite halves that are not from the same socket")
    }
}

impl Error for ReuniteError {}

fn reunite(read: OwnedReadHalf, write: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
    if !Arc::ptr_eq(&read.0, &write.stream) {
        return Err(ReuniteError(read, write));
    }
    write.forget();
    match Arc::try_unwrap(read.0) {
        Ok(stream) => Ok(stream),
        Err(_) => unreachable!("a split stream has exactly two owners"),
    }
}

macro_rules! both_halves {
    () => {
        pub fn peer_addr(&self) -> io::Result<SocketAddr> {
            self.as_ref().peer_addr()
        }

        pub fn local_addr(&self) -> io::Result<SocketAddr> {
            self.as_ref().local_addr()
        }

        pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
            self.as_ref().ready(interest).await
        }
    };
}

macro_rules! read_half {
    () => {
        both_halves!();

        pub fn poll_peek(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<usize>> {
            self.as_ref().poll_peek(cx, buf)
        }

        pub async fn peek(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.as_ref().peek(buf).await
        }

        pub async fn readable(&self) -> io::Result<()> {
            self.as_ref().readable().await
        }

        pub fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
            self.as_ref().try_read(buf)
        }

        pub fn try_read_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
            self.as_ref().try_read_vectored(bufs)
        }

        pub fn try_read_buf<B: BufMut>(&self, buf: &mut B) -> io::Result<usize> {
            self.as_ref().try_read_buf(buf)
        }
    };
}

macro_rules! write_half {
    () => {
        both_halves!();

        pub async fn writable(&self) -> io::Result<()> {
            self.as_ref().writable().await
        }

        pub fn try_write(&self, buf: &[u8]) -> io::Result<usize> {
            self.as_ref().try_write(buf)
        }

        pub fn try_write_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
            self.as_ref().try_write_vectored(bufs)
        }
    };
}

impl ReadHalf<'_> {
    read_half!();
}

impl WriteHalf<'_> {
    write_half!();
}

impl OwnedReadHalf {
    read_half!();

    pub fn reunite(self, other: OwnedWriteHalf) -> Result<TcpStream, ReuniteError> {
        reunite(self, other)
    }
}

impl OwnedWriteHalf {
    write_half!();

    pub fn reunite(self, other: OwnedReadHalf) -> Result<TcpStream, ReuniteError> {
        reunite(other, self)
    }

    /// Drops the half and leaves the write side open.
    pub fn forget(mut self) {
        self.on_drop = OnDrop::Leave;
    }
}

impl Drop for OwnedWriteHalf {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Shutdown {
            let mut cx = Context::from_waker(Waker::noop());
            let _closed_already = self.stream.poll_shutdown_shared(&mut cx);
        }
    }
}

impl AsRef<TcpStream> for ReadHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for WriteHalf<'_> {
    fn as_ref(&self) -> &TcpStream {
        self.0
    }
}

impl AsRef<TcpStream> for OwnedReadHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.0
    }
}

impl AsRef<TcpStream> for OwnedWriteHalf {
    fn as_ref(&self) -> &TcpStream {
        &self.stream
    }
}

impl AsyncRead for ReadHalf<'_> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_shared(cx, buf)
    }
}

impl AsyncRead for OwnedReadHalf {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_shared(cx, buf)
    }
}

macro_rules! write_through {
    () => {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.as_ref().get_ref().as_ref().poll_write_shared(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.as_ref().get_ref().as_ref().poll_write_shared(cx, bufs)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    };
}

impl AsyncWrite for WriteHalf<'_> {
    write_through!();

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_shutdown_shared(cx)
    }
}

impl AsyncWrite for OwnedWriteHalf {
    write_through!();

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = self.stream.poll_shutdown_shared(cx);
        if let Poll::Ready(Ok(())) = shut {
            self.on_drop = OnDrop::Leave;
        }
        shut
    }
}
