use super::*;
use crate::checker::testing::{Run, ms};
use crate::record::RunRecord;
use squall_cluster::blocklist::State;
use squall_cluster::observe::{Link, NodeEvent, Source};
use squall_reports::Verdict;
use squall_sim::fault::Fault;

fn judge(record: &RunRecord) -> Check {
    BlocklistConverges { within: Duration::from_secs(5) }.check(record)
}

#[test]
fn equal_lists_pass_and_say_when_they_became_equal() {
    let mut run = Run::of(3);
    let entry = run.block(1, 50_000, "10.0.0.1");
    run.learn(2, 50_002, &entry, Source::Broadcast).learn(3, 60_213, &entry, Source::Resync);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert_eq!(check.reason, "3 nodes agree on 1 live entry; the last news was applied 0.213 s after the heal");
}

#[test]
fn a_node_that_misses_an_entry_fails_with_the_story() {
    let mut run = Run::of(3);
    run.see(3, 11_000, NodeEvent::Link(Link::Disconnected));
    let entry = run.block(1, 12_345, "10.0.0.1");
    run.learn(2, 12_350, &entry, Source::Broadcast);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert_eq!(
        check.reason,
        "node 3 misses 10.0.0.1 (blocked by node 1 at 12.345 s) at the end, 20.000 s after the heal; \
         1 difference on 1 of 3 running nodes"
    );
    assert_eq!(
        check.evidence,
        [
            "11.000 s: node 3: coordinator link lost",
            "12.345 s: node 1 blocked 10.0.0.1",
            "12.350 s: node 1 acknowledged it",
            "12.350 s: node 2 learned it by broadcast",
            "80.000 s: the lists of node 3 are wrong",
            "80.000 s: node 3 misses 10.0.0.1",
        ]
    );
}

#[test]
fn an_entry_learned_too_late_after_the_heal_fails_although_the_lists_agree() {
    let mut run = Run::of(2);
    let entry = run.block(1, 12_000, "10.0.0.1");
    run.learn(2, 65_001, &entry, Source::AntiEntropy);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert_eq!(
        check.reason,
        "node 2 learned 10.0.0.1 (blocked by node 1 at 12.000 s) by anti-entropy only at 65.001 s, \
         0.001 s later than promised; 1 version came too late"
    );
    let mut run = Run::of(2);
    let entry = run.block(1, 12_000, "10.0.0.1");
    run.learn(2, 65_000, &entry, Source::AntiEntropy);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn an_entry_made_while_settling_has_its_own_deadline() {
    let mut run = Run::of(2);
    let entry = run.block(1, 70_000, "10.0.0.1");
    run.learn(2, 74_900, &entry, Source::Broadcast);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
    let mut run = Run::of(2);
    run.block(1, 74_000, "10.0.0.1");
    assert_eq!(judge(&run.finish()).verdict, Verdict::Fail);
}

#[test]
fn a_difference_younger_than_the_promise_is_undecided() {
    let mut run = Run::of(2);
    run.block(1, 78_000, "10.0.0.1");
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Unknown, "{check:?}");
    assert!(check.reason.contains("settle"), "{check:?}");
}

#[test]
fn a_node_that_is_down_at_the_end_is_not_asked() {
    let mut run = Run::of(3);
    let entry = run.block(1, 12_000, "10.0.0.1");
    run.learn(2, 12_001, &entry, Source::Broadcast).kill(3, 11_000);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn a_node_still_paused_at_the_end_is_not_asked() {
    let mut run = Run::of(3);
    let entry = run.block(1, 12_000, "10.0.0.1");
    run.learn(2, 12_001, &entry, Source::Broadcast).pause(3, 11_000);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
    run.resume(3, 50_000);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Fail);
}

#[test]
fn a_rebooted_node_learns_at_boot_and_its_time_starts_there() {
    let mut run = Run::of(2);
    let entry = run.block(1, 12_000, "10.0.0.1");
    run.learn(2, 12_001, &entry, Source::Broadcast).kill(2, 13_000).boot(2, 62_000);
    let forgot = run.finish();
    assert_eq!(judge(&forgot).verdict, Verdict::Fail, "what the old incarnation knew does not help the new one");
    run.learn(2, 66_500, &entry, Source::Boot);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn what_only_a_dead_node_knew_may_be_gone_but_not_half_gone() {
    let mut run = Run::of(4);
    let known = run.block(2, 10_000, "10.0.0.9");
    run.broadcast(2, 10_001, &known);
    let entry = run.block_unanswered(1, 12_000, "10.0.0.1");
    run.kill(1, 12_001);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
    run.learn(2, 12_500, &entry, Source::Broadcast);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.contains("2 differences on 2 of 3"), "{check:?}");
}

#[test]
fn an_acknowledged_entry_that_no_running_node_knows_fails() {
    let mut run = Run::of(3);
    run.block(1, 12_000, "10.0.0.1");
    run.kill(1, 12_006);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.contains("2 differences on 2 of 2"), "{check:?}");
}

#[test]
fn twin_versions_of_one_instant_are_ordered_by_incarnation() {
    let mut run = Run::of(2);
    let ours = run.block(1, 12_000, "10.0.0.1");
    let mut theirs = ours.clone();
    theirs.version.incarnation.0 += 1;
    theirs.state = State::Blocked { reason: "twin".into(), expires_ms: None };
    run.learn(2, 12_000, &theirs, Source::Local);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Fail, "node 2 has the newer one, node 1 never heard of it");
    assert!(check.reason.starts_with("node 1 has an old version of 10.0.0.1"), "{check:?}");
    run.learn(1, 12_010, &theirs, Source::Broadcast);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn a_copy_that_lost_its_expiry_on_the_way_fails() {
    let mut run = Run::of(2);
    let entry = run.block_for(1, 12_000, "10.0.0.1", Some(Duration::from_secs(600)));
    let mut changed = entry.clone();
    changed.state = State::Blocked { reason: "test".into(), expires_ms: None };
    run.learn(2, 12_001, &changed, Source::Broadcast);
    let check = judge(&run.finish());
    assert!(check.reason.starts_with("node 2 has a changed copy of 10.0.0.1"), "{check:?}");
}

#[test]
fn expired_entries_need_not_agree_but_must_not_block() {
    let mut run = Run::of(3);
    let entry = run.block_for(1, 12_000, "10.0.0.1", Some(Duration::from_secs(10)));
    run.learn(2, 12_001, &entry, Source::Broadcast);
    let mut record = run.finish();
    assert_eq!(judge(&record).verdict, Verdict::Pass);
    record.finals[2].entries =
        vec![Entry { state: State::Blocked { reason: "test".into(), expires_ms: None }, ..entry }];
    let check = judge(&record);
    assert!(check.reason.starts_with("node 3 still blocks 10.0.0.1"), "{check:?}");
}

#[test]
fn news_that_came_after_its_expiry_is_not_late() {
    let mut run = Run::of(2);
    let entry = run.block_for(1, 12_000, "10.0.0.1", Some(Duration::from_secs(10)));
    run.learn(2, 70_000, &entry, Source::AntiEntropy);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn what_expires_within_the_largest_skew_is_left_out() {
    let mut run = Run::of(2);
    let entry = run.block_for(1, 12_000, "10.0.0.1", Some(Duration::from_secs(100)));
    run.learn(2, 12_001, &entry, Source::Broadcast);
    let mut record = run.finish();
    record.finals[1].entries.clear();
    assert_eq!(judge(&record).verdict, Verdict::Fail);
    run.fault(5_000, 0, Fault::Skew { host: "node-2".into(), offset_ns: 60_000_000_000 }, 3);
    let mut record = run.finish();
    record.finals[1].entries.clear();
    let check = judge(&record);
    assert_eq!(check.verdict, Verdict::Pass);
    assert!(check.reason.contains("1 entry that expires at the end left out"), "{check:?}");
}

#[test]
fn a_tombstone_that_did_not_arrive_fails() {
    let mut run = Run::of(2);
    let entry = run.block(1, 12_000, "10.0.0.1");
    run.learn(2, 12_001, &entry, Source::Broadcast);
    run.unblock(1, 14_000, "10.0.0.1");
    let check = judge(&run.finish());
    assert!(check.reason.starts_with("node 2 still blocks 10.0.0.1 (unblocked by node 1 at 14.000 s)"), "{check:?}");
}

#[test]
fn one_running_node_or_no_entry_decides_nothing() {
    let mut run = Run::of(2);
    assert_eq!(judge(&run.finish()).verdict, Verdict::Unknown);
    run.block(1, 12_000, "10.0.0.1");
    run.kill(2, 13_000);
    let check = judge(&run.finish());
    assert_eq!(check.verdict, Verdict::Unknown);
    assert!(check.reason.contains("1 node was up"), "{check:?}");
}

#[test]
fn many_differences_stay_within_twenty_lines() {
    let mut run = Run::of(40);
    run.block(1, 12_000, "10.0.0.1");
    let check = judge(&run.finish());
    assert_eq!(check.evidence.len(), 20);
    assert_eq!(run.finish().end_ns, ms(80_000));
    assert!(check.reason.contains("39 differences on 39 of 40"), "{check:?}");
}
