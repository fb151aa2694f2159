//! Zenoh's section of the configuration file, from the outside: what loads, with which warnings, and what errors say.
#![expect(clippy::unwrap_used, reason = "clippy takes only test functions for tests, not their helpers")]

use squall_cluster::config::{CoordinatorConfig, NodeConfig};

/// The example of the peer-to-peer documentation, to the letter: its `mode: peer` is not JSON5.
const DOCUMENTED: &str = r#"[store."peer-to-peer"]
type = "zenoh"
config = '''
{
  mode: peer,
  scouting: {
    multicast: {
      enabled: true,
      address: "224.0.0.224:7446",
      interface: "auto",
      autoconnect: { router: [], peer: ["router", "peer"] }, 
      listen: true,
    },
  },
}'''

[cluster]
coordinator = "peer-to-peer"
"#;

const WARNING: &str = "node.toml:5:9: `store.peer-to-peer.config` has the bare word `peer`, which is not JSON5; \
                       it is read as \"peer\"; write `mode: \"peer\"`";

fn load(text: &str) -> NodeConfig {
    NodeConfig::parse("node.toml", text).unwrap()
}

fn warnings(config: &NodeConfig) -> Vec<String> {
    config.warnings.iter().map(|warning| warning.located("node.toml")).collect()
}

fn error(text: &str) -> String {
    NodeConfig::parse("node.toml", text).expect_err("the file is faulty").to_string()
}

#[test]
fn the_documented_example_loads_and_says_what_to_write_instead() {
    let config = load(DOCUMENTED);
    assert_eq!(warnings(&config), [WARNING]);
    let Some(CoordinatorConfig::Zenoh { name, zenoh }) = &config.cluster.coordinator else { panic!("{config:?}") };
    assert_eq!(name, "peer-to-peer");
    assert!(zenoh.config.contains("mode: \"peer\",\n  scouting"), "{}", zenoh.config);
}

#[test]
fn the_example_written_as_the_warning_says_loads_without_one() {
    let corrected = load(&DOCUMENTED.replace("mode: peer", "mode: \"peer\""));
    assert!(corrected.warnings.is_empty());
    assert_eq!(corrected.cluster, load(DOCUMENTED).cluster);
}

#[test]
fn mistakes_in_the_text_have_their_place_in_the_file() {
    let misspelt = DOCUMENTED.replace("multicast:", "multicats:");
    assert_eq!(
        error(&misspelt),
        "node.toml:7:5: `store.peer-to-peer.config` has the key `multicats`, which Zenoh does not know; \
         did you mean `multicast`?"
    );
    let unfinished = DOCUMENTED.replace("enabled: true,", "enabled: ,");
    let error = error(&unfinished);
    assert!(error.starts_with("node.toml:8:16: `store.peer-to-peer.config` is not JSON5; expected"), "{error}");
}

#[test]
fn a_text_with_escapes_tells_the_place_within_it() {
    let text = "[store.p2p]\ntype = 'zenoh'\nconfig = \"{\\n mode: peer,\\n listen: {endpoints: ['ws/[::]:1']}}\"\n";
    let error = error(text);
    assert_eq!(
        error,
        "node.toml:3:10: `store.p2p.config` has the endpoint \"ws/[::]:1\", and the client is built for TCP only \
         (line 3, column 23 of the text); write \"tcp/HOST:PORT\""
    );
}

#[test]
fn the_text_is_required_and_must_not_be_empty() {
    let missing = error("[store.p2p]\ntype = 'zenoh'\n");
    assert_eq!(missing, "node.toml:1:1: `store.p2p.config` is missing; add `config` to this table; it has no default");
    let empty = error("[store.p2p]\ntype = 'zenoh'\nconfig = ''\n");
    assert!(empty.starts_with("node.toml:3:10: `store.p2p.config` is not JSON5"), "{empty}");
}
