//! How far the bytes of one client have got.

use super::outbox::Outbox;

/// Whether a connection still takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    #[default]
    Open,
    /// It ends once what waits for the client is written.
    Closing,
}

/// The way of bytes to one client, as server and shell both see it.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    pub(crate) outbox: Outbox,
    phase: Phase,
    /// Whether the socket took no more at the last attempt.
    pub(super) blocked: bool,
    /// Whether the connection's own task has something to do beside reading.
    pub(super) attention: bool,
    /// Whether the client is in the server's list of those to look after.
    dirty: bool,
}

impl Lane {
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// Whether the socket can be dropped.
    pub(super) fn is_gone(&self) -> bool {
        self.phase == Phase::Closing && self.outbox.is_empty() && !self.blocked
    }

    /// Notes that the client must be looked after; false if that was noted already.
    #[must_use]
    pub(crate) fn mark_dirty(&mut self) -> bool {
        !std::mem::replace(&mut self.dirty, true)
    }

    /// Notes that the client is being looked after.
    pub(crate) fn clear_dirty(&mut self) {
        self.dirty = false;
    }

    /// Ends the connection once what waits is written.
    pub(crate) fn close(&mut self) {
        self.phase = Phase::Closing;
        self.attention = true;
    }

    /// Ends the connection without what waits.
    pub(crate) fn abort(&mut self) {
        self.close();
        self.outbox.discard();
        self.blocked = false;
    }
}
