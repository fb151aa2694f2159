//! The guard stops the runtimes; a test file of its own, since there is one pool in a process.

use std::future::pending;
use zenoh_runtime::{ZRuntime, ZRuntimePoolGuard};

#[test]
fn dropping_the_guard_cancels_what_still_runs() {
    let task = ZRuntime::RX.spawn(pending::<()>());
    drop(ZRuntimePoolGuard);
    let waiter = tokio::runtime::Builder::new_current_thread().build().expect("one more runtime");
    let outcome = waiter.block_on(task);
    assert!(outcome.is_err_and(|error| error.is_cancelled()));
}
