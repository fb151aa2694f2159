//! What a run says: verdicts, JSON lines, JUnit, the terminal table and exit codes.
//!
//! ```
//! use squall_reports::{Check, Digest, FanOut, RunReport, Verdict};
//!
//! let report = RunReport::new(
//!     "fast/partition-minority", 7, "nats",
//!     vec![Check { name: "no-panic".into(), verdict: Verdict::Pass, reason: "no panic".into(), evidence: vec![] }],
//! )
//! .with_digest(Digest(0xfeed))
//! .with_fan_out(FanOut { p50_us: 410, p99_us: 900, last_p99_us: 1_200 });
//! assert_eq!(report.verdict, Verdict::Pass);
//! assert!(report.to_json_line().contains(r#""digest":"000000000000feed""#));
//! ```
//!
//! | module | holds |
//! |---|---|
//! | `verdict`, `merge` | what a checker concludes, and how several conclusions become one |
//! | `run` | [`RunReport`], the JSON object of one run |
//! | `lines` | [`JsonLines`]: one object per line, flushed as runs finish |
//! | `summary` | [`Summary`]: the table and the list of failures on a terminal |
//! | `junit` | [`JunitWriter`]: the same for a CI server |
//! | [`compare`] | backends side by side: table, JSON object and HTML page |
//! | `exit` | [`Exit`]: what the process says to its caller |
//! | `atomic` | files that are there completely or not at all |

mod atomic;
pub mod compare;
mod error;
mod exit;
mod junit;
mod lines;
mod merge;
mod reproduce;
mod run;
mod style;
mod summary;
mod verdict;

pub use atomic::write_atomically;
pub use error::ReportError;
pub use exit::Exit;
pub use junit::JunitWriter;
pub use lines::JsonLines;
pub use merge::worst;
pub use reproduce::{compare_line, replay_line, run_line};
pub use run::{Digest, FanOut, RunReport};
pub use style::Colour;
pub use summary::{FAILURES_LISTED, Summary};
pub use verdict::{Check, Verdict};
