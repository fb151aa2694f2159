//! What makes runs on several backends comparable: that nodes met the same faults.

use crate::nemesis::{self, Topology};
use crate::run::Prepared;
use serde_json::Value;
use squall_reports::Digest;
use squall_reports::compare::Entrant;
use squall_sim::fault::PlannedFault;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::Xxh3;

/// A scenario on a backend as the comparison names it, with the faults that have nobody to strike there.
#[must_use]
pub fn entrant(prepared: &Prepared) -> Entrant {
    let scenario = &prepared.scenario;
    let name = |entry: usize| format!("fault {} ({})", entry + 1, scenario.faults[entry].kind);
    let idle = nemesis::inapplicable(scenario, prepared.topology());
    Entrant { backend: prepared.backend.name().to_owned(), not_applicable: idle.into_iter().map(name).collect() }
}

/// What a plan does to nodes and the store, link by link, without what concerns brokers: each a line, in order of time, and the
/// same on all backends.
#[must_use]
pub fn node_faults(plan: &[PlannedFault], topology: &Topology) -> Vec<String> {
    let is_broker = |host: &str| topology.brokers.iter().any(|broker| broker == host);
    let mut lines = BTreeSet::new();
    for planned in plan {
        let Ok(Value::Object(fault)) = serde_json::to_value(&planned.fault) else { continue };
        for (kind, mut detail) in fault {
            let mut line = |detail: &Value| {
                lines.insert((planned.at_ns, planned.entry, planned.undo, format!("{kind} {detail}")));
            };
            match hosts(&detail) {
                Struck::Nobody => line(&detail),
                Struck::Host(host) if is_broker(&host) => {}
                Struck::Host(_) => line(&detail),
                Struck::Links(from, to) => {
                    let links = from.iter().flat_map(|from| to.iter().map(move |to| (from, to)));
                    for (from, to) in links.filter(|(from, to)| from != to && !is_broker(from) && !is_broker(to)) {
                        detail["from"] = Value::from(from.as_str());
                        detail["to"] = Value::from(to.as_str());
                        line(&detail);
                    }
                }
            }
        }
    }
    lines.into_iter().map(|(at_ns, entry, undo, what)| format!("{at_ns} {entry} {undo} {what}")).collect()
}

/// The hash of [`node_faults`].
#[must_use]
pub fn node_plan(plan: &[PlannedFault], topology: &Topology) -> Digest {
    let mut hash = Xxh3::new();
    for line in node_faults(plan, topology) {
        hash.update(line.as_bytes());
        hash.update(b"\n");
    }
    Digest(hash.digest())
}

/// Whom a fault names.
enum Struck {
    Nobody,
    Host(String),
    Links(Vec<String>, Vec<String>),
}

fn hosts(detail: &Value) -> Struck {
    let names = |key: &str| -> Option<Vec<String>> {
        detail.get(key)?.as_array().map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
    };
    match (names("from"), names("to"), detail.get("host").and_then(Value::as_str)) {
        (Some(from), Some(to), _) => Struck::Links(from, to),
        (_, _, Some(host)) => Struck::Host(host.to_owned()),
        _ => Struck::Nobody,
    }
}
