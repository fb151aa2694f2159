//! Measurements of the world and of whole runs: what the benchmarks share. They are in `benches/`, their figures in
//! `docs/speed.md`.
//!
//! ```
//! use squall_benches::{Spread, Table};
//! use std::time::Duration;
//!
//! let cpu = Spread::of([9, 7, 8].map(Duration::from_millis)).unwrap();
//! let mut table = Table::new(["nodes", "CPU, ms"]);
//! table.row(["5".to_owned(), cpu.show(|t| format!("{}", t.as_millis()))]);
//! assert_eq!(table.to_string(), "| nodes | CPU, ms |\n|------:|--------:|\n|     5 | 8 (7–9) |\n");
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | `arguments` | what to measure, from the command line |
//! | `spread` | least, median and greatest of repeated measurements |
//! | `table` | figures as a Markdown table |

mod arguments;
mod spread;
mod table;

pub use arguments::{Arguments, Effort};
pub use spread::Spread;
pub use table::{Table, milliseconds};
