//! How a forked child takes memory from the system: rarely and in large steps, since it ends soon. On short runs page
//! faults and `brk` calls otherwise cost a tenth of the time.
#![expect(unsafe_code, reason = "settings of libc's allocator")]

/// What is taken at once, bytes.
const STEP_BYTES: libc::c_int = 4 << 20;

/// Sets the allocator up. A setting that libc refuses changes nothing but speed.
pub(crate) fn prepare() {
    // SAFETY: mallopt(3) takes plain integers.
    unsafe {
        // The world's thread uses the heap that the child inherits, instead of a new one of its own.
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_TOP_PAD, STEP_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_MMAP_THRESHOLD, STEP_BYTES);
    }
}
