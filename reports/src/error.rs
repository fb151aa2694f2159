//! What can go wrong while a report is written.

use std::io;
use std::path::PathBuf;

/// A report that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file could not be written.
    #[error("cannot write {}: {source}; free space or name another place with --out", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The stream (standard output, say) could not be written.
    #[error("cannot write to {name}: {source}")]
    Stream {
        /// What the stream is called.
        name: String,
        /// The system's reason.
        source: io::Error,
    },
    /// The report could not be turned into text.
    #[error("cannot express the report as {format}: {reason}; this is a bug in squall")]
    Format {
        /// Which format.
        format: &'static str,
        /// Why.
        reason: String,
    },
}
