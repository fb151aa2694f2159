//! Failure files: everything that is needed to have a failed run again, on any machine with the same build.
//!
//! The file is JSON, made to be read and edited by people: the plan may be changed on purpose (see [`Trust`]), anything
//! else that changed on the way is found by a checksum.

use crate::scenario::{Backend, Found, NodeConfigText, Resource, Resources, Scenario, ScenarioError, parse};
use serde::{Deserialize, Serialize};
use squall_reports::{Check, Digest, ReportError, write_atomically};
use squall_sim::fault::PlannedFault;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// The format that this build writes and reads.
pub const FORMAT: u32 = 2;

/// No failure file is longer.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// A failed run, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Version of squall that ran it.
    pub squall: String,
    /// The build that ran it: another build may run it differently.
    pub build: String,
    /// The scenario with everything it names.
    pub scenario: RecordedScenario,
    /// The seed.
    pub seed: u64,
    /// The coordination backend.
    pub backend: Backend,
    /// Planted defects that were switched on, by name.
    pub defects: Vec<String>,
    /// Hash of everything that happened.
    pub digest: Digest,
    /// What the checkers said, with their evidence.
    pub checks: Vec<Check>,
    /// The faults as they were resolved.
    pub plan: Vec<PlannedFault>,
}

/// A scenario with the files it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedScenario {
    /// Its name, such as `fast/kill`.
    pub name: String,
    /// Its text.
    pub text: String,
    /// The network profile that it names.
    pub network: Option<RecordedFile>,
    /// The node configurations that it names.
    pub configs: Vec<RecordedFile>,
}

/// A file that a scenario names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordedFile {
    /// As the scenario names it.
    pub name: String,
    /// Its text.
    pub text: String,
}

/// Whether a file may differ from what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It must be what was written.
    Untouched,
    /// It was edited on purpose: the checksum is not looked at.
    Edited,
}

/// Why a failure file cannot be used, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum FailureError {
    /// The file cannot be read.
    #[error("cannot read {}: {reason}; name a failure file that `squall run` wrote", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file ends in the middle.
    #[error("{} is truncated: it ends at line {line}, column {column}; copy it again from where it was written", path.display())]
    Truncated {
        /// Which file.
        path: PathBuf,
        /// Where it ends, from 1.
        line: usize,
        /// Where it ends, from 1.
        column: usize,
    },
    /// The file is not JSON, or not the JSON of a failure.
    #[error("{} is not a failure file: {reason}; name a file that `squall run` wrote, or undo the edit", path.display())]
    NotAFailure {
        /// Which file.
        path: PathBuf,
        /// What was expected, and where.
        reason: String,
    },
    /// Another version of squall wrote it.
    #[error("{} has format {found}, this build reads format {FORMAT}; replay it with the squall that wrote it", path.display())]
    WrongFormat {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The content is not what was written.
    #[error("{} was changed after it was written: its checksum is {found}, its content's is {actual}; pass --edited if you changed it on purpose", path.display())]
    Tampered {
        /// Which file.
        path: PathBuf,
        /// What the file says.
        found: Digest,
        /// What its content gives.
        actual: Digest,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Unwritable(#[from] ReportError),
}

/// The file: the failure, wrapped in what guards it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    format: u32,
    checksum: Digest,
    failure: Failure,
}

/// What every format has, whatever else it has.
#[derive(Deserialize)]
struct Header {
    format: u32,
}

impl RecordedScenario {
    /// The scenario with everything it named when it was loaded.
    #[must_use]
    pub fn of(scenario: &Scenario) -> Self {
        let network = scenario.network.name.clone().zip(scenario.network.text.clone());
        let recorded = |config: &NodeConfigText| RecordedFile { name: config.path.clone(), text: config.text.clone() };
        Self {
            name: scenario.name.clone(),
            text: scenario.text.clone(),
            network: network.map(|(name, text)| RecordedFile { name, text }),
            configs: scenario.configs.files().map(recorded).collect(),
        }
    }

    /// The scenario again, without a look at the file system.
    ///
    /// # Errors
    /// What this build does not accept in it, and where.
    pub fn load(&self) -> Result<Scenario, ScenarioError> {
        parse(&format!("{}.toml", self.name), &self.name, &self.text, self)
    }
}

impl Resources for RecordedScenario {
    fn read(&self, kind: Resource, name: &str) -> Result<Found, String> {
        let (recorded, file) = match kind {
            Resource::Profile => (self.network.as_slice(), format!("profiles/{name}.toml")),
            Resource::Config => (self.configs.as_slice(), name.to_owned()),
        };
        recorded
            .iter()
            .find(|recorded| recorded.name == name)
            .map(|recorded| Found { file, text: recorded.text.clone() })
            .ok_or_else(|| "the failure file does not hold it".to_owned())
    }

    fn profiles(&self) -> Vec<String> {
        self.network.iter().map(|network| network.name.clone()).collect()
    }
}

impl Failure {
    /// The name of its file: scenario, seed and backend.
    #[must_use]
    pub fn file_name(&self) -> String {
        let safe = |char: char| if char.is_ascii_alphanumeric() || "-_".contains(char) { char } else { '.' };
        let scenario: String = self.scenario.name.chars().map(safe).collect();
        format!("{}-{}-{}.json", scenario.trim_start_matches('.'), self.seed, self.backend)
    }

    /// The hash of its compact JSON, which white space and the order of keys in a file do not change.
    fn checksum(&self) -> Digest {
        Digest(xxh3_64(to_json(self, serde_json::to_vec).as_slice()))
    }
}

/// Writes a failure into a directory, whole or not at all, and returns the file's path. A file of the same scenario,
/// seed and backend is replaced.
///
/// # Errors
/// [`FailureError::Unwritable`] with the file and the system's reason.
pub fn write(dir: &Path, failure: &Failure) -> Result<PathBuf, FailureError> {
    let path = dir.join(failure.file_name());
    let envelope = Envelope { format: FORMAT, checksum: failure.checksum(), failure: failure.clone() };
    let mut json = to_json(&envelope, serde_json::to_vec_pretty);
    json.push(b'\n');
    write_atomically(&path, &json)?;
    Ok(path)
}

/// Reads a failure file.
///
/// # Errors
/// Why it cannot be used, and what to do.
pub fn read(path: &Path, trust: Trust) -> Result<Failure, FailureError> {
    let bytes = read_bytes(path).map_err(|reason| FailureError::Unreadable { path: path.to_owned(), reason })?;
    let explain = |error: serde_json::Error| explain(path, &error);
    let header: Header = serde_json::from_slice(&bytes).map_err(explain)?;
    if header.format != FORMAT {
        return Err(FailureError::WrongFormat { path: path.to_owned(), found: header.format });
    }
    let envelope: Envelope = serde_json::from_slice(&bytes).map_err(explain)?;
    let actual = envelope.failure.checksum();
    if trust == Trust::Untouched && actual != envelope.checksum {
        return Err(FailureError::Tampered { path: path.to_owned(), found: envelope.checksum, actual });
    }
    Ok(envelope.failure)
}

fn explain(path: &Path, error: &serde_json::Error) -> FailureError {
    let path = path.to_owned();
    if error.is_eof() {
        FailureError::Truncated { path, line: error.line(), column: error.column() }
    } else {
        FailureError::NotAFailure { path, reason: error.to_string() }
    }
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if !metadata.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err("it is larger than 256 MiB, which no failure file is".to_owned());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes))
        .map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn to_json<T: Serialize>(value: &T, format: impl Fn(&T) -> serde_json::Result<Vec<u8>>) -> Vec<u8> {
    format(value).expect("a failure has only strings, numbers and lists")
}
