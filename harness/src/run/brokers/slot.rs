//! How the harness reaches a server that runs in the world.

use std::sync::{Arc, Mutex, PoisonError};

/// The server that runs on a host, for the harness to reach.
pub(super) struct Slot<S>(Arc<Mutex<Option<S>>>);

impl<S> Clone for Slot<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S> Default for Slot<S> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<S: Clone> Slot<S> {
    pub(super) fn set(&self, server: S) {
        let old = self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(server);
        // A killed process runs no destructors.
        std::mem::forget(old);
    }

    pub(super) fn get(&self) -> Option<S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
