//! The one line that reproduces a run, ready to be pasted into a shell.

use std::borrow::Cow;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The command that runs one scenario file again with one seed and backend.
#[must_use]
pub fn run_line(scenario: &Path, seed: u64, backend: &str) -> String {
    format!("squall run {} --seed {seed} --backend {backend}", quoted(&scenario.to_string_lossy()))
}

/// The command that replays a failure file.
#[must_use]
pub fn replay_line(failure: &Path) -> String {
    format!("squall replay {}", quoted(&failure.to_string_lossy()))
}

/// The command that compares backends again.
#[must_use]
pub fn compare_line(paths: &[PathBuf], seeds: &Range<u64>, backends: &[String]) -> String {
    let paths: Vec<String> = paths.iter().map(|path| quoted(&path.to_string_lossy()).into_owned()).collect();
    let (from, to) = (seeds.start, seeds.end);
    format!("squall compare {} --seeds {from}..{to} --backends {}", paths.join(" "), backends.join(","))
}

/// The text as one word of a POSIX shell.
fn quoted(word: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:,@%".contains(&byte);
    if !word.is_empty() && !word.starts_with('-') && word.bytes().all(plain) {
        return Cow::Borrowed(word);
    }
    // A leading dash would be read as a flag, quoted or not.
    let prefix = if word.starts_with('-') { "./" } else { "" };
    Cow::Owned(format!("'{prefix}{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_path_stays_as_it_is() {
        assert_eq!(
            run_line(Path::new("scenarios/fast/cut.toml"), 42, "nats"),
            "squall run scenarios/fast/cut.toml --seed 42 --backend nats"
        );
    }

    #[test]
    fn a_comparison_names_its_paths_seeds_and_backends() {
        let backends = ["nats", "redis"].map(str::to_owned);
        assert_eq!(
            compare_line(&["scenarios/fast".into(), "my own.toml".into()], &(0..10), &backends),
            "squall compare scenarios/fast 'my own.toml' --seeds 0..10 --backends nats,redis"
        );
    }

    #[test]
    fn a_path_the_shell_would_take_apart_is_quoted() {
        assert_eq!(replay_line(Path::new("it's here.json")), r"squall replay 'it'\''s here.json'");
        assert_eq!(replay_line(Path::new("-x.json")), "squall replay './-x.json'");
        assert_eq!(replay_line(Path::new("a;rm.json")), "squall replay 'a;rm.json'");
    }
}
