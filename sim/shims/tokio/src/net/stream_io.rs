//! Reading from, writing to and closing a `TcpStream`.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use real_tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use real_tokio::net as real;

use super::sim::{Side, within_budget};
use super::stream::TcpStream;

impl TcpStream {
    /// A read through a shared reference, for the halves.
    pub(super) fn poll_read_shared(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(stream) => loop {
                ready!(stream.poll_read_ready(cx))?;
                match stream.try_read_buf(buf) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done.map(drop)),
                }
            },
            Side::Sim(stream) => within_budget(cx, |cx| {
                let room = buf.remaining();
                let mut sink = |bytes: &[u8]| buf.put_slice(bytes);
                stream.tcp.poll_read(cx, room, &mut sink).map_ok(drop)
            }),
        }
    }

    /// A write through a shared reference, for the halves.
    pub(super) fn poll_write_shared(&self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match &self.0 {
            Side::Real(stream) => loop {
                ready!(stream.poll_write_ready(cx))?;
                match stream.try_write_vectored(bufs) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    done => return Poll::Ready(done),
                }
            },
            Side::Sim(_) if bufs.iter().all(|buf| buf.is_empty()) => Poll::Ready(Ok(0)),
            Side::Sim(stream) => within_budget(cx, |cx| stream.tcp.poll_write(cx, bufs)),
        }
    }

    /// Closes the write side through a shared reference, for the halves.
    pub(super) fn poll_shutdown_shared(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.0 {
            Side::Real(stream) => Poll::Ready(shutdown_write(stream)),
            Side::Sim(stream) => stream.tcp.poll_shutdown(cx),
        }
    }
}

/// Goes through a second descriptor, since only the standard library shuts down a shared stream.
fn shutdown_write(stream: &real::TcpStream) -> io::Result<()> {
    let same = std::net::TcpStream::from(stream.as_fd().try_clone_to_owned()?);
    match same.shutdown(Shutdown::Write) {
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
        done => done,
    }
}

impl AsyncRead for TcpStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Side::Real(stream) => Pin::new(stream).poll_read(cx, buf),
            Side::Sim(_) => self.poll_read_shared(cx, buf),
        }
    }
}

impl AsyncWrite for TcpStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Side::Real(stream) => Pin::new(stream).poll_write(cx, buf),
            Side::Sim(_) => self.poll_write_shared(cx, &[IoSlice::new(buf)]),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Side::Real(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Side::Sim(_) => self.poll_write_shared(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_shutdown_shared(cx)
    }
}
