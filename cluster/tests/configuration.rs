//! The configuration file, from the outside: what loads, and what errors say.

use proptest::prelude::*;
use squall_cluster::config::{CoordinatorConfig, MaxReconnects, NatsConfig, NodeConfig};
use std::time::Duration;

/// The example of the NATS documentation, to the letter.
const DOCUMENTED: &str = r#"[store."nats"]
type = "nats"
address = ["nats1:4222", "nats2:4222"]
user = "nats-user"
password = "nats-password"
ping-interval = "60s"
max-reconnects = 0
no-echo = true
tls.enable = false

[store."nats".timeout]
connection = "5s"
request = "10s"

[store."nats".capacity]
client = 2048
subscription = 65536
read-buffer = 65535

[cluster]
coordinator = "nats"
"#;

const FULL: &str = r#"[cluster]
node-id = 7
coordinator = "bus"

[cluster.roles.purge]
stores = [1, 2]
accounts = [1, 2]

[cluster.roles.acme]
renew = [5]

[cluster.roles.metrics]
calculate = [3, 4]
push = [4]

[server]
hostname = "mx.example.org"

[store.bus]
type = "nats"
address = "nats:4222"
max-reconnects = 3

[store.db]
type = "postgresql"
host = ["db1", "db2"]
user = "squall"
password = "secret"
database = "squall"
timeout.statement = "750ms"

[blocklist]
allowed-ips = ["192.0.2.1", "2001:db8::/32"]
anti-entropy-interval = "10s"
tombstone-retention = "2d"
"#;

fn nats(config: &NodeConfig) -> &NatsConfig {
    match &config.cluster.coordinator {
        Some(CoordinatorConfig::Nats { nats, .. }) => nats,
        other => panic!("not NATS: {other:?}"),
    }
}

fn error(text: &str) -> String {
    let refused = NodeConfig::parse("node.toml", text);
    refused.expect_err("the file is faulty").to_string()
}

#[test]
fn the_documented_nats_example_loads_with_its_values() {
    let config = NodeConfig::parse("nats.toml", DOCUMENTED).unwrap();
    let nats = nats(&config);
    assert_eq!(nats.address, ["nats1:4222", "nats2:4222"]);
    assert_eq!(nats.login.as_ref().unwrap().password, "nats-password");
    assert_eq!(nats.max_reconnects, MaxReconnects::Disabled);
    assert_eq!(config.cluster.node_id.get(), 1);
}

#[test]
fn defaults_are_the_documented_ones() {
    let spelled_out = NodeConfig::parse("a", DOCUMENTED).unwrap();
    let mut expected = nats(&spelled_out).clone();
    expected.login = None;
    expected.max_reconnects = MaxReconnects::Unlimited;
    let bare = NodeConfig::parse(
        "b",
        "[store.nats]\ntype = 'nats'\naddress = ['nats1:4222', 'nats2:4222']\n[cluster]\ncoordinator = 'nats'",
    )
    .unwrap();
    assert_eq!(*nats(&bare), expected);
}

#[test]
fn every_section_is_read() {
    let config = NodeConfig::parse("node.toml", FULL).unwrap();
    assert_eq!(config.cluster.node_id.get(), 7);
    assert_eq!(config.cluster.roles.purge_accounts.len(), 2);
    assert_eq!(config.cluster.roles.metrics_push.len(), 1);
    assert_eq!(config.server.hostname.as_deref(), Some("mx.example.org"));
    assert_eq!(nats(&config).max_reconnects, MaxReconnects::AtMost(3.try_into().unwrap()));
    let store = config.store.unwrap();
    assert_eq!((store.hosts.len(), store.port), (2, 5432));
    assert_eq!(store.statement_timeout, Duration::from_millis(750));
    assert_eq!(store.connect_timeout, Duration::from_secs(5));
    let blocklist = config.blocklist;
    assert_eq!(blocklist.allowed_ips.len(), 2);
    assert_eq!(blocklist.anti_entropy_interval, Duration::from_secs(10));
    assert_eq!(blocklist.tombstone_retention, Duration::from_secs(2 * 86_400));
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    for text in [DOCUMENTED, FULL] {
        let shown = format!("{:?}", NodeConfig::parse("node.toml", text).unwrap());
        assert!(!shown.contains("nats-password") && !shown.contains("secret"));
    }
}

#[test]
fn an_unknown_key_names_its_place_and_the_nearest_one() {
    let text = FULL.replace("max-reconnects", "max-reconects");
    assert_eq!(error(&text), "node.toml:22:1: unknown key `store.bus.max-reconects`; did you mean `max-reconnects`?");
}

#[test]
fn a_wrong_type_says_what_was_expected() {
    let text = FULL.replace("\"750ms\"", "750");
    assert_eq!(
        error(&text),
        "node.toml:30:21: `store.db.timeout.statement` is not valid: found integer; \
         expected a duration such as \"500ms\", \"60s\", \"10m\", \"1h\" or \"1d\""
    );
}

#[test]
fn node_ids_are_1_to_65535() {
    for id in ["0", "65536", "-1", "1.5", "'1'", "99999999999999999999"] {
        let text = FULL.replace("node-id = 7", &format!("node-id = {id}"));
        let error = error(&text);
        assert!(
            error.starts_with("node.toml:2:11: `cluster.node-id` is not valid")
                && error.ends_with("expected a whole number from 1 to 65535"),
            "{error}"
        );
        let error = self::error(&FULL.replace("renew = [5]", &format!("renew = [5, {id}]")));
        assert!(error.starts_with("node.toml:10:13: "), "{error}");
    }
}

#[test]
fn an_unknown_coordinator_names_the_nearest_store() {
    let text = FULL.replace("coordinator = \"bus\"", "coordinator = \"buss\"");
    assert_eq!(error(&text), "node.toml:3:15: `cluster.coordinator` \"buss\" is not defined; did you mean `bus`?");
}

#[test]
fn all_problems_are_named_in_the_order_of_the_file() {
    let text = FULL.replace("node-id = 7", "node-id = 0").replace("hostname", "hostnam").replace("\"10s\"", "\"0s\"");
    let error = NodeConfig::parse("node.toml", &text).unwrap_err();
    let lines: Vec<_> = error.problems().iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [2, 17, 34]);
}

#[test]
fn values_that_would_break_the_client_are_refused() {
    for (from, to) in [
        ("client = 2048", "client = 0"),
        ("subscription = 65536", "subscription = 0"),
        ("read-buffer = 65535", "read-buffer = 65536"),
        ("ping-interval = \"60s\"", "ping-interval = \"0s\""),
        ("connection = \"5s\"", "connection = \"0ms\""),
        ("address = [\"nats1:4222\", \"nats2:4222\"]", "address = []"),
        ("address = [\"nats1:4222\", \"nats2:4222\"]", ""),
        ("\"nats1:4222\"", "\"http://nats1:port\""),
        ("user = \"nats-user\"", ""),
        ("no-echo = true", "credentials = \"jwt\""),
    ] {
        assert!(DOCUMENTED.contains(from), "{from}");
        let text = DOCUMENTED.replace(from, to);
        assert!(NodeConfig::parse("node.toml", &text).is_err(), "{to}");
    }
}

#[test]
fn a_syntax_error_has_its_place() {
    let error = error("[cluster]\nnode-id = = 1\n");
    assert!(error.starts_with("node.toml:2:11: "), "{error}");
}

#[test]
fn rendering_shows_the_line_at_fault() {
    let text = FULL.replace("node-id = 7", "node-id = 0");
    let error = NodeConfig::parse("node.toml", &text).unwrap_err();
    let mut shown = String::new();
    miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
        .render_report(&mut shown, &error)
        .unwrap();
    assert!(shown.contains("node.toml:2:11"), "{shown}");
    assert!(shown.contains("node-id = 0"), "{shown}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mangled_files_are_errors_with_a_place_and_never_panics(
        cut in any::<prop::sample::Index>(),
        length in 0..20_usize,
        noise in "\\PC{0,8}",
    ) {
        let mut text = FULL.to_owned();
        let start = cut.index(text.len());
        let end = (start + length).min(text.len());
        text.replace_range(start..end, &noise);
        if let Err(error) = NodeConfig::parse("node.toml", &text) {
            for line in error.to_string().lines() {
                let mut place = line.splitn(4, ':');
                prop_assert_eq!(place.next(), Some("node.toml"), "{}", line);
                prop_assert!(place.next().unwrap().parse::<usize>().unwrap() >= 1);
                prop_assert!(place.next().unwrap().parse::<usize>().unwrap() >= 1);
            }
        }
    }
}
