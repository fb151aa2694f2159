//! What is wrong with a configuration file, and where.

use miette::{Diagnostic, NamedSource, SourceSpan};
use std::fmt;
use std::ops::Range;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What, as a lowercase fragment.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where, in bytes.
    pub span: Range<usize>,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Problem {
    pub(super) fn new(text: &str, span: Range<usize>, message: String, help: Option<String>) -> Self {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            message,
            help,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            span: start..span.end.clamp(start, text.len()),
        }
    }

    /// One line for a log, with the name of the file and the place in it: `node.toml:4:9: what; what to do`.
    #[must_use]
    pub fn located(&self, file: &str) -> String {
        let Self { message, line, column, .. } = self;
        let help = self.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
        format!("{file}:{line}:{column}: {message}{help}")
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Problem {}

impl Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.help.as_ref()?;
        Some(Box::new(help))
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        let span = SourceSpan::from(self.span.clone());
        Some(Box::new(std::iter::once(miette::LabeledSpan::new_with_span(Some("here".into()), span))))
    }
}

/// A configuration file that cannot be used. Its `Display` names file, line and column of every problem.
#[derive(Clone, Debug)]
pub struct ConfigError {
    source: NamedSource<String>,
    problems: Vec<Problem>,
}

impl ConfigError {
    pub(super) fn new(name: &str, text: &str, mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.span.start);
        Self { source: NamedSource::new(name, text.to_owned()).with_language("TOML"), problems }
    }

    /// Everything that is wrong, in the order of the file.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.source.name();
        for (index, problem) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}", problem.located(name))?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

impl Diagnostic for ConfigError {
    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = miette::LabeledSpan> + '_>> {
        // Of several problems, each place says which it is of those listed above.
        let text =
            |problem: &Problem| if self.problems.len() == 1 { "here".to_owned() } else { problem.message.clone() };
        let label = move |problem: &Problem| {
            miette::LabeledSpan::new_with_span(Some(text(problem)), SourceSpan::from(problem.span.clone()))
        };
        Some(Box::new(self.problems.iter().map(label)))
    }
}
