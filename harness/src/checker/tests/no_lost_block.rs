use super::*;
use crate::checker::testing::{Run, net};
use squall_cluster::observe::Source;
use squall_reports::Verdict;
use std::time::Duration;

fn spread(run: &mut Run, at_ms: u64, address: &str) -> Entry {
    let entry = run.block(1, at_ms, address);
    run.broadcast(1, at_ms + 1, &entry);
    entry
}

#[test]
fn blocks_that_are_everywhere_pass() {
    let mut run = Run::of(3);
    spread(&mut run, 5_000, "10.0.0.1");
    spread(&mut run, 6_000, "10.0.0.0/24");
    let check = NoLostBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.starts_with("2 acknowledged blocks are in the store and on 3 running nodes"), "{check:?}");
}

#[test]
fn an_acknowledged_block_missing_on_one_node_fails() {
    let mut run = Run::of(3);
    let entry = run.block(1, 5_000, "10.0.0.1");
    run.learn(2, 5_001, &entry, Source::Broadcast);
    let check = NoLostBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert_eq!(
        check.reason,
        "the block of 10.0.0.1 that node 1 acknowledged at 5.005 s is missing on node 3 at the end; \
         1 of 1 acknowledged blocks lost"
    );
    assert!(check.evidence.contains(&"80.000 s: 10.0.0.1 is missing on node 3".to_owned()), "{check:?}");
}

#[test]
fn an_acknowledged_block_missing_in_the_store_fails() {
    let mut run = Run::of(2);
    spread(&mut run, 5_000, "10.0.0.1");
    let mut record = run.finish();
    record.stored.clear();
    let check = NoLostBlock.check(&record);
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.contains("missing in the store"), "{check:?}");
}

#[test]
fn a_rebooted_node_that_forgot_the_block_fails_until_it_reads_the_store() {
    let mut run = Run::of(2);
    let entry = spread(&mut run, 5_000, "10.0.0.1");
    run.kill(2, 7_000).boot(2, 9_000);
    assert_eq!(NoLostBlock.check(&run.finish()).verdict, Verdict::Fail);
    run.learn(2, 9_050, &entry, Source::Boot);
    assert_eq!(NoLostBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn a_node_that_is_down_at_the_end_is_not_asked() {
    let mut run = Run::of(2);
    run.block(1, 5_000, "10.0.0.1");
    run.kill(2, 4_000);
    assert_eq!(NoLostBlock.check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn a_tombstone_that_nobody_asked_for_is_a_loss() {
    let mut run = Run::of(2);
    let mut entry = spread(&mut run, 5_000, "10.0.0.1");
    entry.state = State::Unblocked;
    entry.version.counter += 1;
    run.learn(2, 6_000, &entry, Source::Resync);
    assert_eq!(NoLostBlock.check(&run.finish()).verdict, Verdict::Fail);
}

#[test]
fn a_newer_acknowledged_unblock_excuses_the_older_block_only() {
    let mut run = Run::of(2);
    spread(&mut run, 5_000, "10.0.0.1");
    let unblock = run.unblock(1, 6_000, "10.0.0.1");
    run.broadcast(1, 6_001, &unblock);
    spread(&mut run, 7_000, "10.0.0.2");
    let check = NoLostBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.ends_with("left out: 0 expired, 1 replaced"), "{check:?}");
}

#[test]
fn an_unanswered_operation_excuses_what_it_overlaps_but_not_other_networks() {
    let mut run = Run::of(2);
    run.block_unanswered(2, 4_000, "10.0.0.1");
    run.block(1, 5_000, "10.0.0.1");
    run.block(1, 5_000, "10.0.0.2");
    let check = NoLostBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.contains("10.0.0.2") && check.reason.contains("1 of 1"), "{check:?}");
}

#[test]
fn an_older_version_of_the_block_does_not_replace_the_acknowledged_one() {
    let mut run = Run::of(2);
    spread(&mut run, 5_000, "10.0.0.1");
    run.block(1, 6_000, "10.0.0.1");
    let check = NoLostBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.contains("acknowledged at 6.005 s is missing on node 2"), "{check:?}");
}

#[test]
fn expired_blocks_are_not_asked_for() {
    let mut run = Run::of(2);
    run.block_for(1, 5_000, "10.0.0.1", Some(Duration::from_secs(10)));
    let check = NoLostBlock.check(&run.finish());
    assert_eq!(check.verdict, Verdict::Unknown, "nothing is left to judge: {check:?}");
    assert!(check.reason.contains("1 expired"), "{check:?}");
}

#[test]
fn a_block_acknowledged_while_settling_is_asked_of_the_store_only() {
    let mut run = Run::of(2);
    run.block(1, 79_990, "10.0.0.1");
    assert_eq!(NoLostBlock.check(&run.finish()).verdict, Verdict::Pass);
    let mut record = run.finish();
    record.stored.retain(|entry| entry.net != net("10.0.0.1"));
    assert_eq!(NoLostBlock.check(&record).verdict, Verdict::Fail);
}

#[test]
fn without_an_acknowledged_block_nothing_is_decided() {
    let mut run = Run::of(2);
    run.block_unanswered(1, 5_000, "10.0.0.1");
    assert_eq!(NoLostBlock.check(&run.finish()).verdict, Verdict::Unknown);
}
