//! `store-serialization = { count = 3, at = "commit" }`: the store refuses transactions with SQLSTATE 40001.

use super::draw::Draw;
use super::effect::Effect;
use super::spec::Nemesis;
use super::step::{Step, Victims};
use super::topology::Topology;
use crate::scenario::Rules;
use crate::scenario::error::Complaint;
use crate::scenario::located::Located;
use schemars::JsonSchema;
use serde::Deserialize;
use squall_sim::fault::StorePoint;
use std::ops::Range;

/// The store refuses transactions with SQLSTATE 40001.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct StoreSerialization {
    /// How many times.
    count: Located<u32>,
    /// Where the failure strikes.
    at: StorePoint,
}

impl Nemesis for StoreSerialization {
    fn validate(&self, _rules: &Rules, _span: Range<usize>) -> Result<(), Complaint> {
        if *self.count == 0 {
            return Err(Complaint::at(self.count.span(), "`count` is 0: expected at least 1"));
        }
        Ok(())
    }

    fn steps(&self, topology: &Topology, _draw: &mut Draw<'_>) -> Vec<Step> {
        vec![Step {
            effect: Effect::StoreSerialization { count: *self.count, at: self.at },
            victims: Victims::Each(vec![topology.store()]),
            lasting: None,
        }]
    }
}
