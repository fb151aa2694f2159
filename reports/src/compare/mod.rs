//! Backends side by side: from the measurements of single runs to a table, an object and a page.
//!
//! A [`Collector`] takes runs in and gives a [`Comparison`], which is the JSON object and renders itself as text and HTML.
//! Only what is comparable is added up: scenarios that ran on every backend, whose faults strike somebody on each, and
//! seeds that every backend finished. [`RULES`] says what follows from the figures, and nothing else is claimed.
//!
//! | module | holds |
//! |---|---|
//! | `latencies`, `measures` | what a run leaves, and how runs add up |
//! | `collector` | which runs are comparable |
//! | `metric`, `findings` | the figures that rank backends, and the rules |
//! | `comparison` | the JSON object |
//! | `grids`, `words` | the tables, and how figures are written |
//! | `text`, `page`, `plot` | the terminal, the page, its plots |

mod collector;
mod comparison;
mod findings;
mod grids;
mod latencies;
mod measures;
mod metric;
mod page;
mod plot;
mod text;
mod words;

pub use collector::{Collector, Contest, Entrant, Outcome};
pub use comparison::{
    BackendResult, Comparison, Curves, FORMAT, Figures, Finding, Header, Place, Ranked, Runs, ScenarioResult, Total,
};
pub use findings::RULES;
pub use latencies::{Latencies, Percentiles, Point};
pub use measures::{Exposure, LATE_US, Late, Measures, Messages};
