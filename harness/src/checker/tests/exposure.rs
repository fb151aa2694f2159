use super::*;
use crate::checker::testing::Run;
use squall_reports::Verdict;

fn judge(run: &mut Run, max_ms: u64) -> Check {
    Exposure { max: Duration::from_millis(max_ms) }.check(&run.finish())
}

#[test]
fn the_longest_exposure_is_judged_and_all_are_summed_by_what_ended_them() {
    let mut run = Run::of(5);
    let entry = run.block(1, 10_000, "10.0.0.1");
    run.learn(2, 10_002, &entry, Source::Broadcast).learn(3, 14_000, &entry, Source::Resync).learn(
        4,
        11_000,
        &entry,
        Source::AntiEntropy,
    );
    run.kill(5, 10_500);
    let check = judge(&mut run, 4_000);
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert_eq!(
        check.reason,
        "worst 10.0.0.1 (blocked by node 1 at 10.000 s) was let in by node 3 for 4.000 s, ended by: reconnect; \
         node-seconds let in over 1 block: propagation 0.002 s, reconnect 4.000 s, anti-entropy 1.000 s, own \
         operation 0.000 s, never learned 0.500 s"
    );
    let check = judge(&mut run, 3_999);
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.starts_with("1 of 4 exposures took longer than 3.999 s, the worst 10.0.0.1"), "{check:?}");
    assert!(check.evidence.contains(&"14.000 s: node 3 learned it by resync".to_owned()), "{check:?}");
}

#[test]
fn a_paused_or_dead_node_lets_nobody_in() {
    let mut run = Run::of(3);
    let entry = run.block(1, 10_000, "10.0.0.1");
    run.pause(2, 10_100).resume(2, 15_000).learn(2, 15_050, &entry, Source::Broadcast);
    run.kill(3, 9_000).boot(3, 20_000).learn(3, 20_030, &entry, Source::Boot);
    let check = judge(&mut run, 150);
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.contains("node 2 for 0.150 s"), "{check:?}");
    assert!(check.reason.contains("reconnect 0.030 s"), "{check:?}");
}

#[test]
fn what_a_dead_incarnation_did_not_learn_is_ended_by_how_the_next_one_learned_it() {
    let mut run = Run::of(2);
    let entry = run.block(1, 10_000, "10.0.0.1");
    run.kill(2, 13_000).boot(2, 14_000).learn(2, 14_500, &entry, Source::Boot);
    let check = judge(&mut run, 3_500);
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.contains("node 2 for 3.500 s, ended by: reconnect"), "{check:?}");
    assert_eq!(judge(&mut run, 3_499).verdict, Verdict::Fail);
}

#[test]
fn a_node_that_never_learns_is_exposed_until_expiry_unblock_or_the_end() {
    let mut run = Run::of(2);
    run.block_for(1, 10_000, "10.0.0.1", Some(Duration::from_secs(3)));
    assert!(judge(&mut run, 9_999).reason.contains("node 2 for 3.000 s, ended by: never learned"));

    let mut run = Run::of(2);
    run.block(1, 10_000, "10.0.0.1");
    run.unblock(1, 12_000, "10.0.0.1");
    assert!(judge(&mut run, 9_999).reason.contains("node 2 for 2.000 s"));

    let mut run = Run::of(2);
    run.block(1, 10_000, "10.0.0.1");
    assert!(judge(&mut run, 9_999).reason.contains("node 2 for 70.000 s"));
}

#[test]
fn blocking_again_neither_restarts_the_clock_nor_counts_twice() {
    let mut run = Run::of(2);
    run.block(1, 10_000, "10.0.0.1");
    let again = run.block(1, 13_000, "10.0.0.1");
    run.learn(2, 15_000, &again, Source::Broadcast);
    let check = judge(&mut run, 5_000);
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.contains("for 5.000 s") && check.reason.contains("propagation 5.000 s"), "{check:?}");
    assert_eq!(judge(&mut run, 4_999).verdict, Verdict::Fail);
}

#[test]
fn a_node_that_had_blocked_it_with_a_newer_version_was_never_exposed() {
    let mut run = Run::of(2);
    let older = run.block(1, 10_000, "10.0.0.1");
    let newer = run.block(2, 10_000, "10.0.0.1");
    run.learn(1, 10_007, &newer, Source::Broadcast);
    assert!(older.version < newer.version);
    let check = judge(&mut run, 7);
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.contains("node 1 for 0.007 s"), "{check:?}");
}

#[test]
fn the_origins_next_incarnation_is_exposed_until_it_reads_the_store() {
    let mut run = Run::of(2);
    let entry = run.block(1, 10_000, "10.0.0.1");
    run.broadcast(1, 10_001, &entry).kill(1, 11_000).boot(1, 12_000).learn(1, 12_200, &entry, Source::Boot);
    assert!(judge(&mut run, 9_999).reason.contains("node 1 for 0.200 s"));
}

#[test]
fn without_a_block_or_a_second_node_nothing_is_decided() {
    assert_eq!(judge(&mut Run::of(2), 1).verdict, Verdict::Unknown);
    let mut run = Run::of(1);
    run.block(1, 10_000, "10.0.0.1");
    assert_eq!(judge(&mut run, 1).verdict, Verdict::Unknown);
}
