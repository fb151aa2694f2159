//! The sections of Redis and Kafka, from the outside: what loads, and what errors say.

use squall_cluster::config::{
    CoordinatorConfig, KafkaConfig, NodeConfig, RedisConfig, RedisKind, RedisProtocol, RedisReads,
};
use std::time::Duration;

const REDIS_CLUSTER: &str = r#"[cluster]
coordinator = "bus"

[store.bus]
type = "redis"
redis-type = "cluster"
urls = ["rediss://redis1:6379", "rediss://redis2:6379"]
timeout = "3s"
user = "node"
password = "topsecret"
retry.total = 5
retry.min-wait = "10ms"
retry.max-wait = "1s"
read-from-replicas = true
protocol-version = "resp3"
pool.max-connections = 4
pool.create-timeout = "1s"
pool.wait-timeout = "2s"
pool.recycle-timeout = "4s"
"#;

const KAFKA: &str = r#"[cluster]
coordinator = "bus"

[store.bus]
type = "kafka"
brokers = ["kafka1:9092", "kafka2:9092"]
group-id = "mail"
timeout.session = "3s"
timeout.message = "2s"
"#;

/// A certificate of nobody.
const AUTHORITY: &str = "-----BEGIN CERTIFICATE-----\n\
MIIBcDCCARegAwIBAgIUGXcHQR0KqlrqyRP7ygqP3anqAvAwCgYIKoZIzj0EAwIw\n\
DTELMAkGA1UEAwwCY2EwIBcNMjYxMTIyMDMyNDM3WhgPMjEyNjEwMjkwMzI0Mzda\n\
MA0xCzAJBgNVBAMMAmNhMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWh9Fo88d\n\
N9cn/2fyn7jcDKxYjL4SysMAAD9JhKZnLVxtnBpCpDPxyQChTsSTlwXrpClu00v+\n\
439QnhmEASKpiaNTMFEwHQYDVR0OBBYEFAVLKHlzRVDWYq4yVAIS1hKBH/+ZMB8G\n\
A1UdIwQYMBaAFAVLKHlzRVDWYq4yVAIS1hKBH/+ZMA8GA1UdEwEB/wQFMAMBAf8w\n\
CgYIKoZIzj0EAwIDRwAwRAIgNdnLJiWiNUqntMY1saSvhw1TQF0H+AZ3tB+TOlqG\n\
YKgCIA8lh4WKEtC3iTEpSv2thmJeTMDx0Ouzfoqnmp2pEqqk\n\
-----END CERTIFICATE-----\n";

/// A Redis server and nothing else, with these lines more.
fn redis_with(lines: &str) -> String {
    format!("[cluster]\ncoordinator = 'bus'\n[store.bus]\ntype = 'redis'\nurls = 'rediss://r:6379'\n{lines}\n")
}

fn redis(config: &NodeConfig) -> &RedisConfig {
    match &config.cluster.coordinator {
        Some(CoordinatorConfig::Redis { redis, .. }) => redis,
        other => panic!("not Redis: {other:?}"),
    }
}

fn kafka(text: &str) -> KafkaConfig {
    match NodeConfig::parse("node.toml", text).expect("the file is valid").cluster.coordinator {
        Some(CoordinatorConfig::Kafka { kafka, .. }) => kafka,
        other => panic!("not Kafka: {other:?}"),
    }
}

fn error(text: &str) -> String {
    let refused = NodeConfig::parse("node.toml", text);
    refused.expect_err("the file is faulty").to_string()
}

#[test]
fn redis_defaults_are_the_documented_ones() {
    let config = NodeConfig::parse("node.toml", &redis_with("")).unwrap();
    let redis = redis(&config);
    assert_eq!((&redis.kind, redis.timeout), (&RedisKind::Single, Duration::from_secs(10)));
    assert_eq!((redis.pool.max_connections.get(), &redis.authorities), (10, &None));
    let pool = &redis.pool;
    for limit in [pool.create_timeout, pool.wait_timeout, pool.recycle_timeout] {
        assert_eq!(limit, Duration::from_secs(30));
    }
    let config = NodeConfig::parse("node.toml", &redis_with("redis-type = 'cluster'")).unwrap();
    let RedisKind::Cluster(cluster) = &self::redis(&config).kind else { panic!("no cluster: {config:?}") };
    assert_eq!((cluster.reads, cluster.protocol), (RedisReads::Primaries, RedisProtocol::Resp2));
    assert_eq!((&cluster.user, &cluster.password, cluster.retries), (&None, &None, None));
}

#[test]
fn every_redis_key_is_read() {
    let config = NodeConfig::parse("node.toml", REDIS_CLUSTER).unwrap();
    let redis = redis(&config);
    assert_eq!((redis.urls.len(), redis.timeout), (2, Duration::from_secs(3)));
    let pool = &redis.pool;
    assert_eq!((pool.max_connections.get(), pool.create_timeout), (4, Duration::from_secs(1)));
    assert_eq!((pool.wait_timeout, pool.recycle_timeout), (Duration::from_secs(2), Duration::from_secs(4)));
    let RedisKind::Cluster(cluster) = &redis.kind else { panic!("no cluster: {redis:?}") };
    assert_eq!((cluster.user.as_deref(), cluster.password.as_deref()), (Some("node"), Some("topsecret")));
    assert_eq!((cluster.retries, cluster.min_wait), (Some(5), Some(Duration::from_millis(10))));
    assert_eq!((cluster.max_wait, cluster.reads), (Some(Duration::from_secs(1)), RedisReads::Replicas));
    assert_eq!(cluster.protocol, RedisProtocol::Resp3);
}

#[test]
fn keys_of_a_redis_cluster_are_refused_for_a_single_server() {
    for line in
        ["user = 'u'", "password = 'p'", "retry.total = 1", "read-from-replicas = true", "protocol-version = 'resp3'"]
    {
        let error = error(&redis_with(line));
        assert!(error.contains("is for a Redis Cluster") && error.contains("redis://user:password@host"), "{error}");
    }
}

#[test]
fn values_that_redis_or_its_client_could_not_take_are_refused() {
    for (from, to) in [
        ("\"rediss://redis1:6379\"", "\"redis1:6379\""),
        ("\"rediss://redis1:6379\"", "\"rediss://\""),
        ("\"cluster\"", "\"sentinel\""),
        ("\"resp3\"", "\"resp4\""),
        ("retry.total = 5", "retry.total = 33"),
        ("\"10ms\"", "\"2s\""),
        ("max-connections = 4", "max-connections = 0"),
        ("timeout = \"3s\"", "timeout = \"0s\""),
        ("password = \"topsecret\"\n", ""),
        ("[\"rediss://redis1:6379\", \"rediss://redis2:6379\"]", "[]"),
        ("pool.max", "pool.maximum"),
    ] {
        assert!(REDIS_CLUSTER.contains(from), "{from}");
        let text = REDIS_CLUSTER.replacen(from, to, 1);
        assert!(NodeConfig::parse("node.toml", &text).is_err(), "{to}");
    }
}

#[test]
fn kafka_keys_are_read_and_have_the_documented_defaults() {
    let full = kafka(KAFKA);
    assert_eq!((full.brokers.len(), full.group_id.as_str()), (2, "mail"));
    assert_eq!((full.session_timeout, full.message_timeout), (Duration::from_secs(3), Duration::from_secs(2)));
    let bare = kafka(&KAFKA.replace("timeout.session = \"3s\"\ntimeout.message = \"2s\"\n", ""));
    assert_eq!((bare.session_timeout, bare.message_timeout), (Duration::from_secs(5), Duration::from_secs(5)));
}

#[test]
fn values_that_kafka_could_not_take_are_refused() {
    for (from, to) in [
        ("\"kafka1:9092\"", "\"kafka1\""),
        ("\"kafka1:9092\"", "\"kafka1:0\""),
        ("\"kafka1:9092\"", "\"kafka://kafka1:9092\""),
        ("[\"kafka1:9092\", \"kafka2:9092\"]", "[]"),
        ("\"mail\"", "\"\""),
        ("group-id = \"mail\"\n", ""),
        ("\"3s\"", "\"0s\""),
        ("timeout.message", "timeout.massage"),
    ] {
        assert!(KAFKA.contains(from), "{from}");
        assert!(NodeConfig::parse("node.toml", &KAFKA.replace(from, to)).is_err(), "{to}");
    }
}

#[test]
fn authorities_are_certificates_and_need_tls() {
    let lines = format!("tls.ca = \"\"\"\n{AUTHORITY}\"\"\"");
    let config = NodeConfig::parse("node.toml", &redis_with(&lines)).unwrap();
    assert!(redis(&config).authorities.as_ref().unwrap().pem().contains("BEGIN CERTIFICATE"));
    let plain = redis_with(&lines).replace("rediss://", "redis://");
    assert!(error(&plain).contains("`store.bus.tls.ca` is of no use without TLS"), "{}", error(&plain));
    let nats = plain.replace("type = 'redis'", "type = 'nats'").replace("urls = 'redis://", "address = '");
    match NodeConfig::parse("node.toml", &nats).unwrap().cluster.coordinator {
        Some(CoordinatorConfig::Nats { nats, .. }) => assert!(nats.authorities.is_some()),
        other => panic!("not NATS: {other:?}"),
    }
    for (faulty, says) in [
        ("tls.ca = 'ca.pem'".to_owned(), "holds no certificate"),
        (lines.replace("MII", "AAA"), "has an unusable certificate, number 1"),
    ] {
        let error = error(&redis_with(&faulty));
        assert!(error.contains(says) && error.contains("the text of a PEM file"), "{error}");
    }
}

#[test]
fn passwords_do_not_show_in_debug_output() {
    let in_url = redis_with("").replace("//r:", "//user:topsecret@r:");
    for text in [REDIS_CLUSTER, &in_url] {
        let shown = format!("{:?}", NodeConfig::parse("node.toml", text).unwrap());
        assert!(shown.contains("6379") && !shown.contains("topsecret"), "{shown}");
    }
}
