//! `JoinSet`, gated.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};

use real_tokio::task as real;
use real_tokio::task::AbortHandle;

use super::LocalSet;
use super::blocking::on_helper_thread;
use crate::gate;
use crate::runtime::Handle;

/// The real `JoinSet`, its spawns routed through the gate.
pub struct JoinSet<T>(real::JoinSet<T>);

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self(real::JoinSet::new())
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task of the current incarnation.
    #[track_caller]
    pub fn spawn<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        if gate::routed() { gate::spawn_with(task, |gated| self.0.spawn(gated)) } else { self.0.spawn(task) }
    }

    /// Spawns a task of the current incarnation on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, task: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        if gate::routed() {
            gate::spawn_with(task, |gated| self.0.spawn_on(gated, handle))
        } else {
            self.0.spawn_on(task, handle)
        }
    }

    /// Spawns a `!Send` task of the current incarnation on the current `LocalSet`.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, task: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        if gate::routed() {
            gate::spawn_with(task, |gated| self.0.spawn_local(gated))
        } else {
            self.0.spawn_local(task)
        }
    }

    /// Spawns a `!Send` task of the current incarnation on `local_set`.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, task: F, local_set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        if gate::routed() {
            gate::spawn_with(task, |gated| self.0.spawn_local_on(gated, local_set))
        } else {
            self.0.spawn_local_on(task, local_set)
        }
    }

    /// Runs a closure that may block, as [`spawn_blocking`](super::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, function: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        if gate::routed() {
            self.spawn(on_helper_thread(real_tokio::runtime::Handle::current(), function))
        } else {
            self.0.spawn_blocking(function)
        }
    }

    /// Runs a closure that may block, on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, function: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        if gate::routed() {
            self.spawn_on(on_helper_thread((**handle).clone(), function), handle)
        } else {
            self.0.spawn_blocking_on(function, handle)
        }
    }

    /// The outputs of all tasks, in the order in which they end.
    ///
    /// # Panics
    /// When a task panicked or was aborted.
    pub async fn join_all(self) -> Vec<T> {
        self.0.join_all().await
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Deref for JoinSet<T> {
    type Target = real::JoinSet<T>;

    fn deref(&self) -> &real::JoinSet<T> {
        &self.0
    }
}

impl<T> DerefMut for JoinSet<T> {
    fn deref_mut(&mut self) -> &mut real::JoinSet<T> {
        &mut self.0
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn from_iter<I: IntoIterator<Item = F>>(tasks: I) -> Self {
        let mut set = Self::new();
        set.extend(tasks);
        set
    }
}

impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    fn extend<I: IntoIterator<Item = F>>(&mut self, tasks: I) {
        for task in tasks {
            self.spawn(task);
        }
    }
}
