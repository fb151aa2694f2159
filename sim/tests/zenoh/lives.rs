//! How sessions begin and end.

use crate::support::{DOCUMENTED, Log, endpoints, host, quiet};
use squall_sim::world::Finished;
use squall_sim::{HostSpec, Program, World, run};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use zenoh::{Config, Session, Wait};
use zenoh_runtime::ZRuntime;
use zenoh_task::{TaskController, TerminatableTask};

/// Runs `work` on a host beside a peer that lives all the time.
fn beside_a_peer<T, F>(work: impl FnOnce() -> F + Send) -> Finished<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let idle: Program = Arc::new(|_| Box::pin(pending()));
    let hosts =
        vec![host(0, endpoints(0), &Log::default()), HostSpec { name: "p1".into(), program: idle, wall_offset_ns: 0 }];
    run(quiet(1), hosts, |world: World| async move {
        sleep(Duration::from_secs(1)).await;
        world.spawn(world.host("p1").unwrap(), work()).unwrap().await.unwrap()
    })
}

async fn open(config: String) -> Session {
    let config = Config::from_json5(&config).unwrap();
    tokio::task::spawn_blocking(|| zenoh::open(config).wait()).await.unwrap().unwrap()
}

/// Waits until the session has a peer.
async fn connected(session: &Session) -> Duration {
    let start = Instant::now();
    while session.info().peers_zid().await.count() == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    start.elapsed()
}

#[test]
fn opening_waits_for_the_first_scouted_peer_in_simulated_time() {
    let (alone, elapsed) = {
        let idle: Program = Arc::new(|_| Box::pin(pending()));
        let hosts = vec![HostSpec { name: "p0".into(), program: idle, wall_offset_ns: 0 }];
        run(quiet(1), hosts, |world: World| async move {
            let work = async {
                let start = Instant::now();
                let session = open(DOCUMENTED.to_owned()).await;
                (session.info().peers_zid().await.count(), start.elapsed())
            };
            world.spawn(world.host("p0").unwrap(), work).unwrap().await.unwrap()
        })
        .result
    };
    // `scouting/delay`, and nobody came.
    assert_eq!((alone, elapsed.as_millis()), (0, 500));
}

#[test]
fn a_closed_session_leaves_no_task_and_no_socket_and_can_be_opened_again() {
    let finished = beside_a_peer(|| async {
        let tasks = |world: World| world.tasks(world.host("p1").unwrap());
        for _ in 0..2 {
            let session = open(endpoints(1)).await;
            connected(&session).await;
            session.close().await.unwrap();
            drop(session);
            sleep(Duration::from_secs(1)).await;
            // This task itself.
            assert_eq!(tasks(World::current()), 2);
            let port = tokio::net::TcpListener::bind("0.0.0.0:7447").await;
            assert!(port.is_ok(), "{port:?}");
        }
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
}

#[test]
fn a_dropped_session_goes_on_closing_by_itself() {
    let finished = beside_a_peer(|| async {
        let session = open(endpoints(1)).await;
        connected(&session).await;
        drop(session);
        sleep(Duration::from_secs(1)).await;
        let again = open(endpoints(1)).await;
        connected(&again).await;
        again.close().await.unwrap();
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
}

#[test]
fn what_a_session_declares_is_undeclared_without_waiting() {
    let finished = beside_a_peer(|| async {
        let session = open(endpoints(1)).await;
        connected(&session).await;
        let subscriber = session.declare_subscriber("squall/0").await.unwrap();
        let text = subscriber.recv_async().await.unwrap().payload().try_to_string().unwrap().into_owned();
        subscriber.undeclare().await.unwrap();
        session.declare_publisher("squall/1").await.unwrap().undeclare().await.unwrap();
        drop(session.declare_subscriber("squall/0").await.unwrap());
        session.close().await.unwrap();
        text
    });
    assert!(finished.result.starts_with("0 0 "), "{}", finished.result);
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
}

#[test]
fn tasks_that_zenoh_terminates_where_it_cannot_await_end_in_their_next_turn() {
    let finished = beside_a_peer(|| async {
        let tasks = || World::current().tasks(World::current().host("p1").unwrap());
        let before = tasks();
        let controller = TaskController::default();
        let token = controller.get_cancellation_token();
        controller.spawn_with_rt(ZRuntime::Net, async move { token.cancelled().await });
        controller.spawn_abortable_with_rt(ZRuntime::Net, pending::<()>());
        let mut task = TerminatableTask::spawn_abortable(ZRuntime::Net, pending::<()>());
        sleep(Duration::from_millis(1)).await;
        assert_eq!(tasks(), before + 3);
        assert_eq!(controller.terminate_all(Duration::from_secs(10)), 0);
        assert!(task.terminate(Duration::from_secs(10)));
        tokio::task::yield_now().await;
        assert_eq!(tasks(), before);
    });
    assert!(finished.facts.panics.is_empty(), "{:?}", finished.facts.panics);
}

#[test]
fn opening_on_a_task_that_would_have_to_wait_explains_itself() {
    let finished = beside_a_peer(|| async {
        let config = Config::from_json5(DOCUMENTED).unwrap();
        tokio::spawn(async { zenoh::open(config).await }).await.unwrap_err().is_panic()
    });
    assert!(finished.result);
    let [panic] = &finished.facts.panics[..] else { panic!("{:?}", finished.facts.panics) };
    assert!(panic.message.contains("do it in tokio::task::spawn_blocking"), "{}", panic.message);
}
