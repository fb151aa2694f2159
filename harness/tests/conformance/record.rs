//! What real servers were recorded to do, so that the simulated ones can be compared without them.

use crate::script::Notes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one real server did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Which version did it.
    pub(crate) version: String,
    /// What clients saw, by script.
    #[serde(default)]
    pub(crate) script: BTreeMap<String, Notes>,
}

fn file(backend: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/conformance/recorded/{backend}.toml"))
}

impl Record {
    /// What is on record.
    pub(crate) fn read(backend: &str) -> Self {
        let text = std::fs::read_to_string(file(backend)).unwrap_or_default();
        if text.is_empty() { Self::default() } else { toml::from_str(&text).unwrap() }
    }

    /// Replaces what is on record.
    pub(crate) fn write(&self, backend: &str) {
        let text = toml::to_string_pretty(self).unwrap();
        std::fs::write(file(backend), format!("# Written by UPDATE_CONFORMANCE=1 from a real server.\n{text}"))
            .unwrap();
    }
}

/// Whether what is generated is to be written anew.
pub(crate) fn updating() -> bool {
    std::env::var_os("UPDATE_CONFORMANCE").is_some_and(|value| value == "1")
}
