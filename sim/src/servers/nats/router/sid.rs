//! Names that clients give their subscriptions.

use std::borrow::Borrow;

const INLINE_SID: usize = 22;

/// A client's own name for a subscription; usually a few digits, which then need no allocation.
#[derive(Clone, Debug)]
pub enum Sid {
    /// A short name and its length.
    Inline(u8, [u8; INLINE_SID]),
    /// A long name.
    Heap(Box<[u8]>),
}

impl Sid {
    /// Copies the name.
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        if name.len() > INLINE_SID {
            return Self::Heap(name.into());
        }
        let mut bytes = [0; INLINE_SID];
        bytes[..name.len()].copy_from_slice(name);
        Self::Inline(name.len() as u8, bytes)
    }

    /// The name as the client wrote it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline(length, bytes) => &bytes[..usize::from(*length)],
            Self::Heap(bytes) => bytes,
        }
    }
}

impl PartialEq for Sid {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Sid {}

impl PartialOrd for Sid {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Sid {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Borrow<[u8]> for Sid {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}
