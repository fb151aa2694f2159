//! Bytes that wait for one client.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::Bytes;

/// Buffers up to this size are written together; one that grew larger is not kept.
const CHUNK: usize = 64 * 1024;

/// Bytes that wait for one client, in order: sealed buffers first, then the one still growing.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    sealed: VecDeque<Bytes>,
    open: Vec<u8>,
    /// Bytes of the first buffer that have left already.
    sent: usize,
    pending: usize,
}

impl Outbox {
    /// Bytes that wait.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending == 0
    }

    /// Appends a copy of these bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.open.len() >= CHUNK {
            self.seal();
        }
        self.open.extend_from_slice(bytes);
        self.pending += bytes.len();
    }

    /// Appends bytes that several clients share.
    pub(crate) fn push_shared(&mut self, bytes: Bytes) {
        self.seal();
        self.pending += bytes.len();
        self.sealed.push_back(bytes);
    }

    fn seal(&mut self) {
        if !self.open.is_empty() {
            self.sealed.push_back(Bytes::from(std::mem::take(&mut self.open)));
        }
    }

    /// Fills `slices` with what to write next and returns how many there are.
    pub(crate) fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let buffers = self.sealed.iter().map(|sealed| &sealed[..]).chain([&self.open[..]]);
        let mut skip = self.sent;
        let mut count = 0;
        for (slot, buffer) in slices.iter_mut().zip(buffers) {
            *slot = IoSlice::new(&buffer[skip..]);
            skip = 0;
            count += 1;
        }
        count
    }

    /// Forgets the first `written` bytes.
    pub(crate) fn advance(&mut self, written: usize) {
        self.pending -= written;
        self.sent += written;
        while let Some(first) = self.sealed.front() {
            if self.sent < first.len() {
                return;
            }
            self.sent -= first.len();
            self.sealed.pop_front();
        }
        if self.sent == self.open.len() {
            self.sent = 0;
            self.open.clear();
            if self.open.capacity() > CHUNK {
                self.open = Vec::new();
            }
        }
    }

    /// Drops everything that waits.
    pub(crate) fn discard(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes at most `room` bytes, as a socket would.
    fn write(outbox: &mut Outbox, room: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 3];
        let count = outbox.slices(&mut slices);
        let mut written: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
        written.truncate(room);
        outbox.advance(written.len());
        written
    }

    proptest! {
        #[test]
        fn bytes_leave_once_and_in_order(
            steps in prop::collection::vec((0_usize..3, 0_usize..90_000), 1..40),
        ) {
            let mut outbox = Outbox::default();
            let (mut pushed, mut written) = (Vec::new(), Vec::new());
            for (step, (kind, size)) in steps.into_iter().enumerate() {
                let bytes = vec![step as u8; size];
                match kind {
                    0 => outbox.push(&bytes),
                    1 => outbox.push_shared(Bytes::from(bytes.clone())),
                    _ => written.extend(write(&mut outbox, size)),
                }
                if kind < 2 {
                    pushed.extend(bytes);
                }
                prop_assert_eq!(outbox.pending(), pushed.len() - written.len());
            }
            while !outbox.is_empty() {
                written.extend(write(&mut outbox, usize::MAX));
            }
            prop_assert_eq!(written, pushed);
        }
    }
}
