//! Outside a simulation: runtimes of their own, and blocking that blocks.

use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::time::sleep;
use zenoh_runtime::ZRuntime;

fn thread_name() -> String {
    std::thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn each_runtime_has_threads_of_its_own_also_without_a_caller_on_tokio() {
    for kind in ZRuntime::iter() {
        let name = kind.block_in_place(async move { kind.spawn(async { thread_name() }).await.unwrap() });
        assert!(name.starts_with(&format!("{kind}-")), "{name}");
    }
}

#[test]
fn a_handle_is_the_same_each_time_and_of_one_kind() {
    let handles: Vec<*const tokio::runtime::Handle> = ZRuntime::iter().map(|kind| &raw const *kind).collect();
    let again: Vec<*const tokio::runtime::Handle> = ZRuntime::iter().map(|kind| &raw const *kind).collect();
    assert_eq!(handles, again);
    assert!((1..handles.len()).all(|i| handles[..i].iter().all(|other| *other != handles[i])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn blocking_waits_for_other_tasks_of_the_same_worker_and_for_time() {
    let (send, receive) = oneshot::channel();
    tokio::spawn(async move {
        sleep(Duration::from_millis(20)).await;
        send.send(7).unwrap();
    });
    let start = Instant::now();
    assert_eq!(ZRuntime::Application.block_in_place(receive).unwrap(), 7);
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[tokio::test]
#[should_panic(expected = "zenoh blocks its caller")]
async fn blocking_on_a_runtime_with_one_thread_explains_itself() {
    ZRuntime::TX.block_in_place(async {});
}
