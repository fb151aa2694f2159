//! Exit codes of the process: what a script or a CI server may rely on.

use crate::Verdict;
use std::process::ExitCode;

/// How the process ends. The numbers are part of the interface and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// 0: every check of every run passed.
    Passed = 0,
    /// 1: at least one check failed.
    Failed = 1,
    /// 2: bad usage or bad input; nothing was run.
    Usage = 2,
    /// 3: nothing failed, but at least one check could not decide.
    Inconclusive = 3,
    /// 4: the same scenario, seed and build gave two different runs.
    Nondeterminism = 4,
    /// 5: the harness itself broke.
    Broken = 5,
}

impl Exit {
    /// The exit that a run with this verdict asks for.
    #[must_use]
    pub fn of(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Passed,
            Verdict::Unknown => Self::Inconclusive,
            Verdict::Fail => Self::Failed,
        }
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }

    /// What remains to be said when both happened: the one that puts more of the result in doubt.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }

    /// A broken harness casts doubt on everything, nondeterminism on every verdict, a failure on one scenario.
    fn weight(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Inconclusive => 1,
            Self::Failed => 2,
            Self::Usage => 3,
            Self::Nondeterminism => 4,
            Self::Broken => 5,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Exit; 6] =
        [Exit::Passed, Exit::Failed, Exit::Usage, Exit::Inconclusive, Exit::Nondeterminism, Exit::Broken];

    #[test]
    fn the_numbers_are_those_of_the_documentation() {
        assert_eq!(ALL.map(Exit::code), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_failure_is_not_hidden_by_an_inconclusive_run() {
        assert_eq!(Exit::Inconclusive.and(Exit::Failed), Exit::Failed);
        assert_eq!(Exit::Failed.and(Exit::Inconclusive), Exit::Failed);
        assert_eq!(Exit::Failed.and(Exit::Nondeterminism), Exit::Nondeterminism);
    }

    #[test]
    fn the_order_in_which_runs_end_does_not_matter() {
        for a in ALL {
            for b in ALL {
                assert_eq!(a.and(b), b.and(a));
            }
        }
    }
}
