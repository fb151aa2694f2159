//! The generated part of `docs/conformance.md`.

use crate::compare::{Difference, Explanation};
use crate::record::updating;
use crate::script::Script;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Longest piece of a list in the table, characters.
const SHOWN: usize = 240;

/// Tests of several backends update one file.
static FILE: Mutex<()> = Mutex::new(());

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md")
}

/// Writes the part of one backend anew, or fails if it is out of date.
pub(crate) fn judge(backend: &str, version: &str, scripts: &[&Script], differences: &[(Difference, Explanation)]) {
    let _one_at_a_time = FILE.lock().unwrap();
    let begin = format!("<!-- generated: {backend} -->\n");
    let end = format!("<!-- end of generated: {backend} -->");
    let text = std::fs::read_to_string(file()).unwrap();
    let lacks = || panic!("docs/conformance.md lacks the lines `{}` and `{end}`", begin.trim_end());
    let from = text.find(&begin).unwrap_or_else(lacks) + begin.len();
    let to = from + text[from..].find(&end).unwrap_or_else(lacks);
    let part = part(version, scripts, differences);
    if updating() {
        std::fs::write(file(), format!("{}{part}{}", &text[..from], &text[to..])).unwrap();
    } else {
        assert_eq!(text[from..to], part, "docs/conformance.md is out of date; UPDATE_CONFORMANCE=1 writes it anew");
    }
}

fn part(version: &str, scripts: &[&Script], differences: &[(Difference, Explanation)]) -> String {
    let mut text = String::new();
    let _infallible = writeln!(text, "{} scripts, compared with {version}.\n", scripts.len());
    text.push_str("| script | what it looks at | result |\n|---|---|---|\n");
    for script in scripts {
        let count = differences.iter().filter(|(difference, _)| difference.script == script.name).count();
        let result = if count == 0 { "same" } else { "differs, see below" };
        let _infallible = writeln!(text, "| {} | {} | {result} |", script.name, script.about);
    }
    if differences.is_empty() {
        text.push_str("\nNo differences.\n");
        return text;
    }
    text.push_str("\n| script, who | simulated | real | why, and what it means |\n|---|---|---|---|\n");
    for (difference, explanation) in differences {
        let Difference { script, who, simulated, real } = difference;
        let (simulated, real) = (cell(simulated), cell(real));
        let _infallible = writeln!(text, "| {script}, {who} | {simulated} | {real} | {} |", explanation.because.trim());
    }
    text
}

/// A list as one cell of a table.
fn cell(list: &[String]) -> String {
    if list.is_empty() {
        return "(nothing)".to_owned();
    }
    let mut text = list.join("; ");
    if text.chars().count() > SHOWN {
        text = text.chars().take(SHOWN).chain(" …".chars()).collect();
    }
    format!("`{}`", text.replace('`', "'").replace('|', "\\|").replace(['\r', '\n'], " "))
}
