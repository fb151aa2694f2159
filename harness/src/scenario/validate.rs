//! From a well-formed file to a scenario that makes sense.

use super::document::{Document, NodeEntry};
use super::error::{Complaint, ScenarioError};
use super::explain::{did_you_mean, explain, nearest};
use super::load::{Resource, Resources};
use super::located::Located;
use super::network::{NetworkSpec, parse_profile};
use super::{Backend, NodeConfigs, NodeSpec, Scenario, ScenarioNetwork};
use super::{Rules, WorkloadSpec, check, config, supported, workload};
use crate::nemesis::FaultSpec;
use squall_cluster::defects::Defect;
use std::collections::BTreeSet;
use std::time::Duration;

const NODES_MAX: u16 = 4096;
const BROKERS_MAX: u16 = 9;
const SETTLE_DEFAULT: Duration = Duration::from_secs(20);
/// Beyond this a plan is a mistake, and resolving it would take longer than anything else.
const ENTRIES_MAX: usize = 1_000;

/// Parses and validates a scenario's text; `file` is what errors call it.
pub(super) fn scenario(
    file: &str,
    name: &str,
    text: &str,
    resources: &dyn Resources,
) -> Result<Scenario, ScenarioError> {
    let here = |complaint| ScenarioError::in_text(file, text, complaint);
    let document: Document = toml::from_str(text).map_err(|error| {
        let complaint = explain(&error);
        here(if text.trim().is_empty() {
            Complaint::at(0..0, "the file is empty: expected a scenario with title, nodes and run")
                .help("see scenarios/fast/ for examples, and `squall schema` for every key")
        } else {
            complaint
        })
    })?;
    let frame = frame(&document).map_err(here)?;
    let network = network(&document, file, text, resources)?;
    let configs = config::read(document.config.as_ref(), resources).map_err(here)?;
    let backends = backends(&document, &configs).map_err(here)?;
    Ok(Scenario {
        name: name.to_owned(),
        file: file.to_owned(),
        text: text.to_owned(),
        title: document.title.trim().to_owned(),
        why: document.why.trim().to_owned(),
        tags: tags(&document.tags).map_err(here)?,
        nodes: frame.nodes,
        overrides: overrides(&document.node, &frame).map_err(here)?,
        backends: backends.chosen,
        runs_on: backends.possible,
        brokers: brokers(&document).map_err(here)?,
        network,
        configs,
        run: frame.run,
        settle: document.settle.as_ref().map_or(SETTLE_DEFAULT, |settle| settle.0),
        workloads: workloads(&document, &frame).map_err(here)?,
        faults: faults(&document, &frame).map_err(here)?,
        checks: check::validate(&document.check).map_err(here)?,
        defect: defect(document.defect.as_ref()).map_err(here)?,
        expected_failure: expected_failure(&document).map_err(here)?,
    })
}

fn frame(document: &Document) -> Result<Rules, Complaint> {
    if document.title.trim().is_empty() {
        return Err(Complaint::at(document.title.span(), "the title is empty: expected the claim in one sentence"));
    }
    let nodes = *document.nodes;
    if !(1..=NODES_MAX).contains(&nodes) {
        return Err(Complaint::at(
            document.nodes.span(),
            format!("cannot run {nodes} nodes: expected 1 to {NODES_MAX}"),
        ));
    }
    let rules = Rules { nodes, run: document.run.0 };
    rules.positive("run", &document.run)?;
    Ok(rules)
}

fn tags(tags: &[Located<String>]) -> Result<Vec<String>, Complaint> {
    let word = |tag: &str| {
        !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    tags.iter()
        .map(|tag| {
            word(tag)
                .then(|| (**tag).clone())
                .ok_or_else(|| Complaint::at(tag.span(), "not a tag: expected lower-case letters, digits and dashes"))
        })
        .collect()
}

fn overrides(entries: &[Located<NodeEntry>], rules: &Rules) -> Result<Vec<NodeSpec>, Complaint> {
    let mut seen = BTreeSet::new();
    let mut specs = Vec::with_capacity(entries.len());
    for entry in entries {
        rules.node(&entry.index)?;
        let index = *entry.index;
        if !seen.insert(index) {
            return Err(Complaint::at(entry.index.span(), format!("node {index} has two [[node]] entries"))
                .help("put its keys into one entry"));
        }
        if entry.id.is_none() && entry.skew.is_none() {
            return Err(Complaint::at(entry.span(), "this [[node]] changes nothing: expected `id` or `skew`"));
        }
        if let Some(id) = &entry.id
            && **id == 0
        {
            return Err(Complaint::at(id.span(), "0 is not a node id: expected 1 to 65535"));
        }
        specs.push(NodeSpec {
            index,
            id: entry.id.as_ref().map(|id| **id),
            skew_ns: entry.skew.map_or(0, |skew| skew.0),
        });
    }
    specs.sort_by_key(|spec| spec.index);
    Ok(specs)
}

/// Those that run unless others are asked for, and those that can.
struct Backends {
    chosen: Vec<Backend>,
    possible: Vec<Backend>,
}

fn backends(document: &Document, configs: &NodeConfigs) -> Result<Backends, Complaint> {
    let configured = |backend: &Backend| match configs {
        NodeConfigs::PerBackend(configs) => configs.contains_key(backend),
        NodeConfigs::Own | NodeConfigs::One(_) => true,
    };
    let Some(backends) = &document.backends else {
        let possible: Vec<Backend> = supported().iter().copied().filter(configured).collect();
        let reference = possible.iter().find(|backend| **backend == Backend::Nats).or(possible.first());
        return Ok(Backends { chosen: reference.copied().into_iter().collect(), possible });
    };
    let in_this_build = || {
        let names: Vec<&str> = supported().iter().map(|backend| backend.name()).collect();
        format!("this build supports: {}", names.join(", "))
    };
    if backends.is_empty() {
        return Err(Complaint::at(backends.span(), "`backends` is empty: expected at least one").help(in_this_build()));
    }
    let mut named = Vec::with_capacity(backends.len());
    for backend in backends.iter() {
        if named.contains(&**backend) {
            return Err(Complaint::at(backend.span(), format!("the backend `{}` stands here twice", **backend)));
        }
        if !configured(backend) {
            return Err(Complaint::at(backend.span(), format!("`config` has no file for the backend `{}`", **backend))
                .help("add it to the table `config`, or leave the backend out"));
        }
        named.push(**backend);
    }
    // A build with fewer backends runs a scenario on those that it has.
    let chosen: Vec<Backend> = named.into_iter().filter(|backend| supported().contains(backend)).collect();
    if chosen.is_empty() {
        return Err(Complaint::at(backends.span(), "none of these backends is in this build").help(in_this_build()));
    }
    Ok(Backends { possible: chosen.clone(), chosen })
}

fn brokers(document: &Document) -> Result<u16, Complaint> {
    let Some(brokers) = &document.brokers else { return Ok(1) };
    if (1..=BROKERS_MAX).contains(&**brokers) {
        return Ok(**brokers);
    }
    Err(Complaint::at(brokers.span(), format!("cannot run {} brokers: expected 1 to {BROKERS_MAX}", **brokers))
        .help("Zenoh has none, whatever stands here"))
}

fn network(
    document: &Document,
    file: &str,
    text: &str,
    resources: &dyn Resources,
) -> Result<ScenarioNetwork, ScenarioError> {
    let (name, span) = match &document.network {
        None => ("lan", 0..0),
        Some(located) => match &**located {
            NetworkSpec::Named(name) => (name.as_str(), located.span()),
            NetworkSpec::Inline(profile) => {
                let profile = profile.validate().map_err(|complaint| ScenarioError::in_text(file, text, complaint))?;
                return Ok(ScenarioNetwork { name: None, text: None, profile });
            }
        },
    };
    let known = resources.profiles();
    let found = resources.read(Resource::Profile, name).map_err(|reason| {
        let complaint = Complaint::at(span, format!("cannot use the network profile `{name}`: {reason}"))
            .maybe_help(nearest(name, known.iter().map(String::as_str)).map(|name| did_you_mean(&name)))
            .maybe_help(Some(format!("expected one of: {}", known.join(", "))));
        ScenarioError::in_text(file, text, complaint)
    })?;
    let profile =
        parse_profile(&found.text).map_err(|complaint| ScenarioError::in_text(&found.file, &found.text, complaint))?;
    Ok(ScenarioNetwork { name: Some(name.to_owned()), text: Some(found.text), profile })
}

fn workloads(document: &Document, rules: &Rules) -> Result<Vec<WorkloadSpec>, Complaint> {
    document.workload.iter().map(|entry| workload::WorkloadEntry::validate(entry, rules)).collect()
}

fn faults(document: &Document, rules: &Rules) -> Result<Vec<FaultSpec>, Complaint> {
    if let Some(entry) = document.fault.get(ENTRIES_MAX) {
        return Err(Complaint::at(entry.span(), format!("too many faults: expected at most {ENTRIES_MAX} entries")));
    }
    document.fault.iter().map(|entry| FaultSpec::validate(entry, rules)).collect()
}

fn defect(defect: Option<&Located<String>>) -> Result<Option<Defect>, Complaint> {
    let Some(name) = defect else { return Ok(None) };
    Defect::by_name(name).map(Some).ok_or_else(|| {
        Complaint::at(name.span(), format!("unknown defect `{}`", **name))
            .maybe_help(nearest(name, Defect::ALL.iter().map(|defect| defect.name())).map(|name| did_you_mean(&name)))
            .maybe_help(Some("`squall defects --list` lists them".to_owned()))
    })
}

fn expected_failure(document: &Document) -> Result<Option<String>, Complaint> {
    let Some(expect) = &document.expect else { return Ok(None) };
    let name = &expect.fail;
    let known = || check::CHECKERS.iter().copied().chain([VERIFY]);
    if known().any(|checker| checker == name.as_str()) {
        return Ok(Some((**name).clone()));
    }
    Err(Complaint::at(name.span(), format!("unknown checker `{}`", **name))
        .maybe_help(nearest(name, known()).map(|name| did_you_mean(&name)))
        .maybe_help(Some(format!("expected one of: {}", known().collect::<Vec<_>>().join(", ")))))
}

/// Stands beside the checkers: the comparison of a run with its repetition.
const VERIFY: &str = "verify";
