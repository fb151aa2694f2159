//! A scenario file that cannot be used: where, what was expected, what to write instead.

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};
use std::fmt;
use std::ops::Range;

/// Longer messages only hide what they say.
const MESSAGE_CHARS_MAX: usize = 400;
/// A snippet of a longer line says nothing.
const SNIPPET_LINE_BYTES_MAX: usize = 400;

/// What is wrong with a scenario file, or a file it names. Its text starts with `FILE:LINE:COLUMN`.
#[derive(Clone, Debug)]
pub struct ScenarioError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    file: String,
    line: usize,
    column: usize,
    message: String,
    help: Option<String>,
    span: Range<usize>,
    snippet: Option<NamedSource<String>>,
}

/// A complaint about a place in a text whose file is not known yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

impl Complaint {
    pub(crate) fn at(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    pub(crate) fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = self.help.or(help);
        self
    }
}

impl ScenarioError {
    /// A complaint about a place in a file's text.
    pub(crate) fn in_text(file: &str, text: &str, complaint: Complaint) -> Self {
        let start = floor(text, complaint.span.start);
        let end = floor(text, complaint.span.end).max(start);
        let (line, column) = position(text, start);
        Self(Box::new(Inner {
            file: file.to_owned(),
            line,
            column,
            message: printable(&complaint.message),
            help: complaint.help.map(|help| printable(&help)),
            span: start..end,
            snippet: may_be_shown(text).then(|| NamedSource::new(file, text.to_owned()).with_language("TOML")),
        }))
    }

    /// A complaint about a file as a whole, which has no text to show; it stands at line 1, column 1.
    pub(crate) fn of_file(file: &str, message: impl AsRef<str>, help: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            file: file.to_owned(),
            line: 1,
            column: 1,
            message: printable(message.as_ref()),
            help: Some(printable(&help.into())),
            span: 0..0,
            snippet: None,
        }))
    }

    /// The file as the caller named it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// Line, from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.0.line
    }

    /// Column in characters, from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.0.column
    }

    /// What is wrong and what was expected, without the place.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Everything on one or two lines without colour, for a log or a pipe.
    #[must_use]
    pub fn plain(&self) -> String {
        match &self.0.help {
            Some(help) => format!("{self}\n  help: {help}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { file, line, column, message, .. } = &*self.0;
        write!(f, "{file}:{line}:{column}: {message}")
    }
}

impl std::error::Error for ScenarioError {}

impl Diagnostic for ScenarioError {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.0.snippet.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.0.snippet.as_ref()?;
        let label = LabeledSpan::underline(self.0.span.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Line and column of a byte, both from 1; the column counts characters.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..byte];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The last character boundary at or before this byte.
fn floor(text: &str, byte: usize) -> usize {
    text.floor_char_boundary(byte.min(text.len()))
}

/// Text that a terminal can be shown: no escape codes, no endless lines.
fn may_be_shown(text: &str) -> bool {
    let harmless = |char: char| !char.is_control() || matches!(char, '\n' | '\r' | '\t');
    text.chars().all(harmless) && text.lines().all(|line| line.len() <= SNIPPET_LINE_BYTES_MAX)
}

/// One line, of bearable length, with what a terminal would obey made visible.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len().min(MESSAGE_CHARS_MAX));
    for (count, char) in text.chars().enumerate() {
        if count == MESSAGE_CHARS_MAX {
            line.push('…');
            break;
        }
        if char.is_control() { line.extend(char.escape_default()) } else { line.push(char) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let text = "a = 1\nwhy = \"äöü\" x";
        let error = ScenarioError::in_text("f.toml", text, Complaint::at(22..23, "odd"));
        assert_eq!((error.line(), error.column()), (2, 14));
        assert_eq!(error.to_string(), "f.toml:2:14: odd");
    }

    #[test]
    fn a_span_beyond_the_end_or_inside_a_character_is_moved_back() {
        for span in [usize::MAX - 1..usize::MAX, 1..2, 2..1_000] {
            let error = ScenarioError::in_text("f", "ä", Complaint::at(span, "odd"));
            assert_eq!(error.line(), 1);
            let mut rendered = String::new();
            miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
                .render_report(&mut rendered, &error)
                .unwrap();
            assert!(rendered.contains("f:1:"), "{rendered}");
        }
    }

    #[test]
    fn escape_codes_of_a_file_do_not_reach_the_terminal() {
        let error = ScenarioError::in_text("f", "a\x1b[2J", Complaint::at(1..2, "odd \x1b[2J"));
        let mut rendered = String::new();
        miette::GraphicalReportHandler::new_themed(miette::GraphicalTheme::none())
            .render_report(&mut rendered, &error)
            .unwrap();
        assert!(!rendered.contains("\x1b[2J") && !error.plain().contains('\x1b'), "{rendered}");
    }
}
