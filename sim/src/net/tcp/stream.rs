//! What an application does with its end: read, write, shut down, close.

use super::super::{Net, NetEvent};
use super::{EndKey, Phase, Segment, WINDOW_BYTES};
use bytes::{Bytes, BytesMut};
use squall_hook::Sink;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::task::{Poll, Waker};

/// The largest segment: what a segmentation-offloading interface takes at once, bytes.
const SEGMENT_BYTES: usize = 64 * 1024;
/// Between two tries to return window space over a cut link, nanoseconds.
const CREDIT_RETRY_NS: u64 = 1_000_000_000;

impl Net {
    pub(super) fn data_arrives(&mut self, to: EndKey, bytes: Bytes) {
        let Some(end) = self.conns.end(to) else { return };
        end.rx_bytes += bytes.len();
        end.rx.push_back(bytes);
        let readers = std::mem::take(&mut end.readers);
        self.wake(readers);
    }

    pub(crate) fn tcp_read(
        &mut self,
        key: EndKey,
        max: usize,
        sink: Sink<'_>,
        waker: &Waker,
    ) -> Poll<io::Result<usize>> {
        let Some(end) = self.conns.end(key) else { return Poll::Ready(Ok(0)) };
        let mut taken = 0;
        while taken < max {
            let Some(front) = end.rx.front_mut() else { break };
            let n = front.len().min(max - taken);
            sink(&front[..n]);
            taken += n;
            if n == front.len() {
                end.rx.pop_front();
            } else {
                bytes::Buf::advance(front, n);
            }
        }
        if taken > 0 {
            end.rx_bytes -= taken;
            end.unreturned_bytes += taken;
            self.return_credit(key);
            return Poll::Ready(Ok(taken));
        }
        self.nothing_to_read(key, max, waker).map_ok(|()| 0)
    }

    pub(crate) fn tcp_peek(
        &mut self,
        key: EndKey,
        max: usize,
        sink: Sink<'_>,
        waker: &Waker,
    ) -> Poll<io::Result<usize>> {
        let Some(end) = self.conns.end(key) else { return Poll::Ready(Ok(0)) };
        let mut seen = 0;
        for piece in &end.rx {
            let n = piece.len().min(max - seen);
            if n == 0 {
                break;
            }
            sink(&piece[..n]);
            seen += n;
        }
        if seen > 0 {
            return Poll::Ready(Ok(seen));
        }
        self.nothing_to_read(key, max, waker).map_ok(|()| 0)
    }

    pub(crate) fn tcp_readable(&mut self, key: EndKey, waker: &Waker) -> Poll<io::Result<()>> {
        match self.conns.end(key) {
            // An error makes a socket readable; the read reports it.
            Some(end) if end.rx.is_empty() && end.error.is_none() => self.nothing_to_read(key, 1, waker),
            _ => Poll::Ready(Ok(())),
        }
    }

    /// End of stream, error, or wait.
    fn nothing_to_read(&mut self, key: EndKey, max: usize, waker: &Waker) -> Poll<io::Result<()>> {
        let Some(end) = self.conns.end(key) else { return Poll::Ready(Ok(())) };
        if max == 0 || end.rx_eof {
            return Poll::Ready(Ok(()));
        }
        if let Some(kind) = end.error.take() {
            end.rx_eof = true;
            return Poll::Ready(Err(kind.into()));
        }
        if end.phase == Phase::Gone {
            return Poll::Ready(Ok(()));
        }
        end.readers.add(waker);
        Poll::Pending
    }

    pub(crate) fn tcp_write(&mut self, key: EndKey, bufs: &[IoSlice<'_>], waker: &Waker) -> Poll<io::Result<usize>> {
        let room = match self.room(key, waker) {
            Poll::Ready(Ok(room)) => room,
            Poll::Ready(Err(e)) => {
                // Reported once; from then on the pipe is broken.
                let _reported = self.tcp_take_error(key);
                return Poll::Ready(Err(e));
            }
            Poll::Pending => return Poll::Pending,
        };
        let room = room.min(SEGMENT_BYTES);
        let mut out = BytesMut::with_capacity(bufs.iter().map(|b| b.len()).sum::<usize>().min(room));
        for buf in bufs {
            let n = buf.len().min(room - out.len());
            out.extend_from_slice(&buf[..n]);
        }
        let n = out.len();
        if n > 0 {
            if let Some(end) = self.conns.end(key) {
                end.outstanding_bytes += n;
            }
            self.transmit(key, Segment::Data(out.freeze()));
        }
        Poll::Ready(Ok(n))
    }

    pub(crate) fn tcp_writable(&mut self, key: EndKey, waker: &Waker) -> Poll<io::Result<()>> {
        match self.room(key, waker) {
            Poll::Pending => Poll::Pending,
            // An error makes a socket writable; the write reports it.
            Poll::Ready(_) => Poll::Ready(Ok(())),
        }
    }

    /// Free bytes in the window, or wait for some.
    fn room(&mut self, key: EndKey, waker: &Waker) -> Poll<io::Result<usize>> {
        let Some(end) = self.conns.end(key) else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        if let Some(kind) = end.error {
            return Poll::Ready(Err(kind.into()));
        }
        if end.phase == Phase::Gone || end.fin_sent {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW_BYTES.saturating_sub(end.outstanding_bytes);
        if room > 0 {
            return Poll::Ready(Ok(room));
        }
        end.writers.add(waker);
        self.return_credit(key.peer());
        Poll::Pending
    }

    /// Tells the peer of `reader` that its window is open again: when half of it is free, or when the
    /// peer waits for it.
    fn return_credit(&mut self, reader: EndKey) {
        let Some(end) = self.conns.end(reader) else { return };
        let bytes = end.unreturned_bytes;
        let waits = self.conns.end(reader.peer()).is_some_and(|peer| !peer.writers.is_empty());
        if bytes == 0 || (bytes < WINDOW_BYTES / 2 && !waits) {
            return;
        }
        if let Some(end) = self.conns.end(reader) {
            end.unreturned_bytes = 0;
        }
        self.send_credit(reader.peer(), bytes);
    }

    fn send_credit(&mut self, to: EndKey, bytes: usize) {
        let Some((from_host, _, to_host, _)) = self.ends_of(to) else { return };
        let at = match self.fabric.judge(self.now_ns, from_host, to_host, 0) {
            super::super::fabric::Fate::Arrives(at) => at,
            _ => self.now_ns + CREDIT_RETRY_NS,
        };
        self.queue.push(at, NetEvent::Credit { end: to, bytes });
    }

    pub(in crate::net) fn credit_arrives(&mut self, key: EndKey, bytes: usize) {
        let Some((from_host, _, to_host, _)) = self.ends_of(key) else { return };
        if from_host != to_host && self.fabric.is_cut(from_host, to_host) {
            self.queue.push(self.now_ns + CREDIT_RETRY_NS, NetEvent::Credit { end: key, bytes });
            return;
        }
        let Some(end) = self.conns.end(key) else { return };
        end.outstanding_bytes = end.outstanding_bytes.saturating_sub(bytes);
        let writers = std::mem::take(&mut end.writers);
        self.wake(writers);
    }

    /// Closes this direction. One that is over already is shut down: tokio takes Linux's `ENOTCONN` for success.
    pub(crate) fn tcp_shutdown(&mut self, key: EndKey) {
        let Some(end) = self.conns.end(key) else { return };
        if end.phase == Phase::Open && !end.fin_sent {
            end.fin_sent = true;
            self.transmit(key, Segment::Fin);
        }
    }

    /// The application lets go of its end, or its process died.
    pub(crate) fn close(&mut self, key: EndKey) {
        let Some(end) = self.conns.end(key) else { return };
        if !end.app {
            return;
        }
        end.app = false;
        let (readers, writers) = (std::mem::take(&mut end.readers), std::mem::take(&mut end.writers));
        let (phase, unread, fin_sent) = (end.phase, end.rx_bytes > 0, end.fin_sent);
        self.discard(readers);
        self.discard(writers);
        match phase {
            Phase::Gone => self.reap(key),
            // Nobody knows of it yet; a late answer finds nobody and is refused.
            Phase::Opening => self.forget(key),
            // Closing with unread data resets the connection.
            Phase::Open if unread => self.refuse(key),
            Phase::Open if !fin_sent => {
                if let Some(end) = self.conns.end(key) {
                    end.fin_sent = true;
                }
                self.transmit(key, Segment::Fin);
            }
            Phase::Open => {}
        }
    }

    pub(crate) fn tcp_local_addr(&mut self, key: EndKey) -> io::Result<SocketAddr> {
        let end = self.conns.end(key).ok_or(io::ErrorKind::NotConnected)?;
        Ok(end.family.show(end.addr))
    }

    /// Where it was connected to, also when it no longer is.
    pub(crate) fn tcp_origin(&mut self, key: EndKey) -> io::Result<SocketAddr> {
        let family = self.conns.end(key).ok_or(io::ErrorKind::NotConnected)?.family;
        let peer = self.conns.end(key.peer()).ok_or(io::ErrorKind::NotConnected)?;
        Ok(family.show(peer.addr))
    }

    pub(crate) fn tcp_peer_addr(&mut self, key: EndKey) -> io::Result<SocketAddr> {
        let end = self.conns.end(key).filter(|end| end.phase != Phase::Gone);
        end.ok_or(io::ErrorKind::NotConnected)?;
        self.tcp_origin(key)
    }

    pub(crate) fn tcp_take_error(&mut self, key: EndKey) -> Option<io::Error> {
        self.conns.end(key)?.error.take().map(io::Error::from)
    }
}
