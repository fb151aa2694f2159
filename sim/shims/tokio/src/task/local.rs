//! `LocalSet` and `spawn_local`, gated.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use real_tokio::task as real;
use real_tokio::task::JoinHandle;

use crate::gate;
use crate::runtime::Runtime;

/// Spawns a `!Send` task of the current incarnation on the current `LocalSet` or `LocalRuntime`.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    if gate::routed() { gate::spawn_with(future, real::spawn_local) } else { real::spawn_local(future) }
}

/// The real `LocalSet`, its spawns routed through the gate.
#[derive(Default)]
pub struct LocalSet(real::LocalSet);

impl LocalSet {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(real::LocalSet::new())
    }

    /// Spawns a task of the current incarnation on this set.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
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

    /// Runs `future` to its end on `runtime`, together with this set's tasks.
    #[track_caller]
    pub fn block_on<F: Future>(&self, runtime: &Runtime, future: F) -> F::Output {
        self.0.block_on(runtime, future)
    }
}

impl Deref for LocalSet {
    type Target = real::LocalSet;

    fn deref(&self) -> &real::LocalSet {
        &self.0
    }
}

impl DerefMut for LocalSet {
    fn deref_mut(&mut self) -> &mut real::LocalSet {
        &mut self.0
    }
}

impl Future for LocalSet {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl fmt::Debug for LocalSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
