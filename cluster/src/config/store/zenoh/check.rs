//! What is wrong with the JSON5 text of a Zenoh configuration, and where in it.

use super::outline::Outline;
use super::repair::Repaired;
use crate::config::reader::nearest;
use serde_json::Value;
use std::ops::Range;

/// One thing to tell about the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Where in the text as it was written, in bytes; `None` is all of it.
    pub(super) range: Option<Range<usize>>,
    /// What, as a fragment that follows the name of the key in the file.
    pub(super) message: String,
    /// What to do about it.
    pub(super) help: String,
}

impl Finding {
    fn new(range: Option<Range<usize>>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { range, message: message.into(), help: help.into() }
    }
}

/// A text after judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// What Zenoh is given.
    pub(super) text: String,
    /// What was repaired.
    pub(super) warnings: Vec<Finding>,
    /// Why it cannot be used.
    pub(super) errors: Vec<Finding>,
}

/// Judges a text, after repairing it if it is not JSON5 as it stands.
pub(super) fn check(written: &str) -> Checked {
    let (repaired, parsed) = match json5::from_str::<Value>(written) {
        Ok(value) => (Repaired::untouched(written), Ok(value)),
        Err(_) => {
            let repaired = Repaired::of(written);
            let parsed = json5::from_str::<Value>(&repaired.text);
            (repaired, parsed)
        }
    };
    let mut errors = match parsed.and_then(|value| schema(&repaired.text).map(|()| value)) {
        Ok(value) => unsupported(&repaired.text, &value),
        Err(error) => vec![explained(&repaired.text, error)],
    };
    if errors.is_empty()
        && let Err(error) = zenoh::Config::from_json5(&repaired.text)
    {
        let help = "check that queue sizes are 1 to 16 and that `user` comes with `password`";
        errors.push(Finding::new(None, format!("is refused by Zenoh: {error}"), help));
    }
    for error in &mut errors {
        error.range = error.range.take().map(|range| repaired.written(range.start)..repaired.written(range.end));
    }
    let warnings = repaired.roles.iter().map(|role| {
        let bare = &written[role.range.clone()];
        let message = format!("has the bare word `{bare}`, which is not JSON5; it is read as \"{bare}\"");
        Finding::new(Some(role.range.clone()), message, format!("write `{}`", role.correct))
    });
    Checked { warnings: warnings.collect(), text: repaired.text, errors }
}

/// Names and types, with the place of the first that does not fit.
fn schema(text: &str) -> Result<(), json5::Error> {
    json5::from_str::<zenoh::Config>(text).map(drop)
}

fn explained(text: &str, error: json5::Error) -> Finding {
    let json5::Error::Message { msg, location } = error;
    let range = location.map(|location| {
        let start = offset(text, location.line, location.column);
        let length = text[start..].chars().next().map_or(0, char::len_utf8);
        start..start + length
    });
    if let Some((unknown, candidates)) = unknown_field(&msg) {
        let range = Outline::of(text).keys.into_iter().map(|key| key.range);
        // The parser reports the value that holds the key; the key itself says more.
        let range = range.into_iter().find(|range| text[range.clone()].trim_matches(['"', '\'']) == unknown);
        let help = nearest(unknown, candidates.iter().copied())
            .unwrap_or_else(|| format!("known here: {}", candidates.join(", ")));
        return Finding::new(range, format!("has the key `{unknown}`, which Zenoh does not know"), help);
    }
    // A syntax error is a drawing of the place; its last line says what was expected.
    match msg.rsplit_once("= ") {
        Some((_, expected)) => Finding::new(range, "is not JSON5", expected.trim().replace('_', " ")),
        None => Finding::new(range, format!("does not fit: {msg}"), "see Zenoh's DEFAULT_CONFIG.json5"),
    }
}

/// The field that serde does not know, and those that it does.
fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field `")?.split('`').step_by(2);
    Some((quoted.next()?, quoted.filter(|name| !name.is_empty()).collect()))
}

/// Line and column, both from 1 and the latter in characters, as a byte of the text.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(start..).unwrap_or_default();
    let within = rest.char_indices().nth(column.saturating_sub(1)).map_or(rest.len(), |(at, _)| at);
    start + within
}

/// Settings that this build of the client would silently ignore.
const NOT_BUILT: [(&str, &str); 9] = [
    ("plugins", "the client is built without plugins; drop it"),
    ("plugins_loading", "the client is built without plugins; drop it"),
    ("transport/auth/usrpwd", "the client is built without authentication; restrict who reaches the port instead"),
    ("transport/auth/pubkey", "the client is built without authentication; restrict who reaches the port instead"),
    ("transport/link/tls", "the client is built without TLS; use an encrypted network and drop it"),
    ("transport/link/unixpipe", "the client is built for TCP only; drop it"),
    ("transport/unicast/compression/enabled", "the client is built without compression; drop it"),
    ("transport/multicast/compression/enabled", "the client is built without compression; drop it"),
    ("stats/filters", "the client is built without statistics; drop it"),
];

/// Settings that the node needs to be as it sets them.
const RESERVED: [(&str, &str); 5] = [
    ("open/return_conditions/connect_scouted", "a node must start without its peers; drop it"),
    ("connect/timeout_ms", "the node connects in the background for as long as it runs; drop it"),
    ("connect/exit_on_failure", "a node must start without its peers; drop it"),
    ("listen/timeout_ms", "a node that cannot listen tries again with a new session; drop it"),
    ("listen/exit_on_failure", "a node that cannot listen tries again with a new session; drop it"),
];

fn unsupported(text: &str, value: &Value) -> Vec<Finding> {
    let outline = Outline::of(text);
    let at = |path: &str| value.pointer(&format!("/{path}"));
    let mut findings = Vec::new();
    for (path, help) in NOT_BUILT {
        if at(path).is_some_and(asks_for_something) {
            findings.push(Finding::new(outline.key(path), format!("sets `{path}`, which has no effect"), help));
        }
    }
    for (path, help) in RESERVED {
        if at(path).is_some_and(|value| !value.is_null()) {
            findings.push(Finding::new(outline.key(path), format!("sets `{path}`, which the node sets itself"), help));
        }
    }
    let links = "transport/unicast/max_links";
    if at(links).and_then(Value::as_u64).is_some_and(|links| links > 1) {
        let help = "the client is built for one link per peer; drop it";
        findings.push(Finding::new(outline.key(links), format!("sets `{links}` above 1"), help));
    }
    let endpoints = outline.texts.iter().filter(|place| is_endpoint(&place.path));
    findings.extend(
        endpoints
            .filter_map(|place| endpoint(text[place.range.clone()].trim_matches(['"', '\'']), place.range.clone())),
    );
    findings
}

/// Whether anything within is more than a spelled-out default of "nothing".
fn asks_for_something(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::Bool(true) | Value::Number(_) => true,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => items.iter().any(asks_for_something),
        Value::Object(fields) => fields.values().any(asks_for_something),
    }
}

fn is_endpoint(path: &str) -> bool {
    let listed = path.starts_with("listen/endpoints") || path.starts_with("connect/endpoints");
    listed && !path.ends_with("/strategy")
}

fn endpoint(endpoint: &str, range: Range<usize>) -> Option<Finding> {
    let protocol = endpoint.split_once('/').map_or(endpoint, |(protocol, _)| protocol);
    if protocol != "tcp" {
        let message = format!("has the endpoint {endpoint:?}, and the client is built for TCP only");
        return Some(Finding::new(Some(range), message, "write \"tcp/HOST:PORT\""));
    }
    if endpoint.contains("exit_on_failure") {
        let message = format!("has the endpoint {endpoint:?} with `exit_on_failure`, which the node sets itself");
        return Some(Finding::new(Some(range), message, "a node must start without its peers; drop it"));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> (String, String, Option<String>) {
        let checked = check(text);
        assert_eq!(checked.errors.len(), 1, "{:?}", checked.errors);
        let Finding { range, message, help } = checked.errors[0].clone();
        (message, help, range.map(|range| text[range].to_owned()))
    }

    #[test]
    fn json5_is_taken_as_it_is() {
        for text in
            ["{}", "{mode: 'client', /* or */ connect: {endpoints: ['tcp/10.0.0.1:7447',],},}", "{namespace: 'a'}"]
        {
            let expected = Checked { text: text.to_owned(), warnings: vec![], errors: vec![] };
            assert_eq!(check(text), expected);
        }
    }

    #[test]
    fn a_bare_role_is_repaired_with_a_warning_that_says_what_to_write() {
        let checked = check("{mode: peer}");
        assert_eq!(checked.text, "{mode: \"peer\"}");
        assert_eq!(checked.errors, []);
        let warning = &checked.warnings[0];
        assert_eq!(warning.help, "write `mode: \"peer\"`");
        assert_eq!(warning.range, Some(7..11));
    }

    #[test]
    fn other_bare_words_are_an_error_at_their_place() {
        let (message, help, at) = error("{\n  mode: peer,\n  listen: now,\n}");
        assert_eq!(message, "is not JSON5");
        assert!(help.starts_with("expected "), "{help}");
        assert_eq!(at.as_deref(), Some("n"));
    }

    #[test]
    fn unknown_keys_name_the_nearest_one() {
        let (message, help, at) = error("{mode: peer, scouting: {multicats: {enabled: true}}}");
        assert_eq!(message, "has the key `multicats`, which Zenoh does not know");
        assert_eq!(help, "did you mean `multicast`?");
        assert_eq!(at.as_deref(), Some("multicats"));
    }

    #[test]
    fn values_of_a_wrong_type_and_out_of_range_are_refused() {
        let (message, _, at) = error("{scouting: {delay: 'soon'}}");
        assert!(message.starts_with("does not fit: ") && at.is_some(), "{message} {at:?}");
        let (message, help, _) = error("{mode: 'boss'}");
        assert!(message.starts_with("does not fit: "), "{message}; {help}");
        let (message, ..) = error("{transport: {link: {tx: {queue: {size: {data: 17}}}}}}");
        assert!(message.starts_with("is refused by Zenoh: "), "{message}");
    }

    #[test]
    fn endpoints_of_other_protocols_are_refused_at_their_place() {
        for section in ["listen", "connect"] {
            let text = format!("{{{section}: {{endpoints: {{peer: ['tcp/[::]:0', 'tls/h:1']}}}}}}");
            let (message, help, at) = error(&text);
            assert_eq!(message, "has the endpoint \"tls/h:1\", and the client is built for TCP only");
            assert_eq!((help.as_str(), at.as_deref()), ("write \"tcp/HOST:PORT\"", Some("'tls/h:1'")));
        }
        let group = "{connect: {endpoints: [{strategy: 'allOf', locators: ['udp/h:1']}]}}";
        assert_eq!(error(group).2.as_deref(), Some("'udp/h:1'"));
        error("{connect: {endpoints: ['tcp/h:1#exit_on_failure=true']}}");
    }

    #[test]
    fn what_the_client_would_ignore_is_refused_and_nothing_spelled_out_is_not() {
        for text in [
            "{transport: {auth: {usrpwd: {user: 'a', password: 'b'}}}}",
            "{transport: {unicast: {max_links: 2}}}",
            "{transport: {link: {tls: {root_ca_certificate: 'ca.pem'}}}}",
            "{plugins: {rest: {http_port: 8000}}}",
            "{connect: {timeout_ms: {peer: 5}}}",
            "{open: {return_conditions: {connect_scouted: true}}}",
        ] {
            error(text);
        }
        let text = "{transport: {auth: {usrpwd: {user: null, password: null}}, unicast: {max_links: 1}}, plugins: {}}";
        assert_eq!(check(text).errors, []);
    }
}
