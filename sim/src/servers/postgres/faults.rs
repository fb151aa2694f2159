//! Faults of the server and the count of what they did. They survive restarts together with the disk.

use std::time::Duration;

use super::disk::Disk;

/// What was done and what was made to fail since the disk was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Statements that reached the database, transaction control excepted.
    pub statements: u64,
    /// Commits that changed data and are durable; a writing statement of its own is one.
    pub commits: u64,
    /// Writing statements refused with 40001 on request.
    pub failed_statements: u64,
    /// Commits refused with 40001 on request.
    pub failed_commits: u64,
    /// Deaths at a commit, before or after it took effect.
    pub deaths: u64,
}

impl Counters {
    /// Faults that took effect, of every kind that is counted.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.failed_statements + self.failed_commits + self.deaths
    }
}

/// On which side of the next commit the server dies. The client cannot tell one from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathPoint {
    /// The commit has not happened.
    BeforeCommit,
    /// The commit has happened, and nobody was told.
    AfterCommit,
}

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommitFate {
    Proceed,
    Refuse,
    Die(DeathPoint),
}

/// The faults in force, and the counters.
#[derive(Debug, Default)]
pub(super) struct FaultPlan {
    pub(super) service_time: Duration,
    pub(super) counters: Counters,
    statements_to_fail: u32,
    commits_to_fail: u32,
    death: Option<DeathPoint>,
}

impl FaultPlan {
    /// Whether this writing statement fails; each such answer uses one up.
    pub(super) fn fails_statement(&mut self) -> bool {
        if self.statements_to_fail == 0 {
            return false;
        }
        self.statements_to_fail -= 1;
        self.counters.failed_statements += 1;
        true
    }

    /// Whether the next commit may end otherwise than well.
    pub(super) fn threatens_commit(&self) -> bool {
        self.commits_to_fail > 0 || self.death.is_some()
    }

    /// Decides one commit and counts it; death comes before refusal when both are due.
    pub(super) fn decide_commit(&mut self) -> CommitFate {
        if let Some(point) = self.death.take() {
            self.counters.deaths += 1;
            return CommitFate::Die(point);
        }
        if self.commits_to_fail > 0 {
            self.commits_to_fail -= 1;
            self.counters.failed_commits += 1;
            return CommitFate::Refuse;
        }
        CommitFate::Proceed
    }
}

/// Makes the server slow, failing or dead. Every handle on one disk is the same one.
///
/// Only commits that write count: a read-only transaction neither fails nor kills. A writing
/// statement outside a transaction is a commit of its own.
#[derive(Clone, Debug)]
pub struct Faults {
    disk: Disk,
}

impl Faults {
    pub(super) fn new(disk: Disk) -> Faults {
        Faults { disk }
    }

    /// How long every statement and every writing COMMIT takes before it is carried out. Zero, the
    /// default, sets no timer at all.
    pub fn set_service_time(&self, time: Duration) {
        self.disk.storage().faults.service_time = time;
    }

    /// The next `count` writing statements fail with 40001. Replaces an earlier number.
    pub fn fail_statements(&self, count: u32) {
        self.disk.storage().faults.statements_to_fail = count;
    }

    /// The next `count` commits fail with 40001, nothing of them remains. Replaces an earlier number.
    pub fn fail_commits(&self, count: u32) {
        self.disk.storage().faults.commits_to_fail = count;
    }

    /// At the next commit the server calls [`on_death`](super::ServerConfig::on_death) and is silent.
    pub fn die_at_commit(&self, point: DeathPoint) {
        self.disk.storage().faults.death = Some(point);
    }

    /// Takes back a death at the next commit that has not happened yet.
    pub fn spare(&self) {
        self.disk.storage().faults.death = None;
    }

    /// Takes back every fault that has not happened yet. The counters stay.
    pub fn heal(&self) {
        let mut storage = self.disk.storage();
        storage.faults = FaultPlan { counters: storage.faults.counters, ..FaultPlan::default() };
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.disk.storage().faults.counters
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_is_used_up_and_counted() {
        let mut plan = FaultPlan { statements_to_fail: 2, commits_to_fail: 1, ..FaultPlan::default() };
        assert_eq!([(); 3].map(|()| plan.fails_statement()), [true, true, false]);
        assert!(plan.threatens_commit());
        assert_eq!(plan.decide_commit(), CommitFate::Refuse);
        assert_eq!(plan.decide_commit(), CommitFate::Proceed);
        assert!(!plan.threatens_commit());
        assert_eq!(plan.counters.injected(), 3);
    }

    #[test]
    fn death_comes_before_refusal() {
        let death = DeathPoint::AfterCommit;
        let mut plan = FaultPlan { commits_to_fail: 1, death: Some(death), ..FaultPlan::default() };
        assert_eq!(plan.decide_commit(), CommitFate::Die(death));
        assert_eq!(plan.decide_commit(), CommitFate::Refuse);
        assert_eq!(plan.counters.deaths, 1);
    }
}
