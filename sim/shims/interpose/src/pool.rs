//! Forked children: each run gets a fresh process image, limits, and a pipe for its result.
//!
//! The parent must be single-threaded, or a child may inherit a lock that nobody releases.
#![expect(unsafe_code, reason = "fork, pipes, limits and waiting")]

use crate::{memory, signals};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

/// What a child may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Address space, bytes.
    pub memory_bytes: u64,
    /// Real time.
    pub real_time: Duration,
}

/// How a child ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned its result.
    Done,
    /// Its code panicked outside every task; the message.
    Panicked(String),
    /// A signal ended it.
    Signal(i32),
    /// It used up its real time and was killed.
    TimedOut,
    /// It ended without a result.
    Code(i32),
}

/// A child that ended.
#[derive(Debug)]
pub struct Finished {
    /// The tag it was started with.
    pub tag: usize,
    /// What it returned.
    pub output: Vec<u8>,
    /// How it ended.
    pub exit: Exit,
    /// Its peak resident memory, KiB.
    pub max_rss_kib: u64,
    /// CPU time it used.
    pub cpu: Duration,
}

struct Running {
    tag: usize,
    pid: libc::pid_t,
    pipe: File,
    output: Vec<u8>,
    deadline: Instant,
    timed_out: bool,
}

/// Children that run at the same time.
#[derive(Default)]
pub struct Pool {
    running: Vec<Running>,
}

/// The pipe to the parent, in a child; -1 elsewhere.
static CHILD_PIPE: AtomicI32 = AtomicI32::new(-1);

/// Whether this process is a child of a pool.
pub(crate) fn in_child() -> bool {
    CHILD_PIPE.load(Ordering::Relaxed) >= 0
}

/// Ends a child from anywhere in its code, with this result. Elsewhere than in a child it ends the program with exit
/// code 1 after printing the result to standard error.
pub fn finish_with(output: &[u8]) -> ! {
    let fd = CHILD_PIPE.load(Ordering::SeqCst);
    if fd < 0 {
        eprintln!("{}", String::from_utf8_lossy(output));
        std::process::exit(1);
    }
    // SAFETY: the descriptor is open until this process ends, which is here.
    let mut pipe = unsafe { File::from_raw_fd(fd) };
    let code = if pipe.write_all(output).is_ok() { 0 } else { 1 };
    // SAFETY: ends the process without running exit handlers that belong to the parent.
    unsafe { libc::_exit(code) }
}

/// Between two looks at deadlines, and at a signal that came just before a wait, milliseconds.
const LOOK_MS: libc::c_int = 250;
const PANICKED: libc::c_int = 101;

impl Pool {
    /// An empty pool.
    #[must_use]
    pub fn new() -> Self {
        know_the_processor();
        Self::default()
    }

    /// Children that have not ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether no child runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Runs `work` in a child. It is known by `tag` when it ends.
    ///
    /// # Errors
    /// When the system has no pipe or process left.
    pub fn start(&mut self, tag: usize, limits: Limits, work: impl FnOnce() -> Vec<u8>) -> io::Result<()> {
        let mut fds = [0; 2];
        // SAFETY: an array of two descriptors, as pipe2(2) demands.
        if unsafe { libc::pipe2(fds.as_mut_ptr(), libc::O_CLOEXEC) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: both descriptors are new and owned here alone.
        let (read, write) = unsafe { (File::from_raw_fd(fds[0]), File::from_raw_fd(fds[1])) };
        // SAFETY: the parent has one thread (see the module), so the child's image is consistent.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => {
                drop(read);
                child(write, limits, work)
            }
            pid => {
                let deadline = Instant::now() + limits.real_time;
                self.running.push(Running { tag, pid, pipe: read, output: Vec::new(), deadline, timed_out: false });
                Ok(())
            }
        }
    }

    /// Waits for the next child to end; `None` when none runs or an interrupt arrived meanwhile.
    ///
    /// # Errors
    /// When waiting itself fails.
    pub fn wait(&mut self) -> io::Result<Option<Finished>> {
        let mut buffer = vec![0; 1 << 16];
        while !self.running.is_empty() {
            if signals::interrupted() {
                return Ok(None);
            }
            let mut polls: Vec<libc::pollfd> = self
                .running
                .iter()
                .map(|r| libc::pollfd { fd: r.pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 })
                .collect();
            // SAFETY: a live array of that many pollfd.
            let ready = unsafe { libc::poll(polls.as_mut_ptr(), polls.len() as libc::nfds_t, LOOK_MS) };
            if ready < 0 {
                let error = io::Error::last_os_error();
                if error.kind() == io::ErrorKind::Interrupted {
                    continue;
                }
                return Err(error);
            }
            self.kill_overdue();
            for (i, poll) in polls.iter().enumerate() {
                if poll.revents == 0 {
                    continue;
                }
                let running = &mut self.running[i];
                match running.pipe.read(&mut buffer) {
                    Ok(0) => return Ok(Some(reap(self.running.swap_remove(i))?)),
                    Ok(n) => running.output.extend_from_slice(&buffer[..n]),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
                break;
            }
        }
        Ok(None)
    }

    /// Kills every child; their results are lost.
    pub fn kill_all(&mut self) {
        for running in self.running.drain(..) {
            // SAFETY: a child of ours that nobody has waited for.
            unsafe { libc::kill(running.pid, libc::SIGKILL) };
            let _already_gone = reap(running);
        }
    }

    fn kill_overdue(&mut self) {
        let now = Instant::now();
        for running in &mut self.running {
            if !running.timed_out && running.deadline <= now {
                running.timed_out = true;
                // SAFETY: a child of ours that nobody has waited for.
                unsafe { libc::kill(running.pid, libc::SIGKILL) };
            }
        }
    }
}

/// Asks the processor for its features, which libraries keep once they know. In a virtual machine each such question is
/// a trap, and every child would ask again.
fn know_the_processor() {
    #[cfg(target_arch = "x86_64")]
    let _known_from_now_on = std::arch::is_x86_feature_detected!("avx2");
    let _known_to_chacha = crate::entropy::fill(&mut [0; 64]);
}

/// The child's life: limits, the work, its result into the pipe, and no destructors.
fn child(mut pipe: File, limits: Limits, work: impl FnOnce() -> Vec<u8>) -> ! {
    signals::ignore_interrupt();
    CHILD_PIPE.store(pipe.as_raw_fd(), Ordering::SeqCst);
    // SAFETY: plain system calls on this process; a failure leaves a limit unset, which the parent's clock covers.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        let memory = libc::rlimit { rlim_cur: limits.memory_bytes, rlim_max: limits.memory_bytes };
        libc::setrlimit(libc::RLIMIT_AS, &raw const memory);
        let core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        libc::setrlimit(libc::RLIMIT_CORE, &raw const core);
    }
    memory::prepare();
    let (output, code) = match std::panic::catch_unwind(AssertUnwindSafe(work)) {
        Ok(output) => (output, 0),
        Err(panic) => (panic_message(&*panic).into_bytes(), PANICKED),
    };
    let code = if pipe.write_all(&output).is_ok() { code } else { 1 };
    // SAFETY: ends the process without running exit handlers that belong to the parent.
    unsafe { libc::_exit(code) }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

fn reap(running: Running) -> io::Result<Finished> {
    let mut status = 0;
    // SAFETY: a zeroed rusage is valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: a child of ours that nobody has waited for, and live local buffers.
        let waited = unsafe { libc::wait4(running.pid, &raw mut status, 0, &raw mut usage) };
        if waited == running.pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let exit = if running.timed_out {
        Exit::TimedOut
    } else if libc::WIFSIGNALED(status) {
        Exit::Signal(libc::WTERMSIG(status))
    } else {
        match libc::WEXITSTATUS(status) {
            0 => Exit::Done,
            PANICKED => Exit::Panicked(String::from_utf8_lossy(&running.output).into_owned()),
            code => Exit::Code(code),
        }
    };
    let seconds =
        |t: libc::timeval| Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_usec * 1_000).unwrap_or(0));
    Ok(Finished {
        tag: running.tag,
        output: running.output,
        exit,
        max_rss_kib: usage.ru_maxrss.unsigned_abs(),
        cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
    })
}
