//! A host's tasks can be killed and frozen, whoever spawned them and by whichever way.

#![expect(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod support;

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use support::simulate;
use tokio::gate;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet, yield_now};

/// Lets everything that is due run.
async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}

/// Spawns on behalf of `incarnation`.
fn spawn_in<F>(incarnation: u32, future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let _inside = gate::enter(incarnation);
    tokio::spawn(future)
}

/// Counts its drops.
struct Tombstone(Arc<AtomicUsize>);

impl Drop for Tombstone {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn killed_task_is_never_polled_again_and_its_future_is_leaked() {
    simulate(async {
        let host = gate::new_incarnation();
        let (drops, ticks) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (grave, counter) = (Tombstone(Arc::clone(&drops)), Arc::clone(&ticks));
        let task = spawn_in(host, async move {
            let _grave = grave;
            loop {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        tokio::time::sleep(Duration::from_millis(3_500)).await;
        assert_eq!(ticks.load(Ordering::SeqCst), 4);
        let polls = gate::polls(host);
        assert!(polls >= 4);
        gate::kill(host);
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(ticks.load(Ordering::SeqCst), 4);
        assert_eq!(gate::polls(host), polls);
        assert_eq!(gate::tasks(host), 0);
        assert_eq!(drops.load(Ordering::SeqCst), 0, "a killed future was dropped");
        assert!(task.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn finished_and_aborted_tasks_are_dropped_inside_their_incarnation() {
    struct Where(Arc<AtomicU32>);
    impl Drop for Where {
        fn drop(&mut self) {
            self.0.store(gate::current(), Ordering::SeqCst);
        }
    }
    simulate(async {
        let host = gate::new_incarnation();
        for abort in [false, true] {
            let dropped_in = Arc::new(AtomicU32::new(u32::MAX));
            let guard = Where(Arc::clone(&dropped_in));
            let task = spawn_in(host, async move {
                let _guard = &guard;
                if abort { pending().await } else { yield_now().await }
            });
            settle().await;
            task.abort();
            settle().await;
            assert_eq!(dropped_in.load(Ordering::SeqCst), host);
            assert_eq!(gate::current(), 0);
        }
        assert_eq!((gate::tasks(host), gate::spawned(host)), (0, 2));
    });
}

#[test]
fn host_that_kills_itself_ends_at_its_next_await() {
    simulate(async {
        let host = gate::new_incarnation();
        let reached = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&reached);
        spawn_in(host, async move {
            gate::kill(gate::current());
            counter.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
            counter.fetch_add(1, Ordering::SeqCst);
        });
        settle().await;
        assert_eq!((reached.load(Ordering::SeqCst), gate::tasks(host)), (1, 0));
    });
}

#[test]
fn paused_host_holds_still_and_goes_on_where_it_was() {
    simulate(async {
        let (host, other) = (gate::new_incarnation(), gate::new_incarnation());
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let seen = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&seen);
        spawn_in(host, async move {
            while receiver.recv().await.is_some() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        let neighbour = spawn_in(other, async { yield_now().await });
        settle().await;
        for round in 0..3 {
            gate::pause(host);
            for message in 0..5 {
                sender.send(message).unwrap();
                settle().await;
            }
            assert_eq!(seen.load(Ordering::SeqCst), 5 * round);
            assert!(gate::polls_refused(host) > 0);
            gate::resume(host);
            // A second pause before the woken task runs must not lose its wake-up.
            gate::pause(host);
            settle().await;
            assert_eq!(seen.load(Ordering::SeqCst), 5 * round);
            gate::resume(host);
            settle().await;
            assert_eq!(seen.load(Ordering::SeqCst), 5 * (round + 1));
        }
        neighbour.await.unwrap();
        gate::pause(host);
        sender.send(0).unwrap();
        settle().await;
        gate::kill(host);
        gate::resume(host);
        settle().await;
        assert_eq!((seen.load(Ordering::SeqCst), gate::tasks(host)), (15, 0));
    });
}

#[test]
fn every_way_to_spawn_inherits_the_incarnation() {
    simulate(async {
        let host = gate::new_incarnation();
        let here = || async { gate::current() };
        let seen = spawn_in(host, async move {
            let mut seen = vec![
                gate::current(),
                tokio::spawn(here()).await.unwrap(),
                tokio::task::spawn(async move { tokio::spawn(here()).await.unwrap() }).await.unwrap(),
                Handle::current().spawn(here()).await.unwrap(),
                tokio::task::spawn_blocking(gate::current).await.unwrap(),
                Handle::current().spawn_blocking(gate::current).await.unwrap(),
            ];
            let mut set = JoinSet::new();
            set.spawn(here());
            set.spawn_on(here(), &Handle::current());
            set.spawn_blocking(gate::current);
            set.spawn_blocking_on(gate::current, &Handle::current());
            set.extend([here()]);
            assert_eq!(set.len(), 5);
            seen.extend(set.join_all().await);
            seen
        });
        assert_eq!(seen.await.unwrap(), [host; 11]);
        assert_eq!((gate::spawned(host), gate::tasks(host)), (12, 0));
        assert_eq!((gate::escaped(), gate::current()), (0, 0));
    });
}

#[test]
fn local_tasks_inherit_the_incarnation_and_die_with_it() {
    simulate(async {
        let host = gate::new_incarnation();
        let set = LocalSet::new();
        let alive = Rc::new(());
        let _inside = gate::enter(host);
        let seen = set.run_until(async {
            let mut joined = JoinSet::new();
            joined.spawn_local(async { gate::current() });
            joined.spawn_local_on(async { gate::current() }, &set);
            let direct = tokio::task::spawn_local(async { gate::current() }).await.unwrap();
            let held = Rc::clone(&alive);
            set.spawn_local(async move {
                let _held = held;
                pending::<()>().await;
            });
            let mut seen = joined.join_all().await;
            seen.push(direct);
            seen
        });
        assert_eq!(seen.await, [host; 3]);
        assert_eq!((gate::tasks(host), gate::escaped()), (1, 0));
        gate::kill(host);
        set.await;
        assert_eq!(gate::tasks(host), 0);
        assert_eq!(Rc::strong_count(&alive), 2, "a killed local future was dropped");
    });
}

#[test]
fn spawn_of_a_dead_incarnation_is_aborted_at_once() {
    simulate(async {
        let host = gate::new_incarnation();
        gate::kill(host);
        let task = spawn_in(host, async { 1 });
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!((gate::polls(host), gate::tasks(host)), (0, 0));
    });
}

#[test]
fn spawn_past_the_gate_is_counted_for_hosts_alone() {
    simulate(async {
        let host = gate::new_incarnation();
        real_tokio::spawn(async {}).await.unwrap();
        assert_eq!(gate::escaped(), 0);
        spawn_in(host, async { real_tokio::spawn(async {}).await.unwrap() }).await.unwrap();
        assert_eq!(gate::escaped(), 1);
    });
}

#[test]
fn tasks_that_spin_meet_the_poll_limit() {
    fn on_limit() -> ! {
        panic!("livelock")
    }
    simulate(async {
        let host = gate::new_incarnation();
        let before = gate::total_polls();
        gate::set_poll_limit(100, on_limit);
        let well_behaved = spawn_in(host, async {
            for _ in 0..1_000 {
                gate::restart_poll_count();
                yield_now().await;
            }
        });
        well_behaved.await.unwrap();
        assert_eq!(gate::total_polls() - before, 1_001);
        gate::restart_poll_count();
        let spinning = spawn_in(
            host,
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }),
        );
        assert!(spinning.await.unwrap_err().is_panic());
        assert_eq!(gate::total_polls() - before, 1_101);
    });
}

#[test]
fn slots_of_finished_tasks_are_used_again() {
    simulate(async {
        let host = gate::new_incarnation();
        let long = spawn_in(host, pending::<()>());
        for _ in 0..100 {
            spawn_in(host, async {}).await.unwrap();
        }
        assert_eq!((gate::spawned(host), gate::tasks(host)), (101, 1));
        gate::kill(host);
        assert!(long.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn tasks_of_an_earlier_simulation_stay_dead() {
    simulate(async {
        let host = gate::new_incarnation();
        let ran = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&ran);
        spawn_in(host, async move { counter.fetch_add(1, Ordering::SeqCst) });
        gate::reset();
        let next = gate::new_incarnation();
        assert_eq!(next, host);
        settle().await;
        assert_eq!((ran.load(Ordering::SeqCst), gate::polls(next), gate::tasks(next)), (0, 0, 0));
    });
}

#[test]
fn host_cannot_build_a_runtime() {
    simulate(async {
        let host = gate::new_incarnation();
        let attempt = spawn_in(host, async { tokio::runtime::Builder::new_current_thread().build().is_ok() });
        let panic = attempt.await.unwrap_err().into_panic();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.starts_with("a simulated host built a runtime"), "{message}");
    });
}

#[test]
fn host_cannot_reach_files_or_signals() {
    simulate(async {
        let host = gate::new_incarnation();
        let reading = spawn_in(host, async { tokio::fs::read("/etc/hostname").await.is_ok() });
        assert!(reading.await.unwrap_err().is_panic());
        let waiting = spawn_in(host, async { tokio::signal::ctrl_c().await.is_ok() });
        assert!(waiting.await.unwrap_err().is_panic());
    });
}

#[test]
#[should_panic(expected = "the harness cannot be killed")]
fn harness_cannot_be_killed() {
    simulate(async { gate::kill(0) });
}
