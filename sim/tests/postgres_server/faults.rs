//! What clients see when the server fails, stalls, dies or is leaked, and what remains on its disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use squall_sim::servers::postgres::{DeathPoint, PostgresServer, ServerConfig};
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::{INSERT, NONE, SCHEMA, assert_code, connect, disk, insert, never, set_up, slots, soon, start, try_connect};

#[tokio::test]
async fn a_failed_commit_leaves_the_session_idle() {
    let (disk, port, mut client) = set_up().await;
    let other = connect(port).await;
    disk.faults().fail_commits(1);
    let start = client.build_transaction().isolation_level(IsolationLevel::Serializable).start();
    let transaction = soon(start).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&1_i64, Type::INT8)])).await.unwrap();
    assert_code(soon(transaction.commit()).await, &SqlState::T_R_SERIALIZATION_FAILURE);
    insert(&other, 2).await.unwrap();
    insert(&client, 3).await.unwrap();
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&4_i64, Type::INT8)])).await.unwrap();
    soon(transaction.commit()).await.unwrap();
    assert_eq!(slots(&disk), [2, 3, 4]);
    assert_eq!(disk.faults().counters().failed_commits, 1);
}

#[tokio::test]
async fn refused_statements_change_nothing_and_reads_are_not_refused() {
    let (disk, _port, client) = set_up().await;
    let faults = disk.faults();
    let before = faults.counters();
    faults.fail_statements(2);
    soon(client.query_typed("SELECT 1", &[])).await.unwrap();
    assert_code(insert(&client, 1).await, &SqlState::T_R_SERIALIZATION_FAILURE);
    assert_code(insert(&client, 1).await, &SqlState::T_R_SERIALIZATION_FAILURE);
    insert(&client, 1).await.unwrap();
    faults.fail_commits(1);
    assert_code(insert(&client, 2).await, &SqlState::T_R_SERIALIZATION_FAILURE);
    let after = faults.counters();
    assert_eq!(after.statements - before.statements, 5);
    assert_eq!(after.commits - before.commits, 1);
    assert_eq!((after.failed_statements, after.failed_commits), (2, 1));
    assert_eq!(slots(&disk), [1]);
}

/// A commit during which the server dies, as a single statement or as a transaction, and what a
/// new server on the same disk finds.
async fn die(point: DeathPoint, sql: &'static str) -> Vec<i64> {
    let (disk, port, client) = set_up().await;
    drop((port, client));
    let deaths = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&deaths);
    let on_death = Arc::new(move || {
        told.fetch_add(1, Ordering::Relaxed);
    });
    let (port, task) = start(&disk, ServerConfig { on_death, ..ServerConfig::default() }).await;
    let (client, bystander) = (connect(port).await, connect(port).await);
    disk.faults().die_at_commit(point);
    never(client.batch_execute(sql)).await;
    assert_eq!(deaths.load(Ordering::Relaxed), 1);
    never(bystander.query_typed("SELECT 1", &[])).await;
    never(try_connect(port, "squall", "")).await;
    task.abort();
    let (port, _) = start(&disk, ServerConfig::default()).await;
    let successor = connect(port).await;
    insert(&successor, 9).await.unwrap();
    assert_eq!(disk.faults().counters().deaths, 1);
    slots(&disk)
}

const ALONE: &str = "INSERT INTO slot (n) VALUES (1)";
const IN_TRANSACTION: &str = "BEGIN; INSERT INTO slot (n) VALUES (1); INSERT INTO slot (n) VALUES (2); COMMIT";

#[tokio::test]
async fn what_was_not_committed_at_death_is_not_there() {
    assert_eq!(die(DeathPoint::BeforeCommit, ALONE).await, [9]);
    assert_eq!(die(DeathPoint::BeforeCommit, IN_TRANSACTION).await, [9]);
}

#[tokio::test]
async fn what_was_committed_at_death_is_there_although_nobody_was_told() {
    assert_eq!(die(DeathPoint::AfterCommit, ALONE).await, [1, 9]);
    assert_eq!(die(DeathPoint::AfterCommit, IN_TRANSACTION).await, [1, 2, 9]);
}

#[tokio::test]
async fn a_statement_under_way_at_death_is_never_answered() {
    let (disk, port, client) = set_up().await;
    let (reader, writer) = (connect(port).await, connect(port).await);
    disk.faults().set_service_time(Duration::from_millis(90));
    disk.faults().die_at_commit(DeathPoint::AfterCommit);
    let dying = tokio::spawn(async move { insert(&client, 1).await });
    tokio::time::sleep(Duration::from_millis(30)).await;
    let reading = tokio::spawn(async move { reader.query_typed("SELECT 1", &[]).await });
    let writing = tokio::spawn(async move { writer.execute_typed(INSERT, &[(&2_i64, Type::INT8)]).await });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(disk.faults().counters().deaths, 1);
    assert!(!dying.is_finished() && !reading.is_finished() && !writing.is_finished());
    assert_eq!(slots(&disk), [1]);
}

#[test]
fn a_leaked_server_in_a_transaction_does_not_hold_up_the_next() {
    let disk = disk();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let old = runtime();
    let held = old.block_on(async {
        let (port, _) = start(&disk, ServerConfig::default()).await;
        let mut client = connect(port).await;
        soon(client.batch_execute(SCHEMA)).await.unwrap();
        let waiting = connect(port).await;
        let transaction = soon(client.transaction()).await.unwrap();
        soon(transaction.execute_typed(INSERT, &[(&1_i64, Type::INT8)])).await.unwrap();
        never(waiting.execute_typed(INSERT, &[(&2_i64, Type::INT8)])).await;
        std::mem::forget(transaction);
        (client, waiting)
    });
    // A killed host: no destructor runs, nothing is polled again.
    std::mem::forget((old, held));
    runtime().block_on(async {
        let (port, _) = start(&disk, ServerConfig::default()).await;
        assert_eq!(slots(&disk), NONE);
        insert(&connect(port).await, 3).await.unwrap();
        assert_eq!(slots(&disk), [3]);
    });
}

#[tokio::test]
async fn a_server_whose_disk_was_taken_over_turns_its_clients_out() {
    let (disk, _port, client) = set_up().await;
    let _successor = PostgresServer::new(disk.clone(), ServerConfig::default());
    assert_code(insert(&client, 1).await, &SqlState::ADMIN_SHUTDOWN);
    assert_eq!(slots(&disk), NONE);
}

#[tokio::test]
async fn an_idle_transaction_is_ended_and_frees_the_turn() {
    let disk = disk();
    let limit = Duration::from_millis(150);
    let config = ServerConfig { idle_in_transaction_timeout: limit, ..ServerConfig::default() };
    let (port, _) = start(&disk, config).await;
    let mut client = connect(port).await;
    soon(client.batch_execute(SCHEMA)).await.unwrap();
    let other = connect(port).await;
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&1_i64, Type::INT8)])).await.unwrap();
    assert_eq!(insert(&other, 2).await.unwrap(), 1);
    assert!(soon(transaction.commit()).await.is_err());
    assert!(client.is_closed());
    assert_eq!(slots(&disk), [2]);
    // Outside a transaction nobody is hurried.
    tokio::time::sleep(2 * limit).await;
    insert(&other, 3).await.unwrap();
}

#[tokio::test]
async fn service_time_is_spent_before_each_statement() {
    let (disk, _port, client) = set_up().await;
    disk.faults().set_service_time(Duration::from_millis(60));
    let asked = tokio::time::Instant::now();
    insert(&client, 1).await.unwrap();
    soon(client.query_typed("SELECT 1", &[])).await.unwrap();
    assert!(asked.elapsed() >= Duration::from_millis(120));
    disk.faults().heal();
    insert(&client, 2).await.unwrap();
    assert_eq!(slots(&disk), [1, 2]);
}
