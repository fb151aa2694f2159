//! How connections end: refusals, resets, processes that die and hosts that vanish.

use super::super::{Closing, HostId, HostSet, Net};
use super::{Conn, End, EndKey, ListenerKey, Phase, Segment, flow};
use std::collections::VecDeque;
use std::io;

impl Net {
    pub(crate) fn close_listener(&mut self, key: ListenerKey) {
        let Ok(listener) = self.listener(key) else { return };
        let waiting = std::mem::take(&mut listener.backlog);
        if let Some(listener) = self.kernel(key.host).listeners.remove(&key.port) {
            self.discard(listener.acceptors);
        }
        self.reset_backlog(waiting);
    }

    /// What [`Net::close_all`] does to the listeners of a host.
    pub(in crate::net) fn close_listeners(&mut self, host: HostId, how: Closing) {
        for listener in std::mem::take(&mut self.kernel(host).listeners).into_values() {
            self.discard(listener.acceptors);
            if how == Closing::Orderly {
                self.reset_backlog(listener.backlog);
            }
        }
    }

    fn reset_backlog(&mut self, waiting: VecDeque<EndKey>) {
        for key in waiting {
            if let Some(end) = self.conns.end(key) {
                end.app = false;
            }
            self.reset(key, io::ErrorKind::ConnectionReset);
        }
    }

    /// Ends a connection by RST, at this end at once.
    pub(super) fn refuse(&mut self, end: EndKey) {
        if !self.transmit_rst(end) {
            self.probe_window(end.peer());
        }
        self.forget(end);
    }

    /// Answers a segment that no socket wants. Without the answer, its sender takes the segment for lost.
    pub(super) fn refuse_segment(&mut self, to: EndKey, sequence: u64, what: Segment) {
        if self.transmit_rst(to) {
            self.forget(to);
            return;
        }
        // Not even a listener of a later boot may miss the next SYN.
        if !matches!(what, Segment::Syn) {
            self.forget(to);
        }
        self.stall(to.peer(), sequence, what);
    }

    /// Both this end and, once the RST arrives, its peer are over.
    fn reset(&mut self, end: EndKey, kind: io::ErrorKind) {
        if !self.transmit_rst(end) {
            self.probe_window(end.peer());
        }
        self.fail(end, kind);
    }

    /// This end is over: its application learns why.
    pub(super) fn fail(&mut self, key: EndKey, kind: io::ErrorKind) {
        let Some(end) = self.conns.end(key) else { return };
        end.error = Some(kind);
        let (readers, writers) = (std::mem::take(&mut end.readers), std::mem::take(&mut end.writers));
        self.wake(readers);
        self.wake(writers);
        self.forget(key);
    }

    /// The kernel drops its state of this end.
    pub(super) fn forget(&mut self, key: EndKey) {
        let Some(end) = self.conns.end(key) else { return };
        end.phase = Phase::Gone;
        end.flow.forget();
        self.reap(key);
    }

    pub(super) fn reap(&mut self, key: EndKey) {
        if let Some(conn) = self.conns.reap(key) {
            for end in conn.ends {
                self.discard(end.readers);
                self.discard(end.writers);
            }
        }
    }

    /// What [`Net::close_all`] does to the connections of a host.
    pub(in crate::net) fn close_connections(&mut self, host: HostId, how: Closing) {
        for key in self.conns.keys_where(|_, end| end.host == host) {
            match how {
                Closing::Orderly => self.close(key),
                Closing::Vanish => self.vanish(key),
            }
        }
    }

    /// The kernel of this end is gone without a word.
    fn vanish(&mut self, key: EndKey) {
        let peer_opens = key.side == 1 && self.conns.end(key.peer()).is_some_and(|peer| peer.phase == Phase::Opening);
        let Some(end) = self.conns.end(key) else { return };
        if peer_opens {
            // The client goes on sending its SYN, to whichever kernel comes next.
            let fresh = End::new(end.host, end.addr);
            let old = std::mem::replace(end, fresh);
            self.discard(old.readers);
            self.discard(old.writers);
            if old.phase != Phase::Opening {
                self.stall(key.peer(), flow::SYN_SEQUENCE, Segment::Syn);
            }
            return;
        }
        end.app = false;
        self.probe_window(key.peer());
        self.forget(key);
    }

    /// Resets every open connection between two sets of hosts; returns how many there were.
    pub(crate) fn reset_between(&mut self, a: &HostSet, b: &HostSet) -> u64 {
        let between = |c: &Conn, end: &End| {
            let other = c.ends.iter().find(|e| !std::ptr::eq(*e, end));
            let open = end.phase == Phase::Open;
            open && other.is_some_and(|o| a.contains(end.host) && b.contains(o.host))
        };
        let keys = self.conns.keys_where(between);
        for key in &keys {
            self.reset(*key, io::ErrorKind::ConnectionReset);
            self.fail(key.peer(), io::ErrorKind::ConnectionReset);
        }
        keys.len() as u64
    }
}
