//! Many runs, each in a forked child of this process, which itself never runs a world.

use super::{RunOutput, RunSpec, execute};
use squall_interpose::pool::{self, Exit, Pool};
use squall_interpose::signals;
use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

/// What one run may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Address space, bytes.
    pub memory_bytes: u64,
    /// Real time.
    pub real_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 4 << 30, real_time: Duration::from_secs(300) }
    }
}

/// Where runs happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Each in a child of its own, so many at a time.
    Forked {
        /// Children at a time.
        jobs: usize,
    },
    /// One after another in this process, for a debugger. Later runs may differ from a forked one: libraries
    /// keep statics.
    InProcess,
}

/// Why runs could not go on.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// No process or pipe left.
    #[error("could not start a run in a process of its own ({0}); lower --jobs or raise the limit on processes")]
    Start(#[source] io::Error),
    /// Waiting failed.
    #[error("could not wait for a run ({0})")]
    Wait(#[source] io::Error),
}

/// How a batch came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Every run was done.
    Completed,
    /// The receiver of the results wanted no more.
    Stopped,
    /// Ctrl-C: what was finished has been handed over.
    Interrupted,
}

/// Runs to be done.
#[derive(Debug)]
pub struct Batch {
    /// Where.
    pub isolation: Isolation,
    /// With what limits.
    pub limits: Limits,
}

impl Batch {
    /// Does the runs and hands each result over, in their order, as soon as it and all before it are there.
    ///
    /// # Errors
    /// When the system refuses processes.
    pub fn run(
        &self,
        specs: impl Iterator<Item = RunSpec>,
        mut receive: impl FnMut(&RunSpec, RunOutput) -> ControlFlow<()>,
    ) -> Result<Ended, BatchError> {
        match self.isolation {
            Isolation::Forked { jobs } => self.forked(jobs.max(1), specs.enumerate(), receive),
            Isolation::InProcess => {
                for spec in specs {
                    if receive(&spec, execute(&spec)).is_break() {
                        return Ok(Ended::Stopped);
                    }
                    if signals::interrupted() {
                        return Ok(Ended::Interrupted);
                    }
                }
                Ok(Ended::Completed)
            }
        }
    }

    fn forked(
        &self,
        jobs: usize,
        mut specs: impl Iterator<Item = (usize, RunSpec)>,
        mut receive: impl FnMut(&RunSpec, RunOutput) -> ControlFlow<()>,
    ) -> Result<Ended, BatchError> {
        let limits = pool::Limits { memory_bytes: self.limits.memory_bytes, real_time: self.limits.real_time };
        let mut pool = Pool::new();
        let mut running: BTreeMap<usize, RunSpec> = BTreeMap::new();
        let mut done: BTreeMap<usize, (RunSpec, RunOutput)> = BTreeMap::new();
        let mut next = 0;
        loop {
            if signals::interrupted() {
                pool.kill_all();
                for (spec, output) in done.into_values() {
                    let _too_late_to_stop = receive(&spec, output);
                }
                return Ok(Ended::Interrupted);
            }
            while pool.len() < jobs {
                let Some((tag, spec)) = specs.next() else { break };
                pool.start(tag, limits, || encode(&execute(&spec))).map_err(BatchError::Start)?;
                running.insert(tag, spec);
            }
            if pool.is_empty() {
                return Ok(Ended::Completed);
            }
            let Some(finished) = pool.wait().map_err(BatchError::Wait)? else { continue };
            let Some(spec) = running.remove(&finished.tag) else { continue };
            let output = result(&spec, &finished, self.limits);
            done.insert(finished.tag, (spec, output));
            while let Some((spec, output)) = done.remove(&next) {
                next += 1;
                if receive(&spec, output).is_break() {
                    pool.kill_all();
                    return Ok(Ended::Stopped);
                }
            }
        }
    }
}

/// A run's result as it crosses the pipe.
pub(super) fn encode(output: &RunOutput) -> Vec<u8> {
    serde_json::to_vec(output).expect("a result has only strings, numbers and lists")
}

/// What a child left, or the verdict on one that left nothing.
fn result(spec: &RunSpec, finished: &pool::Finished, limits: Limits) -> RunOutput {
    let memory = format!("memory limit: {} MiB, see --memory-limit", limits.memory_bytes >> 20);
    match &finished.exit {
        Exit::Done => match serde_json::from_slice(&finished.output) {
            Ok(output) => output,
            Err(error) => RunOutput::broken(spec, "no-panic", format!("the run's result could not be read: {error}")),
        },
        Exit::Panicked(message) => {
            let reason = format!("the run panicked outside every simulated task: {message} ({memory})");
            RunOutput::broken(spec, "no-panic", reason)
        }
        Exit::Signal(signal) => {
            let hint = match *signal {
                libc_signals::ABORT => " (abort: often memory beyond the limit, or a panic while panicking)",
                libc_signals::SEGV => " (segmentation fault: often a stack overflow, or no memory left for the stack)",
                libc_signals::KILL => " (killed from outside, often for lack of memory)",
                _ => "",
            };
            RunOutput::broken(spec, "no-panic", format!("the run's process died of signal {signal}{hint}; {memory}"))
        }
        Exit::TimedOut => {
            let limit_s = limits.real_time.as_secs();
            let reason = format!("no verdict after {limit_s} s of real time; raise --time-limit if it is only slow");
            RunOutput::broken(spec, "no-livelock", reason)
        }
        Exit::Code(code) => RunOutput::broken(spec, "no-panic", format!("the run's process exited with code {code}")),
    }
}

/// The signals worth a hint, by their Linux numbers.
mod libc_signals {
    pub(super) const ABORT: i32 = 6;
    pub(super) const KILL: i32 = 9;
    pub(super) const SEGV: i32 = 11;
}
