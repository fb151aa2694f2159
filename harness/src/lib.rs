//! Squall's harness: scenarios in, verdicts out.
//!
//! A run is a pure function of its scenario, its seed and the build:
//!
//! ```no_run
//! use squall_harness::run::{Prepared, RunSpec, execute};
//! use squall_harness::scenario::{Backend, load};
//! use std::sync::Arc;
//!
//! let scenario = load("scenarios/fast/healthy.toml".as_ref()).unwrap();
//! let prepared = Arc::new(Prepared::new(scenario, Backend::Nats, Vec::new()).unwrap());
//! let output = execute(&RunSpec { prepared, seed: 7, plan: None, keep: Default::default() });
//! println!("{}", output.report.to_json_line());
//! ```
//!
//! | module | what it holds |
//! |---|---|
//! | [`scenario`] | scenario files: parsing, validation, schema |
//! | [`nemesis`] | from fault entries to a resolved plan |
//! | `workload` | what clients ask of the cluster |
//! | [`run`] | one run, and many in forked children |
//! | [`record`] | what a run leaves behind |
//! | [`checker`] | what is concluded from it |
//! | [`compare`] | what makes runs on several backends comparable |
//! | [`failure`] | failure files |
//! | `serve` | the simulated servers on real ports |
//! | [`cli`] | the binary `squall`, one file per subcommand |

mod build;
pub mod checker;
pub mod cli;
pub mod compare;
pub mod failure;
pub mod nemesis;
pub mod record;
pub mod run;
pub mod scenario;
mod serve;
mod workload;
