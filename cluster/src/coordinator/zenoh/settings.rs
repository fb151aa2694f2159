//! What the node sets in the client's configuration.

use crate::config::ZenohConfig;
use serde_json::Value;

/// Set whatever the file says; the configuration refuses files that say something else.
///
/// Opening a session blocks a thread, so nothing in it waits for another node: peers are connected to in the background and for
/// ever. (A client of routers is useless without one; there one failed attempt ends the session, and the node builds the next.) A
/// listener that cannot be had ends the session likewise.
const FORCED: [(&str, &str); 5] = [
    ("open/return_conditions/connect_scouted", "false"),
    ("connect/timeout_ms", "{ router: -1, peer: -1, client: 0 }"),
    ("connect/exit_on_failure", "{ router: false, peer: false, client: true }"),
    ("listen/timeout_ms", "0"),
    ("listen/exit_on_failure", "true"),
];

/// Where the file is silent. In batches of 64 KiB each; memory is taken when they fill.
const QUEUE_SIZES: [&str; 2] = ["control", "data"];
const QUEUE_SIZE: &str = "16";

/// The client's configuration.
///
/// # Errors
/// What Zenoh does not understand; the configuration file was refused then.
pub(super) fn client(config: &ZenohConfig) -> Result<zenoh::Config, String> {
    let explain = |error: &dyn std::fmt::Display| format!("config: {error}");
    let written: Value = json5::from_str(&config.config).map_err(|error| explain(&error))?;
    let mut client = zenoh::Config::from_json5(&config.config).map_err(|error| explain(&error))?;
    let mut set = |key: &str, value: &str| client.insert_json5(key, value).map_err(|error| explain(&error));
    for (key, value) in FORCED {
        set(key, value)?;
    }
    for queue in QUEUE_SIZES {
        let key = format!("transport/link/tx/queue/size/{queue}");
        if written.pointer(&format!("/{key}")).is_none() {
            set(&key, QUEUE_SIZE)?;
        }
    }
    Ok(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client_of(text: &str) -> zenoh::Config {
        client(&ZenohConfig { config: text.to_owned() }).unwrap()
    }

    #[test]
    fn the_file_reaches_the_client_and_what_must_be_is_forced() {
        let config = client_of("{mode: 'peer', listen: {endpoints: ['tcp/127.0.0.1:7447']}, scouting: {delay: 7}}");
        for (key, expected) in [
            ("mode", "\"peer\""),
            ("scouting/delay", "7"),
            ("listen/endpoints", "[\"tcp/127.0.0.1:7447\"]"),
            ("open/return_conditions/connect_scouted", "false"),
            ("connect/timeout_ms", "{\"router\":-1,\"peer\":-1,\"client\":0}"),
            ("listen/exit_on_failure", "true"),
        ] {
            assert_eq!(config.get_json(key).unwrap(), expected, "{key}");
        }
    }

    #[test]
    fn queues_are_long_unless_the_file_gives_their_size() {
        let size =
            |config: &zenoh::Config, queue| config.get_json(&format!("transport/link/tx/queue/size/{queue}")).unwrap();
        let config = client_of("{}");
        assert_eq!((size(&config, "data"), size(&config, "background")), ("16".into(), "2".into()));
        let config = client_of("{transport: {link: {tx: {queue: {size: {data: 1}}}}}}");
        assert_eq!((size(&config, "data"), size(&config, "control")), ("1".into(), "16".into()));
    }
}
