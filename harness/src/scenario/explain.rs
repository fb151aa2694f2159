//! What the TOML reader says, in the words of a scenario's author.

use super::error::Complaint;

/// Types of the code, as the reader names them, and what a file's author would call them.
const TYPES: [(&str, &str); 10] = [
    ("expected u16", "expected a whole number from 0 to 65535"),
    ("expected u32", "expected a whole number from 0 to 4294967295"),
    ("expected usize", "expected a whole number of 0 or more"),
    ("expected a sequence", "expected a list"),
    ("invalid type: sequence", "invalid type: a list"),
    ("invalid type: map", "invalid type: a table"),
    ("unknown field", "unknown key"),
    ("unknown variant", "unknown name"),
    ("missing field", "missing key"),
    (", there are no fields", ": expected none here"),
];

/// Turns the reader's error into a complaint with the nearest valid name.
pub(crate) fn explain(error: &toml::de::Error) -> Complaint {
    let raw = error.message();
    let span = error.span().unwrap_or(0..0);
    let mut message = raw.to_owned();
    for (code, word) in TYPES {
        message = message.replace(code, word);
    }
    // serde says "expected struct Kill", "expected a u16"; the type's name means nothing to the reader of a file.
    if let Some(index) = message.find("expected struct ") {
        message.truncate(index);
        message.push_str("expected a table such as { key = value }");
    }
    Complaint::at(span, message).maybe_help(suggestion(raw))
}

/// The nearest of the names that the reader would have accepted.
fn suggestion(message: &str) -> Option<String> {
    if !message.starts_with("unknown field") && !message.starts_with("unknown variant") {
        return None;
    }
    let mut quoted = message.split('`').skip(1).step_by(2);
    let wrong = quoted.next()?;
    nearest(wrong, quoted).map(|name| did_you_mean(&name))
}

/// The suggestion as a sentence.
pub(crate) fn did_you_mean(name: &str) -> String {
    format!("did you mean `{name}`?")
}

/// The candidate most like this name, when one is alike at all.
pub(crate) fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // Likeness is quadratic in length, and nobody mistypes a name into a novel.
    let wrong: String = wrong.chars().take(64).collect();
    candidates
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&wrong, name), name))
        .filter(|&(likeness, _)| likeness > 0.7)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_error_finds_its_name_and_nonsense_finds_none() {
        let names = ["nodes", "network", "settle"];
        assert_eq!(nearest("nods", names).as_deref(), Some("nodes"));
        assert_eq!(nearest("netwrok", names).as_deref(), Some("network"));
        assert_eq!(nearest("xyzzy", names), None);
        assert_eq!(nearest(&"n".repeat(1 << 20), ["other"]), None);
    }
}
