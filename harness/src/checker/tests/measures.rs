use super::*;
use crate::checker::testing::{Run, ms};
use crate::record::AppliedFault;
use squall_cluster::observe::Source;
use squall_sim::fault::{Fault, PlannedFault};

fn link(link: Link) -> NodeEvent {
    NodeEvent::Link(link)
}

/// Cut from 10 s to 20 s.
fn cut(record: &mut RunRecord) {
    let hosts = || vec!["node-1".to_owned()];
    for (at_ms, undo) in [(10_000, false), (20_000, true)] {
        let fault = Fault::Cut { from: hosts(), to: hosts() };
        let planned = PlannedFault { at_ns: ms(at_ms), entry: 0, undo, fault };
        record.faults.push(AppliedFault { at_ns: ms(at_ms), planned, effects: 1 });
    }
}

#[test]
fn convergence_is_counted_from_the_last_heal_and_only_for_what_was_made_before() {
    let mut run = Run::of(3);
    let during = run.block(1, 15_000, "10.0.0.1");
    run.learn(2, 15_002, &during, Source::Broadcast).learn(3, 23_500, &during, Source::Resync);
    let after = run.block(1, 30_000, "10.0.0.2");
    run.learn(2, 30_002, &after, Source::Broadcast).learn(3, 50_000, &after, Source::AntiEntropy);
    let mut record = run.finish();
    assert_eq!(convergence(&Index::new(&record)), None, "nothing was healed");
    cut(&mut record);
    assert_eq!(convergence(&Index::new(&record)), Some(Converged::After { us: 3_500_000 }));
    let measures = measure(&record);
    assert_eq!((measures.convergence.len(), measures.unconverged), (1, 0));
    assert_eq!((measures.delivery.len(), measures.late.repaired), (2, 2));
    assert_eq!((measures.in_force.len(), measures.last_in_force.len()), (4, 2), "repaired ones count there");
    assert!(measures.last_in_force.quantile_us(1.0) > Some(19_900_000), "20 s until anti-entropy");
}

#[test]
fn a_node_that_never_learns_is_no_fast_convergence() {
    let mut run = Run::of(3);
    let during = run.block(1, 15_000, "10.0.0.1");
    run.learn(2, 15_002, &during, Source::Broadcast);
    let mut record = run.finish();
    cut(&mut record);
    let measures = measure(&record);
    assert_eq!((measures.convergence.len(), measures.unconverged), (0, 1));
}

#[test]
fn a_newer_version_makes_up_for_an_older_one() {
    let mut run = Run::of(2);
    run.block(1, 15_000, "10.0.0.1");
    let newer = run.unblock(1, 16_000, "10.0.0.1");
    run.learn(2, 21_000, &newer, Source::Resync);
    let mut record = run.finish();
    cut(&mut record);
    assert_eq!(convergence(&Index::new(&record)), Some(Converged::After { us: 1_000_000 }));
}

#[test]
fn links_are_timed_from_loss_to_return() {
    let mut run = Run::of(3);
    let _makes_slots = run.block(1, 2_000, "10.0.0.1");
    run.see(1, 500, link(Link::Connected));
    run.see(1, 10_000, link(Link::Disconnected)).see(1, 11_000, link(Link::Rebuilt));
    run.see(1, 12_500, link(Link::Disconnected)).see(1, 13_000, link(Link::Connected));
    run.see(2, 61_000, link(Link::Disconnected));
    run.see(3, 79_000, link(Link::Disconnected));
    let record = run.finish();
    let (latencies, given_up) = reconnects(&Index::new(&record));
    assert_eq!((latencies.len(), latencies.quantile_us(0.5)), (1, Some(2_998_272)), "three digits of 3 s");
    assert_eq!(given_up, 1, "node 3 had no time");
}
