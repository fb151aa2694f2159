//! What makes a whole process deterministic: libc's sources of time and entropy answered from the
//! seed, a fixed address layout, and one forked child per run.
//!
//! Libraries read clocks and randomness straight from libc, below anything a Rust API could replace, so
//! this crate defines the symbols themselves: `getrandom`, `clock_gettime`, `gettimeofday`, `time`,
//! `syscall` (raw `getrandom` and timed futex waits), `open` (of the random device), `pthread_create`, `socket` and what is
//! called on a datagram socket before it is handed to tokio. Outside a simulation thread each of them does what libc's does.
//!
//! | module | what it holds |
//! |---|---|
//! | [`clock`] | the simulated clock of the simulation thread |
//! | [`datagrams`] | descriptors that stand in for datagram sockets opened through libc |
//! | [`entropy`] | the seeded stream behind `getrandom` |
//! | [`guard`] | refusing real sockets and threads to simulated code |
//! | [`layout`] | switching address randomisation off by re-executing |
//! | [`pool`] | forked children with limits, and what they return |
//! | [`signals`] | Ctrl-C as a flag |
//!
//! ```
//! use squall_interpose::{clock, entropy};
//! entropy::seed(7);
//! clock::start(1_750_000_000_000);
//! clock::advance_to(5_000_000_000);
//! assert!(clock::now_ns() >= 5_000_000_000);
//! clock::stop();
//! entropy::unseed();
//! ```

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "squall's simulation replaces libc symbols and forks its runs, which is written for Linux on x86-64 and aarch64; \
     build there, or build the daemon alone with `cargo build -p squall-cluster`"
);

pub mod clock;
pub mod datagrams;
pub mod entropy;
pub mod guard;
pub mod layout;
mod memory;
pub mod pool;
pub mod signals;
mod socket_symbols;
mod symbols;
