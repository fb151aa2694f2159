//! `tokio::runtime`, with handles that spawn through the gate.
//!
//! A host of a simulation lives on the simulation's one runtime and cannot build another.

#![expect(clippy::missing_errors_doc, reason = "mirrors tokio::runtime, which documents the errors")]

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use real_tokio::runtime as real;
pub use real_tokio::runtime::*;
use real_tokio::task::JoinHandle;

use crate::{gate, task};

fn refuse_inside_host() {
    if gate::inside_host() {
        squall_hook::refuse("a simulated host built a runtime of its own (use tokio::runtime::Handle::current)");
    }
}

/// The real `Handle`, its spawns routed through the gate.
#[derive(Clone)]
pub struct Handle(real::Handle);

impl Handle {
    /// The handle of the runtime this thread is in.
    ///
    /// # Panics
    /// Outside a runtime.
    #[track_caller]
    #[must_use]
    pub fn current() -> Self {
        Self(real::Handle::current())
    }

    /// The handle of the runtime this thread is in, if any.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        real::Handle::try_current().map(Self)
    }

    /// Spawns a task of the current incarnation.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        if gate::routed() { gate::spawn_with(future, |gated| self.0.spawn(gated)) } else { self.0.spawn(future) }
    }

    /// Runs a closure that may block, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        if gate::routed() {
            self.spawn(task::on_helper_thread(self.0.clone(), function))
        } else {
            self.0.spawn_blocking(function)
        }
    }

    /// Runs `future` to its end on this thread.
    ///
    /// # Panics
    /// Inside an asynchronous task.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        if gate::on_helper() {
            let _runtime = self.0.enter();
            task::block_on(future)
        } else {
            self.0.block_on(future)
        }
    }
}

impl Deref for Handle {
    type Target = real::Handle;

    fn deref(&self) -> &real::Handle {
        &self.0
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The real `Runtime`, its spawns routed through the gate.
pub struct Runtime {
    inner: real::Runtime,
    handle: Handle,
}

impl Runtime {
    fn wrap(inner: real::Runtime) -> Self {
        let handle = Handle(inner.handle().clone());
        Self { inner, handle }
    }

    /// A multi-threaded runtime with everything enabled.
    ///
    /// # Panics
    /// Inside a simulated host.
    #[cfg(feature = "rt-multi-thread")]
    pub fn new() -> io::Result<Self> {
        Builder::new_multi_thread().enable_all().build()
    }

    /// A handle that outlives borrows of the runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a task of the current incarnation.
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.handle.spawn(future)
    }

    /// Runs a closure that may block, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(function)
    }

    /// Stops the runtime, waiting at most `duration` for blocking work.
    pub fn shutdown_timeout(self, duration: Duration) {
        self.inner.shutdown_timeout(duration);
    }

    /// Stops the runtime without waiting.
    pub fn shutdown_background(self) {
        self.inner.shutdown_background();
    }
}

impl Deref for Runtime {
    type Target = real::Runtime;

    fn deref(&self) -> &real::Runtime {
        &self.inner
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

/// The real `LocalRuntime`, its spawns routed through the gate.
pub struct LocalRuntime {
    inner: real::LocalRuntime,
    handle: Handle,
}

impl LocalRuntime {
    fn wrap(inner: real::LocalRuntime) -> Self {
        let handle = Handle(inner.handle().clone());
        Self { inner, handle }
    }

    /// A local runtime with everything enabled.
    ///
    /// # Panics
    /// Inside a simulated host.
    pub fn new() -> io::Result<Self> {
        Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
    }

    /// A handle that outlives borrows of the runtime.
    #[must_use]
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Spawns a `!Send` task of the current incarnation.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        if gate::routed() {
            gate::spawn_with(future, |gated| self.inner.spawn_local(gated))
        } else {
            self.inner.spawn_local(future)
        }
    }

    /// Runs a closure that may block, as [`spawn_blocking`](crate::task::spawn_blocking) does.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, function: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.handle.spawn_blocking(function)
    }

    /// Stops the runtime, waiting at most `duration` for blocking work.
    pub fn shutdown_timeout(self, duration: Duration) {
        self.inner.shutdown_timeout(duration);
    }

    /// Stops the runtime without waiting.
    pub fn shutdown_background(self) {
        self.inner.shutdown_background();
    }
}

impl Deref for LocalRuntime {
    type Target = real::LocalRuntime;

    fn deref(&self) -> &real::LocalRuntime {
        &self.inner
    }
}

impl fmt::Debug for LocalRuntime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(formatter)
    }
}

/// The real `Builder`, which builds the gated runtimes.
pub struct Builder(real::Builder);

macro_rules! settings {
    ($($(#[$attribute:meta])* $name:ident($($argument:ident: $type:ty)?);)*) => {$(
        #[doc = concat!("As `", stringify!($name), "` of the real builder.")]
        $(#[$attribute])*
        pub fn $name(&mut self $(, $argument: $type)?) -> &mut Self {
            self.0.$name($($argument)?);
            self
        }
    )*};
}

impl Builder {
    /// For a runtime that runs its tasks on the thread that blocks on it.
    #[must_use]
    pub fn new_current_thread() -> Self {
        Self(real::Builder::new_current_thread())
    }

    /// For a runtime with a pool of worker threads.
    #[cfg(feature = "rt-multi-thread")]
    #[must_use]
    pub fn new_multi_thread() -> Self {
        Self(real::Builder::new_multi_thread())
    }

    /// Builds the runtime.
    ///
    /// # Panics
    /// Inside a simulated host.
    pub fn build(&mut self) -> io::Result<Runtime> {
        refuse_inside_host();
        self.0.build().map(Runtime::wrap)
    }

    /// Builds a runtime that stays on this thread.
    ///
    /// # Panics
    /// Inside a simulated host.
    pub fn build_local(&mut self, options: LocalOptions) -> io::Result<LocalRuntime> {
        refuse_inside_host();
        self.0.build_local(options).map(LocalRuntime::wrap)
    }

    settings! {
        enable_all();
        #[cfg(any(feature = "net", all(unix, feature = "process"), all(unix, feature = "signal")))]
        enable_io();
        #[cfg(feature = "time")]
        enable_time();
        #[cfg(feature = "test-util")]
        start_paused(start_paused: bool);
        #[cfg(feature = "rt-multi-thread")]
        worker_threads(threads: usize);
        max_blocking_threads(threads: usize);
        name(name: impl Into<String>);
        thread_name(name: impl Into<String>);
        thread_name_fn(name: impl Fn() -> String + Send + Sync + 'static);
        thread_stack_size(bytes: usize);
        thread_keep_alive(duration: Duration);
        global_queue_interval(ticks: u32);
        event_interval(ticks: u32);
        #[cfg(any(feature = "net", all(unix, feature = "process"), all(unix, feature = "signal")))]
        max_io_events_per_tick(events: usize);
        on_thread_start(hook: impl Fn() + Send + Sync + 'static);
        on_thread_stop(hook: impl Fn() + Send + Sync + 'static);
        on_thread_park(hook: impl Fn() + Send + Sync + 'static);
        on_thread_unpark(hook: impl Fn() + Send + Sync + 'static);
        #[cfg(tokio_unstable)]
        on_task_spawn(hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static);
        #[cfg(tokio_unstable)]
        on_before_task_poll(hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static);
        #[cfg(tokio_unstable)]
        on_after_task_poll(hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static);
        #[cfg(tokio_unstable)]
        on_task_terminate(hook: impl Fn(&TaskMeta<'_>) + Send + Sync + 'static);
        #[cfg(tokio_unstable)]
        rng_seed(seed: RngSeed);
        #[cfg(tokio_unstable)]
        unhandled_panic(behavior: UnhandledPanic);
        #[cfg(tokio_unstable)]
        disable_lifo_slot();
        #[cfg(tokio_unstable)]
        enable_metrics_poll_time_histogram();
        #[cfg(tokio_unstable)]
        metrics_poll_time_histogram_configuration(configuration: HistogramConfiguration);
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
