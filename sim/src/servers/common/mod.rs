//! What the servers of the world have in common: sockets around a pure state machine.
//!
//! - [`machine`]: what the shell asks of a server
//! - [`lane`]: how far the bytes of one client have got
//! - [`outbox`]: bytes that wait for one client
//! - `stream`: one connection, plain or with TLS
//! - `shell`: the sockets of one server
//! - `session`: the task of one connection
//! - `driver`: the task that accepts and waits

mod driver;
pub(crate) mod lane;
pub(crate) mod machine;
pub(crate) mod outbox;
mod session;
mod shell;
mod stream;

pub(crate) use shell::Shell;
