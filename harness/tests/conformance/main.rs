//! Differential conformance: one set of client scripts, played against the simulated and against the real server.
//!
//! Each script drives the real client, or a raw connection, against a server in a process of its own on a real port, and
//! notes what it saw. Notes hold no times. Where the two sides differ, `differences.toml` must explain it, and the
//! generated part of `docs/conformance.md` lists it. `UPDATE_CONFORMANCE=1` writes what is generated anew.
//!
//! The real servers come from `scripts/install-brokers`, or are found on `PATH`. Without one, its side is what it was
//! recorded to do (`recorded/`).
//!
//! | module | what it holds |
//! |---|---|
//! | `script` | a script, its stage, what it notes |
//! | `server` | a server in a process of its own: start, kill, restart |
//! | `serving` | `squall serve` itself |
//! | `raw` | a client that is only a socket |
//! | `compare` | both sides of all scripts of a backend, and the differences |
//! | `record` | what real servers were recorded to do |
//! | `document` | the generated part of `docs/conformance.md` |
//! | `nats`, `redis`, `kafka` | the scripts and servers of one backend |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod compare;
mod document;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod raw;
mod record;
#[cfg(feature = "redis")]
mod redis;
mod script;
mod server;
mod serving;

#[cfg(feature = "nats")]
#[test]
fn nats_clients_see_the_same_on_the_simulated_and_the_real_server() {
    compare::backend(&nats::BACKEND);
}

#[cfg(feature = "redis")]
#[test]
fn redis_clients_see_the_same_on_the_simulated_and_the_real_server() {
    compare::backend(&redis::BACKEND);
}

#[cfg(feature = "kafka")]
#[test]
fn kafka_clients_see_the_same_on_the_simulated_and_the_real_server() {
    compare::backend(&kafka::BACKEND);
}
