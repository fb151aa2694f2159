//! `spawn_blocking` inside a simulation: whose work it is, and what blocking means there.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

mod support;

use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use support::simulate;
use tokio::gate;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

fn spawn_in<F>(incarnation: u32, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _inside = gate::enter(incarnation);
    tokio::spawn(future)
}

#[test]
fn tasks_started_inside_spawn_blocking_belong_to_the_caller() {
    simulate(async {
        let host = gate::new_incarnation();
        let simulation = std::thread::current().id();
        let started = spawn_in(host, async move {
            tokio::task::spawn_blocking(move || {
                assert_ne!(std::thread::current().id(), simulation);
                let nested = tokio::task::spawn_blocking(gate::current);
                (tokio::spawn(pending::<()>()), nested, Handle::current().block_on(async { gate::current() }))
            })
            .await
            .unwrap()
        });
        let (task, nested, inside) = started.await.unwrap();
        assert_eq!((inside, nested.await.unwrap()), (host, host));
        assert_eq!((gate::tasks(host), gate::escaped()), (1, 0));
        gate::kill(host);
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn panic_inside_spawn_blocking_reaches_its_caller_alone() {
    simulate(async {
        let host = gate::new_incarnation();
        let outcome = spawn_in(host, async { tokio::task::spawn_blocking(|| panic!("boom")).await });
        assert!(outcome.await.unwrap().unwrap_err().is_panic());
        assert_eq!((gate::tasks(host), gate::current()), (0, 0));
        assert_eq!(spawn_in(host, async { gate::current() }).await.unwrap(), host);
    });
}

#[test]
fn block_on_inside_spawn_blocking_waits_while_time_passes_for_all() {
    simulate(async {
        let host = gate::new_incarnation();
        let start = Instant::now();
        let (send, receive) = tokio::sync::oneshot::channel();
        let blocked = spawn_in(host, async {
            tokio::task::spawn_blocking(move || {
                let (handle, before) = (Handle::current(), Instant::now());
                let text: &str = handle.block_on(receive).unwrap();
                handle.block_on(sleep(Duration::from_secs(3)));
                handle.block_on(async { tokio::task::yield_now().await });
                (text, before.elapsed(), gate::current())
            })
            .await
            .unwrap()
        });
        sleep(Duration::from_secs(2)).await;
        assert!(!blocked.is_finished());
        send.send("sent").unwrap();
        assert_eq!(blocked.await.unwrap(), ("sent", Duration::from_secs(5), host));
        assert_eq!((start.elapsed(), gate::tasks(host), gate::current()), (Duration::from_secs(5), 0, 0));
    });
}

#[test]
fn a_killed_host_leaves_its_blocked_closure_where_it_is() {
    simulate(async {
        let host = gate::new_incarnation();
        let witness = Arc::new(());
        let held = Arc::clone(&witness);
        let _killed = spawn_in(host, async {
            tokio::task::spawn_blocking(move || {
                let _held = held;
                Handle::current().block_on(pending::<()>());
            })
            .await
        });
        sleep(Duration::from_secs(1)).await;
        gate::kill(host);
        sleep(Duration::from_secs(1)).await;
        assert_eq!((gate::tasks(host), Arc::strong_count(&witness)), (0, 2));
    });
}
