//! Finding and reading files: scenarios, network profiles, node configurations.

use super::error::ScenarioError;
use super::{Scenario, validate};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// No scenario, profile or configuration is longer; noise is refused before it is read.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Nobody nests directories deeper than this.
const DEPTH_MAX: usize = 32;

/// The profiles that a build carries along, for scenarios outside a scenarios directory.
const BUILT_IN: [(&str, &str); 3] = [
    ("lan", include_str!("../../../scenarios/profiles/lan.toml")),
    ("lossy", include_str!("../../../scenarios/profiles/lossy.toml")),
    ("wan", include_str!("../../../scenarios/profiles/wan.toml")),
];

/// What a scenario may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// A network profile, by name.
    Profile,
    /// A node configuration, by path.
    Config,
}

/// A file that a scenario names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What errors call it.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// Where the files that a scenario names come from: a directory, or a failure file that recorded them.
pub trait Resources {
    /// Reads one of them.
    ///
    /// # Errors
    /// Why there is none, as a fragment that follows a colon.
    fn read(&self, kind: Resource, name: &str) -> Result<Found, String>;

    /// The profiles there are, for a suggestion; sorted.
    fn profiles(&self) -> Vec<String>;
}

/// Loads one scenario file.
///
/// # Errors
/// What is wrong with the file or one that it names, and where.
pub fn load(path: &Path) -> Result<Scenario, ScenarioError> {
    let file = path.display().to_string();
    let text = read_file(path, &file)?;
    validate::scenario(&file, &name_of(path), &text, &Directory::around(path))
}

/// Loads files and, recursively and in the order of their names, the `.toml` files of directories. The directories
/// `profiles` and `configs` hold what scenarios name, not scenarios, and are passed over.
///
/// # Errors
/// Everything that is wrong with any of them, not only the first.
pub fn load_all(paths: &[PathBuf]) -> Result<Vec<Scenario>, Vec<ScenarioError>> {
    let mut scenarios = Vec::new();
    let mut errors = Vec::new();
    for path in paths {
        if !path.is_dir() {
            load(path).map_or_else(|error| errors.push(error), |scenario| scenarios.push(scenario));
            continue;
        }
        let mut files = Vec::new();
        let before = errors.len();
        walk(path, DEPTH_MAX, &mut files, &mut errors);
        if files.is_empty() && errors.len() == before {
            errors.push(ScenarioError::of_file(
                &path.display().to_string(),
                "no scenarios here: expected files that end in .toml",
                "name a scenario file or a directory that holds some, such as scenarios/fast",
            ));
        }
        for file in files {
            load(&file).map_or_else(|error| errors.push(error), |scenario| scenarios.push(scenario));
        }
    }
    if errors.is_empty() { Ok(scenarios) } else { Err(errors) }
}

fn walk(dir: &Path, depth: usize, files: &mut Vec<PathBuf>, errors: &mut Vec<ScenarioError>) {
    let complain = |reason: String| {
        ScenarioError::of_file(&dir.display().to_string(), reason, "check the directory's permissions and links")
    };
    if depth == 0 {
        errors.push(complain(format!("directories are nested more than {DEPTH_MAX} deep")));
        return;
    }
    let listed = fs::read_dir(dir).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths: Vec<PathBuf> = match listed {
        Ok(paths) => paths,
        Err(error) => return errors.push(complain(format!("cannot list the directory: {}", reason(&error)))),
    };
    paths.sort();
    for path in paths {
        // A link to a directory could lead back up, and then there is no end.
        if path.is_dir() && !path.is_symlink() {
            let name = path.file_name().unwrap_or_default();
            if name != "profiles" && name != "configs" {
                walk(&path, depth - 1, files, errors);
            }
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
}

/// Reads a text file of bearable size.
fn read_file(path: &Path, file: &str) -> Result<String, ScenarioError> {
    let bytes = read_bytes(path).map_err(|reason| {
        ScenarioError::of_file(
            file,
            format!("cannot read the file: {reason}"),
            "name a scenario file or a directory of them",
        )
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let complaint =
            super::error::Complaint::at(valid..valid, format!("not UTF-8 text: byte {:#04x}", bytes[valid]))
                .help("save the file as UTF-8");
        ScenarioError::in_text(file, &text, complaint)
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, String> {
    let too_large = || "larger than 1 MiB, which no scenario is".to_owned();
    let metadata = fs::metadata(path).map_err(|error| reason(&error))?;
    // Opening a pipe would wait for its writer.
    if !metadata.is_file() {
        return Err(if metadata.is_dir() { "it is a directory" } else { "it is not a regular file" }.to_owned());
    }
    if metadata.len() > FILE_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| reason(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

/// The system's reason in plain words where they are known.
fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

/// `fast/kill` for `scenarios/fast/kill.toml`: the path below the scenarios' root, or the bare stem elsewhere.
fn name_of(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let stem = absolute.with_extension("");
    let parts: Vec<&str> = stem
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    let below = parts.iter().rposition(|part| *part == "scenarios").map_or(parts.len().saturating_sub(1), |at| at + 1);
    match parts.get(below..) {
        Some(name) if !name.is_empty() => name.join("/"),
        _ => "scenario".to_owned(),
    }
}

/// Files beside a scenario, then those at the scenarios' root, then what the build carries along.
struct Directory {
    places: Vec<PathBuf>,
}

impl Directory {
    fn around(path: &Path) -> Self {
        let here = path.parent().map_or_else(PathBuf::new, Path::to_owned);
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let root = absolute
            .ancestors()
            .skip(1)
            .find(|dir| dir.file_name().is_some_and(|name| name == "scenarios"))
            .map(|root| relative_to(path, &absolute, root));
        Self { places: root.into_iter().chain([here]).collect() }
    }
}

/// An ancestor of `absolute` in the way the caller wrote the path, so that errors name it as the caller would.
fn relative_to(path: &Path, absolute: &Path, ancestor: &Path) -> PathBuf {
    let levels = absolute.components().count() - ancestor.components().count();
    let mut written = path.to_owned();
    for _ in 0..levels {
        if !written.pop() {
            return ancestor.to_owned();
        }
    }
    // `x.toml` inside the root pops to nothing, which is the current directory, and so is right.
    if std::path::absolute(&written).is_ok_and(|written| written == ancestor) { written } else { ancestor.to_owned() }
}

impl Resources for Directory {
    fn read(&self, kind: Resource, name: &str) -> Result<Found, String> {
        let file = match kind {
            Resource::Profile if !is_profile_name(name) => return Err("not a profile's name".to_owned()),
            Resource::Profile => Path::new("profiles").join(format!("{name}.toml")),
            Resource::Config => PathBuf::from(name),
        };
        for place in &self.places {
            let path = place.join(&file);
            if path.exists() {
                let text = String::from_utf8(read_bytes(&path)?).map_err(|_| "it is not UTF-8 text".to_owned())?;
                return Ok(Found { file: path.display().to_string(), text });
            }
        }
        let built_in = BUILT_IN.iter().find(|&&(built_in, _)| kind == Resource::Profile && built_in == name);
        built_in
            .map(|&(name, text)| Found { file: format!("profiles/{name}.toml"), text: text.to_owned() })
            .ok_or_else(|| "there is no such file".to_owned())
    }

    fn profiles(&self) -> Vec<String> {
        let mut names: Vec<String> = BUILT_IN.iter().map(|(name, _)| (*name).to_owned()).collect();
        for place in &self.places {
            let Ok(entries) = fs::read_dir(place.join("profiles")) else { continue };
            names.extend(entries.flatten().filter_map(|entry| {
                let path = entry.path();
                (path.extension()? == "toml").then(|| path.file_stem()?.to_str().map(str::to_owned))?
            }));
        }
        names.sort();
        names.dedup();
        names
    }
}

/// A name, not a path that climbs out of the directory.
fn is_profile_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_is_named_by_its_path_below_the_root() {
        assert_eq!(name_of(Path::new("scenarios/fast/kill.toml")), "fast/kill");
        assert_eq!(name_of(Path::new("/x/scenarios/old/scenarios/a/b/c.toml")), "a/b/c");
        assert_eq!(name_of(Path::new("/elsewhere/mine.toml")), "mine");
    }

    #[test]
    fn a_profile_name_cannot_leave_the_directory() {
        for name in ["", "../lan", "a/b", ".", "lan.toml", "\0"] {
            assert!(!is_profile_name(name), "{name:?}");
        }
    }

    #[test]
    fn the_built_in_profiles_are_valid() {
        for (name, text) in BUILT_IN {
            assert!(super::super::network::parse_profile(text).is_ok(), "{name}");
        }
    }
}
