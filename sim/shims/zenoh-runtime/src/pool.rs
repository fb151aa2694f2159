//! The runtimes outside a simulation: one of each kind, made when first used, never dropped unless asked to.

use crate::ZRuntime;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};

/// How long blocking tasks may take to end when the runtimes are shut down.
const SHUTDOWN: Duration = Duration::from_secs(1);
const MAX_BLOCKING_THREADS: usize = 50;

struct Slot {
    handle: OnceLock<Handle>,
    runtime: Mutex<Option<Runtime>>,
}

static POOL: [Slot; 5] = [const { Slot { handle: OnceLock::new(), runtime: Mutex::new(None) } }; 5];

/// The runtime's handle.
///
/// # Panics
/// When the system has no thread left for it.
pub(crate) fn handle(kind: ZRuntime) -> &'static Handle {
    let slot = &POOL[kind as usize];
    slot.handle.get_or_init(|| {
        let runtime = build(kind).unwrap_or_else(|error| panic!("cannot start zenoh's runtime `{kind}`: {error}"));
        let handle = runtime.handle().clone();
        *slot.runtime.lock().unwrap_or_else(PoisonError::into_inner) = Some(runtime);
        handle
    })
}

fn build(kind: ZRuntime) -> std::io::Result<Runtime> {
    let threads = AtomicUsize::new(0);
    Builder::new_multi_thread()
        .worker_threads(if kind == ZRuntime::RX { 2 } else { 1 })
        .max_blocking_threads(MAX_BLOCKING_THREADS)
        .enable_all()
        .thread_name_fn(move || format!("{kind}-{}", threads.fetch_add(1, Ordering::Relaxed)))
        .build()
}

/// Stops the runtimes when it is dropped, at the end of a program that uses zenoh no more. Tasks that are spawned
/// after that are cancelled.
#[derive(Debug)]
pub struct ZRuntimePoolGuard;

impl Drop for ZRuntimePoolGuard {
    fn drop(&mut self) {
        let runtimes =
            POOL.iter().filter_map(|slot| slot.runtime.lock().unwrap_or_else(PoisonError::into_inner).take());
        let stopping = runtimes.map(|runtime| std::thread::spawn(move || runtime.shutdown_timeout(SHUTDOWN)));
        for stopped in stopping.collect::<Vec<_>>() {
            let _panicked = stopped.join();
        }
    }
}
