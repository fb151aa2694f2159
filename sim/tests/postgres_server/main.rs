//! The metadata store as the real `tokio-postgres` sees it, over real loopback sockets.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod faults;

use std::future::Future;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use squall_sim::servers::postgres::{Auth, Disk, PostgresServer, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, NoTls, SimpleQueryMessage};

const SCHEMA: &str = "
    CREATE TABLE lease (key TEXT PRIMARY KEY, owner TEXT NOT NULL, token BIGINT NOT NULL, expires_ms BIGINT NOT NULL);
    CREATE TABLE slot (n BIGINT PRIMARY KEY, body BYTEA, done BOOLEAN, CHECK (n >= 0));";

const ACQUIRE: &str = "
    INSERT INTO lease (key, owner, token, expires_ms) VALUES ($1, $2, 1, clock_timestamp_ms() + $3)
    ON CONFLICT (key) DO UPDATE
        SET owner = excluded.owner, token = lease.token + 1, expires_ms = excluded.expires_ms
        WHERE lease.expires_ms < clock_timestamp_ms()
    RETURNING token, expires_ms";

const INSERT: &str = "INSERT INTO slot (n) VALUES ($1)";

const NONE: [i64; 0] = [];

/// No test waits longer than this for anything that should happen.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("did not happen in time")
}

/// Long enough for something that must not happen to have happened.
async fn never<T>(what: impl Future<Output = T>) {
    let waited = tokio::time::timeout(Duration::from_millis(100), what).await;
    assert!(waited.is_err(), "happened although it must not");
}

fn disk() -> Disk {
    Disk::new(|| 1_000).unwrap()
}

async fn start(disk: &Disk, config: ServerConfig) -> (u16, JoinHandle<()>) {
    let server = PostgresServer::new(disk.clone(), config);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move { server.serve(listener).await.unwrap() });
    (port, task)
}

async fn try_connect(port: u16, user: &str, password: &str) -> Result<Client, Error> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(user).password(password).dbname("squall");
    let (client, connection) = soon(config.connect(NoTls)).await?;
    tokio::spawn(connection);
    Ok(client)
}

async fn connect(port: u16) -> Client {
    try_connect(port, "squall", "").await.unwrap()
}

/// A server with the schema, and a client of it.
async fn set_up() -> (Disk, u16, Client) {
    let disk = disk();
    let (port, _) = start(&disk, ServerConfig::default()).await;
    let client = connect(port).await;
    soon(client.batch_execute(SCHEMA)).await.unwrap();
    (disk, port, client)
}

async fn insert(client: &Client, n: i64) -> Result<u64, Error> {
    soon(client.execute_typed(INSERT, &[(&n, Type::INT8)])).await
}

fn slots(disk: &Disk) -> Vec<i64> {
    disk.read(|connection| {
        let mut query = connection.prepare("SELECT n FROM slot ORDER BY n").unwrap();
        let rows = query.query_map((), |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    })
    .unwrap()
}

#[track_caller]
fn assert_code<T: std::fmt::Debug>(result: Result<T, Error>, code: &SqlState) {
    let error = result.unwrap_err();
    assert_eq!(error.code(), Some(code), "{error:?}");
}

#[tokio::test]
async fn an_upsert_returns_its_row_only_when_its_condition_holds() {
    static NOW: AtomicI64 = AtomicI64::new(1_000);
    let disk = Disk::new(|| NOW.load(Ordering::Relaxed)).unwrap();
    let (port, _) = start(&disk, ServerConfig::default()).await;
    let client = connect(port).await;
    soon(client.batch_execute(SCHEMA)).await.unwrap();
    let acquire = async |owner: &str| {
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&"acme", Type::TEXT), (&owner, Type::TEXT), (&500_i64, Type::INT8)];
        let rows = soon(client.query_typed(ACQUIRE, &parameters)).await.unwrap();
        rows.first().map(|row| (row.get::<_, i64>("token"), row.get::<_, i64>("expires_ms")))
    };
    assert_eq!(acquire("a").await, Some((1, 1_500)));
    assert_eq!(acquire("b").await, None);
    NOW.store(1_501, Ordering::Relaxed);
    assert_eq!(acquire("b").await, Some((2, 2_001)));
    assert_eq!(disk.query_i64("SELECT token FROM lease"), Ok(Some(2)));
}

#[tokio::test]
async fn values_of_every_type_and_null_come_back_as_they_went() {
    let (_disk, _port, client) = set_up().await;
    let sql = "INSERT INTO slot (n, body, done) VALUES ($1, $2, $3) RETURNING n, body, done";
    for body in [Some(vec![0_u8, 1, 255]), Some(vec![]), None] {
        let n = i64::MAX;
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&n, Type::INT8), (&body, Type::BYTEA), (&body.as_ref().map(|_| true), Type::BOOL)];
        let row = soon(client.query_typed_one(sql, &parameters)).await.unwrap();
        assert_eq!(row.get::<_, i64>(0), n);
        assert_eq!(row.get::<_, Option<Vec<u8>>>(1), body);
        assert_eq!(row.get::<_, Option<bool>>(2), body.as_ref().map(|_| true));
        let deleted = soon(client.execute_typed("DELETE FROM slot", &[])).await.unwrap();
        assert_eq!(deleted, 1);
    }
    let sql = "SELECT $1 AS a, $2 AS b, $3 AS c, $4 AS d /*cols int4,int2,float8,text*/";
    let parameters: [(&(dyn ToSql + Sync), Type); 4] =
        [(&-7_i32, Type::INT4), (&8_i16, Type::INT2), (&0.5_f64, Type::FLOAT8), (&"é", Type::TEXT)];
    let row = soon(client.query_typed_one(sql, &parameters)).await.unwrap();
    assert_eq!((row.get::<_, i32>(0), row.get::<_, i16>(1)), (-7, 8));
    assert_eq!((row.get::<_, f64>(2), row.get::<_, &str>(3)), (0.5, "é"));
}

#[tokio::test]
async fn a_prepared_statement_and_a_simple_query_work_too() {
    let (_disk, _port, client) = set_up().await;
    insert(&client, 3).await.unwrap();
    let read = "SELECT n, body FROM slot WHERE n = $1";
    let prepared = soon(client.prepare_typed(read, &[Type::INT8])).await.unwrap();
    assert_eq!(prepared.columns()[1].type_(), &Type::BYTEA);
    for _ in 0..2 {
        assert_eq!(soon(client.query(&prepared, &[&3_i64])).await.unwrap().len(), 1);
    }
    let messages = soon(client.simple_query("SELECT n, done FROM slot; ; SELECT 1")).await.unwrap();
    let shown: Vec<_> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(shown, ["3", "1"]);
    assert!(soon(client.simple_query(" -- nothing ")).await.is_ok());
}

#[tokio::test]
async fn the_server_calls_itself_simulated() {
    let (port, _) = start(&disk(), ServerConfig::default()).await;
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user("squall");
    let (_client, connection) = soon(config.connect(NoTls)).await.unwrap();
    assert_eq!(connection.parameter("server_version"), Some("15.0 (simulated)"));
}

#[tokio::test]
async fn a_transaction_is_seen_when_it_is_committed_and_not_before() {
    let (disk, port, mut client) = set_up().await;
    let other = connect(port).await;
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&1_i64, Type::INT8)])).await.unwrap();
    assert_eq!(slots(&disk), NONE);
    let count = "SELECT count(*) FROM slot";
    let inside = soon(transaction.query_typed_one(count, &[])).await.unwrap();
    let outside = soon(other.query_typed_one(count, &[])).await.unwrap();
    assert_eq!((inside.get::<_, i64>(0), outside.get::<_, i64>(0)), (1, 0));
    soon(transaction.commit()).await.unwrap();
    assert_eq!(slots(&disk), [1]);
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&2_i64, Type::INT8)])).await.unwrap();
    soon(transaction.rollback()).await.unwrap();
    assert_eq!(slots(&disk), [1]);
}

#[tokio::test]
async fn writers_wait_for_the_open_transaction_in_order_of_arrival() {
    let (disk, port, mut client) = set_up().await;
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&0_i64, Type::INT8)])).await.unwrap();
    soon(transaction.execute_typed("UPDATE slot SET done = TRUE", &[])).await.unwrap();
    let mut waiting = Vec::new();
    for n in 1..=4_i64 {
        let other = connect(port).await;
        waiting.push(tokio::spawn(async move {
            let sql = "INSERT INTO slot (n) SELECT max(n) + $1 FROM slot RETURNING n";
            let row = soon(other.query_typed_one(sql, &[(&(10 * n), Type::INT8)])).await.unwrap();
            row.get::<_, i64>(0)
        }));
        // The next one must come later, or there is no order to keep.
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    assert_eq!(slots(&disk), NONE);
    assert!(waiting.iter().all(|task| !task.is_finished()));
    soon(transaction.commit()).await.unwrap();
    let mut given = Vec::new();
    for task in waiting {
        given.push(soon(task).await.unwrap());
    }
    assert_eq!(given, [10, 30, 60, 100]);
}

#[tokio::test]
async fn a_client_that_leaves_in_a_transaction_frees_the_turn() {
    let (disk, port, mut client) = set_up().await;
    let other = connect(port).await;
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&1_i64, Type::INT8)])).await.unwrap();
    never(other.execute_typed(INSERT, &[(&2_i64, Type::INT8)])).await;
    drop(transaction);
    drop(client);
    assert_eq!(insert(&connect(port).await, 3).await.unwrap(), 1);
    // What the client gave up waiting for was asked all the same.
    assert_eq!(slots(&disk), [2, 3]);
}

#[tokio::test]
async fn an_error_aborts_the_transaction_and_its_commit_keeps_nothing() {
    let (disk, port, mut client) = set_up().await;
    insert(&client, 1).await.unwrap();
    assert_code(insert(&client, 1).await, &SqlState::UNIQUE_VIOLATION);
    assert_code(insert(&client, -1).await, &SqlState::CHECK_VIOLATION);
    let null = soon(client.batch_execute("INSERT INTO lease VALUES ('k', NULL, 1, 1)")).await;
    assert_code(null, &SqlState::NOT_NULL_VIOLATION);
    let other = connect(port).await;
    let transaction = soon(client.transaction()).await.unwrap();
    soon(transaction.execute_typed(INSERT, &[(&2_i64, Type::INT8)])).await.unwrap();
    let twice = soon(transaction.execute_typed(INSERT, &[(&2_i64, Type::INT8)])).await;
    assert_code(twice, &SqlState::UNIQUE_VIOLATION);
    let ignored = soon(transaction.query_typed("SELECT 1", &[])).await;
    assert_code(ignored, &SqlState::IN_FAILED_SQL_TRANSACTION);
    let simple = soon(transaction.batch_execute("SELECT 1")).await;
    assert_code(simple, &SqlState::IN_FAILED_SQL_TRANSACTION);
    // As in PostgreSQL, an aborted transaction holds nothing up.
    insert(&other, 3).await.unwrap();
    soon(transaction.commit()).await.unwrap();
    insert(&client, 4).await.unwrap();
    assert_eq!(slots(&disk), [1, 3, 4]);
}

#[tokio::test]
async fn commit_of_a_failed_transaction_is_tagged_rollback() {
    let (port, _) = start(&disk(), ServerConfig::default()).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut messages = Vec::new();
    let startup = b"\0\x03\0\0user\0squall\0\0";
    messages.extend_from_slice(&(startup.len() as u32 + 4).to_be_bytes());
    messages.extend_from_slice(startup);
    for sql in ["BEGIN\0", "SELECT missing\0", "COMMIT\0"] {
        messages.push(b'Q');
        messages.extend_from_slice(&(sql.len() as u32 + 4).to_be_bytes());
        messages.extend_from_slice(sql.as_bytes());
    }
    messages.extend_from_slice(b"X\0\0\0\x04");
    stream.write_all(&messages).await.unwrap();
    let mut answer = Vec::new();
    soon(stream.read_to_end(&mut answer)).await.unwrap();
    let end = b"C\0\0\0\x0dROLLBACK\0Z\0\0\0\x05I";
    assert!(answer.ends_with(end), "{}", answer.escape_ascii());
}

#[tokio::test]
async fn statements_of_one_text_stand_or_fall_together() {
    let (disk, _port, client) = set_up().await;
    let sql = "INSERT INTO slot (n) VALUES (1); INSERT INTO slot (n) VALUES (1)";
    assert_code(soon(client.batch_execute(sql)).await, &SqlState::UNIQUE_VIOLATION);
    assert_eq!(slots(&disk), NONE);
    disk.faults().fail_commits(1);
    let sql = "INSERT INTO slot (n) VALUES (1); INSERT INTO slot (n) VALUES (2)";
    assert_code(soon(client.batch_execute(sql)).await, &SqlState::T_R_SERIALIZATION_FAILURE);
    assert_eq!(slots(&disk), NONE);
    soon(client.batch_execute(sql)).await.unwrap();
    let sql = "BEGIN; INSERT INTO slot (n) VALUES (3); COMMIT; INSERT INTO slot (n) VALUES (3)";
    assert_code(soon(client.batch_execute(sql)).await, &SqlState::UNIQUE_VIOLATION);
    assert_eq!(slots(&disk), [1, 2, 3]);
}

#[tokio::test]
async fn what_sqlite_would_misread_is_refused_with_a_reason() {
    let (_disk, _port, client) = set_up().await;
    let cast = soon(client.query_typed("SELECT $1::bigint", &[(&1_i64, Type::INT8)])).await;
    let reason = cast.as_ref().unwrap_err().as_db_error().unwrap().message().to_owned();
    assert!(reason.contains("CAST"), "{reason}");
    assert_code(cast, &SqlState::SYNTAX_ERROR);
    let untyped = soon(client.query("SELECT n FROM slot WHERE n = $1", &[&1_i64])).await;
    assert_code(untyped, &SqlState::INDETERMINATE_DATATYPE);
    let array = soon(client.query_typed("SELECT $1", &[(&vec!["a"], Type::TEXT_ARRAY)])).await;
    assert_code(array, &SqlState::FEATURE_NOT_SUPPORTED);
    let nul = soon(client.query_typed("SELECT $1 AS t /*cols text*/", &[(&"a\0b", Type::TEXT)])).await;
    assert_code(nul, &SqlState::CHARACTER_NOT_IN_REPERTOIRE);
    assert_code(soon(client.query_typed("SELECT random()", &[])).await, &SqlState::FEATURE_NOT_SUPPORTED);
    assert_code(soon(client.query_typed("SELECT n FROM nowhere", &[])).await, &SqlState::UNDEFINED_TABLE);
    assert_code(soon(client.batch_execute("PRAGMA query_only = 1")).await, &SqlState::SYNTAX_ERROR);
    insert(&client, 1).await.unwrap();
}

#[tokio::test]
async fn only_the_right_password_opens_a_guarded_server() {
    let auth = Auth::Password { user: "squall".into(), password: "secret".into() };
    let (port, _) = start(&disk(), ServerConfig { auth, ..ServerConfig::default() }).await;
    let client = try_connect(port, "squall", "secret").await.unwrap();
    soon(client.query_typed("SELECT 1", &[])).await.unwrap();
    assert_code(try_connect(port, "squall", "guess").await.map(drop), &SqlState::INVALID_PASSWORD);
    assert_code(try_connect(port, "other", "secret").await.map(drop), &SqlState::INVALID_PASSWORD);
}
