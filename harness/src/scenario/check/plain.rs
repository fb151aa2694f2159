//! Checks without parameters.

use super::{ALWAYS_ON, CheckSpec};
use crate::scenario::error::Complaint;
use schemars::JsonSchema;
use serde::Deserialize;
use std::ops::Range;

/// No parameters: `{}`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plain {}

impl Plain {
    pub(super) fn spec(&self, name: &'static str, span: Range<usize>) -> Result<CheckSpec, Complaint> {
        match name {
            "no-lost-block" => Ok(CheckSpec::NoLostBlock),
            "no-resurrected-block" => Ok(CheckSpec::NoResurrectedBlock),
            "delivery" => Ok(CheckSpec::Delivery),
            _ if ALWAYS_ON.contains(&name) => Ok(CheckSpec::AlwaysOn(name)),
            _ => Err(Complaint::at(span, format!("the check `{name}` needs parameters"))),
        }
    }
}
