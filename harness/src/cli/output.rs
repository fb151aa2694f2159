//! Words for the caller, on streams that may be full or closed: `println!` would panic there.

use squall_reports::Exit;
use std::fmt::Display;
use std::io::{ErrorKind, Write};

/// Prints a text as it is to standard output; what prevents that is said and becomes the exit code.
pub(super) fn print(text: &str) -> Result<(), Exit> {
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(|reason| {
        // A reader that has seen enough, such as `head`, needs no explanation.
        if reason.kind() != ErrorKind::BrokenPipe {
            error(format_args!("cannot write to standard output: {reason}"));
        }
        Exit::Broken
    })
}

/// Prints a line to standard output, as [`print`] does.
pub(super) fn print_line(line: impl Display) -> Result<(), Exit> {
    print(&format!("{line}\n"))
}

/// Prints a line to standard error.
pub(super) fn note(line: impl Display) {
    let _nowhere_left_to_say = writeln!(std::io::stderr().lock(), "{line}");
}

/// Says on standard error what went wrong.
pub(super) fn error(message: impl Display) {
    note(format_args!("error: {message}"));
}

/// Says on standard error what is less than it should be.
pub(super) fn warning(message: impl Display) {
    note(format_args!("warning: {message}"));
}
