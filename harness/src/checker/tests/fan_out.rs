use super::*;
use crate::checker::testing::Run;
use squall_reports::Verdict;

fn bounds(p50_ms: u64, p99_ms: u64, last_p99_ms: u64) -> FanOutLatency {
    let ms = |ms| Some(Duration::from_millis(ms));
    FanOutLatency { bounds: FanOutBounds { p50: ms(p50_ms), p99: ms(p99_ms), last_p99: ms(last_p99_ms) } }
}

/// 100 blocks; nodes 2 and 3 learn each after 1 ms and 2 ms, the very last one after 40 ms.
fn hundred() -> Run {
    let mut run = Run::of(3);
    for n in 0..100 {
        let at_ms = 2_000 + n * 100;
        let entry = run.block(1, at_ms, &format!("10.0.0.{n}"));
        run.learn(2, at_ms + 1, &entry, Source::Broadcast);
        run.learn(3, at_ms + if n == 99 { 40 } else { 2 }, &entry, Source::Broadcast);
    }
    run
}

#[test]
fn percentiles_cover_deliveries_and_the_last_node() {
    let summary = fan_out_summary(&hundred().finish());
    assert_eq!(summary.deliveries, 200);
    assert_eq!((summary.p50_us, summary.p99_us), (1_000, 2_000));
    assert_eq!((summary.last_p50_us, summary.last_p99_us), (2_000, 2_000));
    assert_eq!((summary.max_us, summary.late), (40_000, 0));
    assert!((39_900..=40_000).contains(&summary.p999_us), "{summary:?}");
}

#[test]
fn a_bound_is_met_when_reached_and_broken_when_exceeded() {
    let record = hundred().finish();
    let check = bounds(1, 2, 2).check(&record);
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    let check = bounds(0, 2, 2).check(&record);
    assert_eq!(check.verdict, Verdict::Fail);
    assert!(check.reason.starts_with("p50 is 1.000 ms, 0.000 ms allowed; 200 deliveries"), "{check:?}");
    let check = bounds(1, 1, 1).check(&record);
    assert!(check.reason.starts_with("p99 is 2.000 ms, 1.000 ms allowed and last-p99 is 2.000 ms"), "{check:?}");
    assert!(
        check.evidence.iter().any(|line| line.ends_with("10.0.0.99 of node 1 reached node 3 after 40.000 ms")),
        "{check:?}"
    );
}

#[test]
fn a_large_bound_is_not_broken_by_the_histograms_rounding() {
    let mut run = Run::of(2);
    let entry = run.block(1, 2_000, "10.0.0.1");
    run.learn(2, 2_000 + 7_777, &entry, Source::Broadcast);
    assert_eq!(bounds(7_777, 7_777, 7_777).check(&run.finish()).verdict, Verdict::Pass);
}

#[test]
fn other_ways_of_learning_are_late_and_no_delivery() {
    let mut run = Run::of(4);
    let entry = run.block(1, 2_000, "10.0.0.1");
    run.learn(2, 2_001, &entry, Source::Broadcast).learn(3, 9_000, &entry, Source::Resync);
    run.kill(4, 1_500).boot(4, 3_000).learn(4, 3_050, &entry, Source::Boot);
    let check = bounds(1, 1, 1).check(&run.finish());
    assert_eq!(check.verdict, Verdict::Pass, "{check:?}");
    assert!(check.reason.starts_with("1 delivery:"), "{check:?}");
    assert!(check.reason.ends_with("; 1 late by other ways"), "a node that booted later is not late: {check:?}");
}

#[test]
fn a_pause_delays_a_delivery_but_is_not_the_networks_last_node() {
    let mut run = Run::of(3);
    let entry = run.block(1, 2_000, "10.0.0.1");
    run.learn(2, 2_003, &entry, Source::Broadcast);
    run.pause(3, 2_000).resume(3, 7_000).learn(3, 7_001, &entry, Source::Broadcast);
    let summary = fan_out_summary(&run.finish());
    assert_eq!((summary.deliveries, summary.max_us), (2, 5_001_000));
    assert_eq!(summary.last_p99_us, 3_000);
}

#[test]
fn what_the_origins_other_incarnation_hears_is_no_delivery() {
    let mut run = Run::of(1);
    let entry = run.block(1, 2_000, "10.0.0.1");
    run.kill(1, 2_001).boot(1, 2_002).learn(1, 2_003, &entry, Source::Broadcast);
    assert_eq!(fan_out_summary(&run.finish()), FanOut::default());
}

#[test]
fn without_a_broadcast_nothing_is_decided() {
    let mut run = Run::of(2);
    let entry = run.block(1, 2_000, "10.0.0.1");
    run.learn(2, 2_500, &entry, Source::AntiEntropy);
    let check = bounds(1, 1, 1).check(&run.finish());
    assert_eq!(check.verdict, Verdict::Unknown, "{check:?}");
}
