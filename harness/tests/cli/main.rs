//! The binary `squall` as its users meet it: exit codes, output, files, signals, limits.
//!
//! | module | what it shows |
//! |---|---|
//! | `support` | a directory with scenario files, and the binary bounded in real time |
//! | `healthy` | runs that pass: the table, the JSON lines, their order |
//! | `failing` | runs that fail: failure files and their replays |
//! | `damaged` | failure files that something happened to |
//! | `compare` | `squall compare` |
//! | `verifying` | `squall verify` |
//! | `bad_input`, `bad_usage` | what cannot be run, and what its author is told |
//! | `full_disk` | output that cannot be written |
//! | `interrupt` | Ctrl-C |
//! | `limits` | memory and real time |
//! | `subcommands` | everything that does not simulate |
//! | `catalogue` | the scenarios of this repository |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod bad_input;
mod bad_usage;
mod catalogue;
mod compare;
mod damaged;
mod failing;
mod full_disk;
mod healthy;
mod interrupt;
mod limits;
mod subcommands;
mod support;
mod verifying;
