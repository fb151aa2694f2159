//! `task::Builder`, gated. As in the real tokio it exists under `tokio_unstable` with `tracing`.

#![expect(
    clippy::missing_errors_doc,
    reason = "mirrors tokio::task::Builder, which never fails outside spawn_blocking"
)]

use std::future::Future;
use std::io;

use real_tokio::task as real;
use real_tokio::task::JoinHandle;

use super::LocalSet;
use super::blocking::on_helper_thread;
use crate::gate;
use crate::runtime::Handle;

/// Spawns tasks under a name.
#[derive(Debug, Default)]
#[must_use = "builders do nothing unless used to spawn a task"]
pub struct Builder<'a>(real::Builder<'a>);

impl<'a> Builder<'a> {
    /// Without a name so far.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name.
    pub fn name(&self, name: &'a str) -> Self {
        Self(self.0.name(name))
    }

    /// Spawns a task of the current incarnation.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if gate::routed() { gate::spawn_with(future, |gated| self.0.spawn(gated)) } else { self.0.spawn(future) }
    }

    /// Spawns a task of the current incarnation on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if gate::routed() {
            gate::spawn_with(future, |gated| self.0.spawn_on(gated, handle))
        } else {
            self.0.spawn_on(future, handle)
        }
    }

    /// Spawns a `!Send` task of the current incarnation on the current `LocalSet`.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if gate::routed() {
            gate::spawn_with(future, |gated| self.0.spawn_local(gated))
        } else {
            self.0.spawn_local(future)
        }
    }

    /// Spawns a `!Send` task of the current incarnation on `local_set`.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if gate::routed() {
            gate::spawn_with(future, |gated| self.0.spawn_local_on(gated, local_set))
        } else {
            self.0.spawn_local_on(future, local_set)
        }
    }

    /// Runs a closure that may block, as [`spawn_blocking`](super::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, function: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_blocking_on(function, &Handle::current())
    }

    /// Runs a closure that may block, on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, function: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if gate::routed() {
            self.spawn_on(on_helper_thread((**handle).clone(), function), handle)
        } else {
            self.0.spawn_blocking_on(function, handle)
        }
    }
}
