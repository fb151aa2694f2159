//! Several verdicts become one: the worst wins.

use crate::Verdict;

/// The worst of these verdicts; [`Verdict::Unknown`] when there are none, because nothing was examined.
pub fn worst(verdicts: impl IntoIterator<Item = Verdict>) -> Verdict {
    verdicts.into_iter().max().unwrap_or(Verdict::Unknown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{Fail, Pass, Unknown};

    #[test]
    fn one_failure_decides() {
        assert_eq!(worst([Pass, Fail, Unknown]), Fail);
    }

    #[test]
    fn doubt_is_worse_than_success() {
        assert_eq!(worst([Pass, Unknown, Pass]), Unknown);
        assert_eq!(worst([Pass, Pass]), Pass);
    }

    #[test]
    fn a_run_without_checks_proves_nothing() {
        assert_eq!(worst([]), Unknown);
    }
}
