//! Colour on a terminal, none in a file.

use crate::Verdict;
use std::io::IsTerminal;

/// Whether text is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// ANSI escape codes.
    Ansi,
    /// Plain text.
    Plain,
}

impl Colour {
    /// Colour for a terminal, none for a file or a pipe, none where `NO_COLOR` is set (<https://no-color.org>).
    #[must_use]
    pub fn for_stream(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        if stream.is_terminal() && !refused { Self::Ansi } else { Self::Plain }
    }

    /// The text in bold.
    pub(crate) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// The text in the colour of a verdict: green, yellow, red.
    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        let code = match verdict {
            Verdict::Pass => "32",
            Verdict::Unknown => "33",
            Verdict::Fail => "31",
        };
        self.wrap(code, text)
    }

    fn wrap(self, code: &str, text: &str) -> String {
        match self {
            Self::Ansi => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_gets_no_escape_codes() {
        let file = tempfile::tempfile().unwrap();
        assert_eq!(Colour::for_stream(&file), Colour::Plain);
        assert_eq!(Colour::Plain.verdict(Verdict::Fail, "2"), "2");
    }
}
