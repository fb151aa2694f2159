//! Ctrl-C as a flag: what is finished is reported before the program ends.
#![expect(unsafe_code, reason = "signal handlers")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
/// When the first signal came, milliseconds of the monotonic clock.
static FIRST_MS: AtomicU64 = AtomicU64::new(0);

/// A signal this soon after the first is the same wish: `timeout(1)` signals the process and then its group.
const SAME_WISH_MS: u64 = 500;

extern "C" fn on_interrupt(signal: libc::c_int) {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // Past this crate's own clock, which a world on this thread may have set.
    // SAFETY: async-signal-safe, into a local buffer.
    unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_MONOTONIC as usize, &raw mut now) };
    let now_ms = now.tv_sec.unsigned_abs() * 1_000 + now.tv_nsec.unsigned_abs() / 1_000_000;
    if !INTERRUPTED.swap(true, Ordering::SeqCst) {
        FIRST_MS.store(now_ms, Ordering::SeqCst);
    } else if now_ms.saturating_sub(FIRST_MS.load(Ordering::SeqCst)) >= SAME_WISH_MS {
        // SAFETY: both are async-signal-safe; the default action ends the program.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

/// Turns the first SIGINT or SIGTERM into [`interrupted`]; another one, half a second later or more, ends the program.
pub fn catch_interrupt() {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: a zeroed sigaction is valid, the handler is async-signal-safe, and no SA_RESTART lets poll(2)
        // return at once.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_interrupt as *const () as usize;
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
