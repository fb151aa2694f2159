//! One broker as the real `rskafka` and raw clients see it, over real loopback sockets.
//!
//! Worlds have a test of their own: a process in which one runs refuses real sockets.
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod raw;
mod served;
mod support;
