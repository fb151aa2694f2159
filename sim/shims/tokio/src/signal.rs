//! `tokio::signal`, refused inside a simulated host.

use std::io;

fn refuse_inside_host() {
    if crate::gate::inside_host() {
        squall_hook::refuse("a simulated host waited for a signal of the operating system");
    }
}

/// Completes when the process receives ctrl-c.
///
/// # Errors
/// When the handler cannot be installed.
///
/// # Panics
/// Inside a simulated host.
pub async fn ctrl_c() -> io::Result<()> {
    refuse_inside_host();
    real_tokio::signal::ctrl_c().await
}

/// Signals of Unix.
pub mod unix {
    use std::io;

    pub use real_tokio::signal::unix::*;

    /// A listener for one kind of signal.
    ///
    /// # Errors
    /// When the handler cannot be installed.
    ///
    /// # Panics
    /// Inside a simulated host.
    pub fn signal(kind: SignalKind) -> io::Result<Signal> {
        super::refuse_inside_host();
        real_tokio::signal::unix::signal(kind)
    }
}
