//! What the servers of the world have in common.
//!
//! - [`acceptor`]: a listener that outlives failures to accept
//! - [`outbox`]: bytes that wait for one client
//!
//! And sockets around a pure state machine:
//!
//! - `machine`: what the shell asks of a server
//! - `lane`: how far the bytes of one client have got
//! - `stream`: one connection, plain or with TLS
//! - `shell`: the sockets of one server
//! - `session`: the task of one connection
//! - `driver`: the task that accepts and waits

pub(crate) mod acceptor;
#[cfg(feature = "redis")]
mod driver;
#[cfg(feature = "redis")]
pub(crate) mod lane;
#[cfg(feature = "redis")]
pub(crate) mod machine;
pub(crate) mod outbox;
#[cfg(feature = "redis")]
mod session;
#[cfg(feature = "redis")]
mod shell;
#[cfg(feature = "redis")]
mod stream;

#[cfg(feature = "redis")]
pub(crate) use shell::Shell;
