//! Which node configuration goes with which backend.

use super::backend::Backend;
use super::error::Complaint;
use super::load::{Resource, Resources};
use super::located::Located;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A node configuration exactly as in production.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeConfigText {
    /// The path as the scenario names it.
    pub path: String,
    /// The file's text.
    pub text: String,
}

/// The configuration of every node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NodeConfigs {
    /// The harness's own.
    #[default]
    Own,
    /// This one, on the backend that it configures.
    One(NodeConfigText),
    /// One for each of these backends.
    PerBackend(BTreeMap<Backend, NodeConfigText>),
}

impl NodeConfigs {
    /// The text for a backend; `None`: the harness's own.
    #[must_use]
    pub fn of(&self, backend: Backend) -> Option<&NodeConfigText> {
        match self {
            Self::Own => None,
            Self::One(config) => Some(config),
            Self::PerBackend(configs) => configs.get(&backend),
        }
    }

    /// Every file there is.
    pub fn files(&self) -> impl Iterator<Item = &NodeConfigText> {
        let (one, several) = match self {
            Self::Own => (None, None),
            Self::One(config) => (Some(config), None),
            Self::PerBackend(configs) => (None, Some(configs.values())),
        };
        one.into_iter().chain(several.into_iter().flatten())
    }
}

/// `config` of a scenario: a path, or a table with one for each backend.
#[derive(Clone, Debug)]
pub(crate) enum ConfigSpec {
    One(String),
    PerBackend(PerBackend),
}

/// One path for each backend.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PerBackend {
    /// On Zenoh.
    zenoh: Option<Located<String>>,
    /// On NATS.
    nats: Option<Located<String>>,
    /// On Kafka.
    kafka: Option<Located<String>>,
    /// On Redis.
    redis: Option<Located<String>>,
}

impl PerBackend {
    fn paths(&self) -> impl Iterator<Item = (Backend, &Located<String>)> {
        let all = [
            (Backend::Zenoh, &self.zenoh),
            (Backend::Nats, &self.nats),
            (Backend::Kafka, &self.kafka),
            (Backend::Redis, &self.redis),
        ];
        all.into_iter().filter_map(|(backend, path)| Some((backend, path.as_ref()?)))
    }
}

/// Reads what the scenario names.
pub(super) fn read(spec: Option<&Located<ConfigSpec>>, resources: &dyn Resources) -> Result<NodeConfigs, Complaint> {
    let Some(spec) = spec else { return Ok(NodeConfigs::Own) };
    let read = |path: &str, span| {
        let found = resources.read(Resource::Config, path).map_err(|reason| {
            Complaint::at(span, format!("cannot read the node configuration `{path}`: {reason}"))
                .help("the path is relative to the scenarios' root or to this file")
        })?;
        Ok(NodeConfigText { path: path.to_owned(), text: found.text })
    };
    match &**spec {
        ConfigSpec::One(path) => read(path, spec.span()).map(NodeConfigs::One),
        ConfigSpec::PerBackend(paths) => {
            let read = |(backend, path): (Backend, &Located<String>)| Ok((backend, read(path, path.span())?));
            let configs: BTreeMap<_, _> = paths.paths().map(read).collect::<Result<_, Complaint>>()?;
            if configs.is_empty() {
                return Err(Complaint::at(spec.span(), "`config` names no file: expected one for each backend"));
            }
            Ok(NodeConfigs::PerBackend(configs))
        }
    }
}

impl<'de> Deserialize<'de> for ConfigSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = ConfigSpec;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a table of paths by backend such as { nats = \"…\", redis = \"…\" }")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<ConfigSpec, E> {
                Ok(ConfigSpec::One(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, table: A) -> Result<ConfigSpec, A::Error> {
                PerBackend::deserialize(MapAccessDeserializer::new(table)).map(ConfigSpec::PerBackend)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl JsonSchema for ConfigSpec {
    fn schema_name() -> Cow<'static, str> {
        "Config".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<PerBackend>();
        json_schema!({
            "anyOf": [{ "type": "string", "description": "path, relative to the scenarios' root or to this file" }, table]
        })
    }
}
