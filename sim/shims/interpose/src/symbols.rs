//! The libc symbols themselves. An executable's own definition wins over the shared library's, so
//! every caller in the process, C or Rust, gets these.
#![expect(unsafe_code, reason = "replacing C symbols is what this file is for")]

use crate::clock::{self, Clock, Timeout};
use crate::{entropy, guard, pool};
use libc::{c_int, c_long, c_void, clockid_t, suseconds_t, time_t, timespec, timeval};

const NS_PER_S: i64 = 1_000_000_000;

/// A system call past libc, so that the overrides below can fall through without recursion.
///
/// # Safety
/// As the system call `n` demands.
#[cfg(target_arch = "x86_64")]
pub(crate) unsafe fn raw(n: c_long, args: [usize; 6]) -> c_long {
    let result: isize;
    // SAFETY: the kernel's calling convention; the caller vouches for the arguments.
    unsafe {
        std::arch::asm!("syscall", inlateout("rax") n as isize => result, in("rdi") args[0], in("rsi") args[1],
            in("rdx") args[2], in("r10") args[3], in("r8") args[4], in("r9") args[5],
            lateout("rcx") _, lateout("r11") _, options(nostack));
    }
    errno(result)
}

/// A system call past libc, so that the overrides below can fall through without recursion.
///
/// # Safety
/// As the system call `n` demands.
#[cfg(target_arch = "aarch64")]
pub(crate) unsafe fn raw(n: c_long, args: [usize; 6]) -> c_long {
    let result: isize;
    // SAFETY: the kernel's calling convention; the caller vouches for the arguments.
    unsafe {
        std::arch::asm!("svc 0", in("x8") n, inlateout("x0") args[0] as isize => result, in("x1") args[1],
            in("x2") args[2], in("x3") args[3], in("x4") args[4], in("x5") args[5], options(nostack));
    }
    errno(result)
}

/// The kernel's result as libc returns it.
fn errno(result: isize) -> c_long {
    if (-4095..0).contains(&result) {
        set_errno(c_int::try_from(-result).unwrap_or(libc::EIO));
        return -1;
    }
    result as c_long
}

pub(crate) fn set_errno(code: c_int) {
    // SAFETY: libc's thread-local errno is always valid to write.
    unsafe { *libc::__errno_location() = code }
}

/// # Safety
/// As getrandom(2): `buf` is valid for writes of `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buf: *mut u8, len: usize, flags: u32) -> isize {
    if len > 0 && !buf.is_null() {
        // SAFETY: the caller's buffer, as getrandom(2) demands.
        let out = unsafe { std::slice::from_raw_parts_mut(buf, len) };
        if entropy::fill(out) {
            return isize::try_from(len).unwrap_or(isize::MAX);
        }
    }
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_getrandom, [buf as usize, len, flags as usize, 0, 0, 0]) as isize }
}

/// # Safety
/// As clock_gettime(2): `ts` is valid for writes.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(id: clockid_t, ts: *mut timespec) -> c_int {
    let clock = match id {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => Some(Clock::Wall),
        libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID => None,
        _ => Some(Clock::Monotonic),
    };
    if let Some(ns) = clock.and_then(clock::read) {
        // SAFETY: the caller's buffer, as clock_gettime(2) demands.
        unsafe { *ts = timespec { tv_sec: ns.div_euclid(NS_PER_S), tv_nsec: ns.rem_euclid(NS_PER_S) } };
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_clock_gettime, [id as usize, ts as usize, 0, 0, 0, 0]) as c_int }
}

/// # Safety
/// As gettimeofday(2): `tv` is null or valid for writes.
#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(tv: *mut timeval, tz: *mut c_void) -> c_int {
    if !tv.is_null()
        && let Some(ns) = clock::read(Clock::Wall)
    {
        let usec = (ns.rem_euclid(NS_PER_S) / 1_000) as suseconds_t;
        // SAFETY: not null, and the caller's buffer, as gettimeofday(2) demands.
        unsafe { *tv = timeval { tv_sec: ns.div_euclid(NS_PER_S), tv_usec: usec } };
        return 0;
    }
    // SAFETY: the caller's own arguments.
    unsafe { raw(libc::SYS_gettimeofday, [tv as usize, tz as usize, 0, 0, 0, 0]) as c_int }
}

/// # Safety
/// As time(2): `out` is null or valid for writes.
#[unsafe(no_mangle)]
unsafe extern "C" fn time(out: *mut time_t) -> time_t {
    let mut ts = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local buffer.
    unsafe { clock_gettime(libc::CLOCK_REALTIME, &raw mut ts) };
    if !out.is_null() {
        // SAFETY: not null, and the caller's buffer, as time(2) demands.
        unsafe { *out = ts.tv_sec };
    }
    ts.tv_sec
}

/// # Safety
/// As the system call `n` demands.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(n: c_long, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> c_long {
    if n == libc::SYS_getrandom {
        // SAFETY: the caller's own arguments.
        return unsafe { getrandom(a as *mut u8, b, c as u32) as c_long };
    }
    if n == libc::SYS_futex && d != 0 && clock::simulated() {
        // SAFETY: a wait's first argument is the futex word, its fourth the time-out.
        if let Some(code) = unsafe { futex_wait(a as *const u32, b as c_int, c as u32, d as *const timespec) } {
            set_errno(code);
            return -1;
        }
    }
    if n == libc::SYS_futex && d == 0 && guard::armed() && pool::in_child() {
        // SAFETY: a wait's first argument is the futex word.
        unsafe { refuse_endless_wait(a as *const u32, b as c_int, c as u32) };
    }
    // SAFETY: the caller's own arguments.
    unsafe { raw(n, [a, b, c, d, e, f]) }
}

/// Ends the process if simulated code waits for another thread without a time-out. There is none: the run would hang.
/// Only in a child, since elsewhere threads of other worlds may hold a lock for a moment.
///
/// # Safety
/// `word` is valid for reads, as futex(2) demands of a wait.
unsafe fn refuse_endless_wait(word: *const u32, op: c_int, expected: u32) {
    let op = op & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    // SAFETY: the caller's futex word.
    if (op == libc::FUTEX_WAIT || op == libc::FUTEX_WAIT_BITSET) && unsafe { *word } == expected {
        let why = "squall: simulated code blocked its thread until another one goes on, as a full queue with a blocking \
                   sender does; a run has one thread, so wait asynchronously or in tokio::task::spawn_blocking\n";
        // SAFETY: a local buffer; then the end of the process, which needs nothing.
        unsafe {
            libc::write(libc::STDERR_FILENO, why.as_ptr().cast(), why.len());
            libc::abort();
        }
    }
}

/// The error a timed wait on the simulation thread ends with; `None` when it is no wait.
///
/// # Safety
/// `word` and `timeout` are valid for reads, as futex(2) demands of a wait.
unsafe fn futex_wait(word: *const u32, op: c_int, expected: u32, timeout: *const timespec) -> Option<c_int> {
    let op = op & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME);
    if op != libc::FUTEX_WAIT && op != libc::FUTEX_WAIT_BITSET {
        return None;
    }
    // SAFETY: the caller's futex word; no other thread runs while the simulation thread does.
    if unsafe { *word } != expected {
        return Some(libc::EAGAIN);
    }
    // SAFETY: the caller's time-out.
    let ts = unsafe { *timeout };
    let ns = ts.tv_sec.saturating_mul(NS_PER_S).saturating_add(ts.tv_nsec);
    let timeout = if op == libc::FUTEX_WAIT { Timeout::AfterNs(ns) } else { Timeout::AtMonotonicNs(ns) };
    clock::skip_wait(timeout).then_some(libc::ETIMEDOUT)
}

/// # Safety
/// As open(2): `path` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const libc::c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's own arguments.
    unsafe { open64(path, flags, mode) }
}

/// # Safety
/// As open(2): `path` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const libc::c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    // SAFETY: the caller's C string, as open(2) demands.
    let name = unsafe { std::ffi::CStr::from_ptr(path) };
    if matches!(name.to_bytes(), b"/dev/urandom" | b"/dev/random")
        && let Some(fd) = seeded_device()
    {
        return fd;
    }
    let at = libc::AT_FDCWD as isize as usize;
    // SAFETY: the caller's own arguments.
    unsafe {
        raw(libc::SYS_openat, [at, path as usize, (flags | libc::O_LARGEFILE) as usize, mode as usize, 0, 0]) as c_int
    }
}

/// What a reader of the random device gets within a simulation: a file with more of the seeded stream than a library
/// reads to seed itself.
fn seeded_device() -> Option<c_int> {
    let mut bytes = [0; 512];
    if !entropy::fill(&mut bytes) {
        return None;
    }
    // SAFETY: a C string and plain flags; then a write from, and a rewind of, what was just opened.
    unsafe {
        let fd = libc::memfd_create(c"random".as_ptr(), libc::MFD_CLOEXEC);
        let written = fd >= 0 && libc::write(fd, bytes.as_ptr().cast(), bytes.len()) == bytes.len() as isize;
        (written && libc::lseek(fd, 0, libc::SEEK_SET) == 0).then_some(fd)
    }
}

type StartRoutine = extern "C" fn(*mut c_void) -> *mut c_void;
type PthreadCreate =
    unsafe extern "C" fn(*mut libc::pthread_t, *const libc::pthread_attr_t, StartRoutine, *mut c_void) -> c_int;

/// # Safety
/// As pthread_create(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut libc::pthread_t,
    attr: *const libc::pthread_attr_t,
    start: StartRoutine,
    arg: *mut c_void,
) -> c_int {
    if guard::refuses("a thread: a run has one; use tokio::spawn or tokio::task::spawn_blocking") {
        return libc::EPERM;
    }
    // SAFETY: looks up the next definition of the symbol, which is libc's.
    let next = unsafe { libc::dlsym(libc::RTLD_NEXT, c"pthread_create".as_ptr()) };
    if next.is_null() {
        return libc::EAGAIN;
    }
    // SAFETY: libc's pthread_create has this signature.
    let next: PthreadCreate = unsafe { std::mem::transmute(next) };
    // SAFETY: the caller's own arguments.
    unsafe { next(thread, attr, start, arg) }
}
