use super::*;
use crate::checker::testing::Run;
use squall_cluster::blocklist::Entry;
use squall_cluster::observe::Source;
use squall_reports::Verdict;
use std::time::Duration;

/// Two nodes that both blocked and then both unblocked one address.
fn unblocked() -> (Run, Entry) {
    let mut run = Run::of(2);
    let block = run.block(1, 5_000, "10.0.0.1");
    run.broadcast(1, 5_001, &block);
    let unblock = run.unblock(1, 6_000, "10.0.0.1");
    run.broadcast(1, 6_001, &unblock);
    (run, block)
}

#[test]
fn an_unblock_that_stays_passes() {
    let (mut run, _) = unblocked();
    let check = NoResurrectedBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.starts_with("1 unblock stayed in force on 2 running nodes"), "{check:?}");
}

#[test]
fn an_older_block_applied_over_the_unblock_fails() {
    let (mut run, block) = unblocked();
    run.learn(2, 7_000, &block, Source::AntiEntropy);
    let check = NoResurrectedBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert_eq!(
        check.reason,
        "node 2 applied an older version of 10.0.0.1 at 7.000 s (blocked by node 1 at 5.000 s) over the one it knew \
         since 6.001 s (unblocked by node 1 at 6.000 s); 1 such step back"
    );
    assert_eq!(check.evidence.len(), 2);
    assert!(check.evidence[0].starts_with("6.001 s: node 2 learned by broadcast that 10.0.0.1 is unblocked"));
    assert!(check.evidence[1].starts_with("7.000 s: node 2 learned by anti-entropy that 10.0.0.1 is blocked"));
}

#[test]
fn a_newer_block_after_the_unblock_passes() {
    let (mut run, _) = unblocked();
    let again = run.block(2, 7_000, "10.0.0.1");
    run.broadcast(2, 7_001, &again);
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn an_unblock_that_was_never_announced_fails_at_the_end() {
    let mut run = Run::of(3);
    let block = run.block(1, 5_000, "10.0.0.1");
    run.broadcast(1, 5_001, &block);
    let unblock = run.unblock(1, 6_000, "10.0.0.1");
    run.learn(2, 6_001, &unblock, Source::Broadcast);
    let check = NoResurrectedBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert_eq!(
        check.reason,
        "node 3 still blocks 10.0.0.1 at the end although it should know the unblock (unblocked by node 1 at \
         6.000 s); 1 such block"
    );
}

#[test]
fn a_block_that_came_back_silently_fails_at_the_end() {
    let (mut run, block) = unblocked();
    let mut record = run.finish();
    record.finals[1].entries = vec![block];
    let check = NoResurrectedBlock.check(&record);
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.contains("although it had applied the unblock"), "{check:?}");
}

#[test]
fn an_unacknowledged_unblock_binds_only_those_that_applied_it() {
    let (mut run, block) = unblocked();
    let mut record = run.finish();
    record.operations.retain(|operation| operation.entry.as_ref() == Some(&block));
    record.observations.retain(|seen| !(seen.node == 2 && seen.at_ns > 6_000_000_000));
    record.finals[1].entries = vec![block.clone()];
    assert_eq!(NoResurrectedBlock.check(&record).verdict, Verdict::Pass);
    record.finals[0].entries = vec![block];
    assert_eq!(NoResurrectedBlock.check(&record).verdict, Verdict::Fail);
}

#[test]
fn a_new_incarnation_may_learn_the_old_block_first() {
    let (mut run, block) = unblocked();
    let unblock = run.finish().stored[0].clone();
    run.kill(2, 10_000).boot(2, 11_000).learn(2, 11_010, &block, Source::Boot);
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Fail, "it never hears of the unblock");
    run.learn(2, 11_020, &unblock, Source::Resync);
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn two_incarnations_that_overlap_in_time_are_judged_apart() {
    let (mut run, block) = unblocked();
    let unblock = run.finish().stored[0].clone();
    // The successor boots while its predecessor still runs, and starts from the old list.
    run.boot(2, 5_900).learn(2, 6_100, &block, Source::Boot).learn(2, 6_200, &unblock, Source::Resync);
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn a_block_that_has_expired_is_no_resurrection() {
    let mut run = Run::of(2);
    let block = run.block_for(1, 5_000, "10.0.0.1", Some(Duration::from_secs(10)));
    run.broadcast(1, 5_001, &block);
    run.unblock(1, 6_000, "10.0.0.1");
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn a_node_down_at_the_end_is_not_asked() {
    let mut run = Run::of(2);
    let block = run.block(1, 5_000, "10.0.0.1");
    run.broadcast(1, 5_001, &block).kill(2, 5_500);
    run.unblock(1, 6_000, "10.0.0.1");
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn without_an_unblock_nothing_is_decided() {
    let mut run = Run::of(2);
    run.block(1, 5_000, "10.0.0.1");
    assert_eq!(NoResurrectedBlock.check(&run.finish()).verdict, Verdict::Unknown);
}
