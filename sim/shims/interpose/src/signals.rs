//! Ctrl-C as a flag: what is finished is reported before the program ends.
#![expect(unsafe_code, reason = "signal handlers")]

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::SeqCst);
}

/// Turns the first SIGINT or SIGTERM into [`interrupted`]; the second one ends the program.
pub fn catch_interrupt() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: a zeroed sigaction is valid, the handler only stores to an atomic, and no SA_RESTART
        // lets poll(2) return at once.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_interrupt as *const () as usize;
            action.sa_flags = libc::SA_RESETHAND;
            libc::sigaction(signal, &raw const action, std::ptr::null_mut());
        }
    }
}

/// Whether an interrupt arrived.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// In a forked child: the terminal's Ctrl-C reaches the whole group, and only the parent decides.
pub(crate) fn ignore_interrupt() {
    // SAFETY: SIG_IGN is always a valid disposition.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}
