use super::*;
use crate::checker::testing::{Run, ms};
use crate::record::{AppliedFault, Receptions, RunRecord};
use crate::scenario::Backend;
use squall_cluster::ids::Incarnation;
use squall_cluster::observe::{Link, Message, NodeEvent};
use squall_reports::Verdict;
use squall_sim::fault::{Fault, PlannedFault};
use std::time::Duration;

/// The boot of node 1, which publishes.
const PUBLISHER: Incarnation = Incarnation(100);

/// Three nodes, linked at 0.1 s, of which the first publishes messages 1 to `messages`, one a second from 5 s on.
fn run(messages: u64) -> Run {
    let mut run = Run::of(3);
    for node in 1..=3 {
        run.see(node, 100, NodeEvent::Link(Link::Connected));
    }
    for sequence in 1..=messages {
        run.see(1, 4_000 + 1_000 * sequence, published(sequence));
    }
    run
}

fn published(sequence: u64) -> NodeEvent {
    let message = Message { publisher: PUBLISHER, sequence };
    NodeEvent::Published { message, entries: 1, after: Duration::from_millis(1) }
}

fn unknown(sequence: u64) -> NodeEvent {
    let message = Message { publisher: PUBLISHER, sequence };
    NodeEvent::PublishFailed { message, entries: 1, error: "timed out".into(), unknown: true }
}

/// The record, with what nodes 2 and 3 received.
fn record(mut run: Run, backend: Backend, received: [&[u64]; 2]) -> RunRecord {
    let mut record = run.finish();
    record.backend = Some(backend);
    for (node, sequences) in (2..).zip(received) {
        let mut receptions = Receptions::new(node, 0, PUBLISHER);
        sequences.iter().for_each(|sequence| receptions.take_in(*sequence, ms(30_000)));
        record.receptions.push(receptions);
    }
    record
}

fn with_fault(mut record: RunRecord) -> RunRecord {
    let fault = Fault::Kill { host: "nats1".into() };
    let planned = PlannedFault { at_ns: ms(3_000), entry: 0, undo: false, fault };
    record.faults.push(AppliedFault { at_ns: ms(4_000), planned, effects: 1 });
    record
}

const ALL: [Backend; 4] = [Backend::Zenoh, Backend::Nats, Backend::Kafka, Backend::Redis];

#[track_caller]
fn judged(record: &RunRecord, verdict: Verdict) -> String {
    let check = Delivery.check(record);
    assert_eq!(check.verdict, verdict, "{check:?}");
    check.reason
}

#[test]
fn everything_in_order_passes_on_every_backend() {
    for backend in ALL {
        let reason = judged(&record(run(3), backend, [&[1, 2, 3], &[1, 2, 3]]), Verdict::Pass);
        assert_eq!(reason, "6 deliveries due, 0 lost, 0 repeated, 0 overtaken");
    }
}

#[test]
fn without_messages_nothing_is_known() {
    judged(&record(run(0), Backend::Nats, [&[], &[]]), Verdict::Unknown);
}

#[test]
fn a_loss_without_faults_fails_on_every_backend() {
    for backend in ALL {
        let lossy = record(run(3), backend, [&[1, 3], &[1, 2, 3]]);
        let reason = judged(&lossy, Verdict::Fail);
        assert!(reason.starts_with(&format!("1 message lost against the promise of {backend} ")), "{reason}");
        let evidence = Delivery.check(&lossy).evidence;
        assert_eq!(
            evidence[0],
            "6.000 s: message 2 of node 1, handed over at 6.000 s never reached node 2, which was subscribed"
        );
    }
}

#[test]
fn under_faults_only_a_log_must_keep_everything() {
    for backend in ALL {
        let expected = if backend == Backend::Kafka { Verdict::Fail } else { Verdict::Pass };
        let reason = judged(&with_fault(record(run(3), backend, [&[1, 3], &[1, 2, 3]])), expected);
        assert!(reason.contains("1 lost"), "{reason}");
    }
}

#[test]
fn a_reader_of_a_log_may_be_away_but_not_past_its_end() {
    let mut away = run(3);
    away.see(2, 5_500, NodeEvent::Link(Link::Disconnected)).see(2, 9_000, NodeEvent::Link(Link::Connected));
    judged(&with_fault(record(away, Backend::Kafka, [&[1, 3], &[1, 2, 3]])), Verdict::Fail);
    let mut expired = run(3);
    expired.see(2, 6_500, NodeEvent::Link(Link::Missed));
    judged(&with_fault(record(expired, Backend::Kafka, [&[1, 3], &[1, 2, 3]])), Verdict::Pass);
    let mut still_away = run(3);
    still_away.see(2, 5_500, NodeEvent::Link(Link::Disconnected));
    judged(&with_fault(record(still_away, Backend::Kafka, [&[1], &[1, 2, 3]])), Verdict::Pass);
}

#[test]
fn who_was_not_subscribed_or_reported_an_overload_lost_nothing_that_was_promised() {
    let mut overloaded = run(3);
    overloaded.see(2, 6_500, NodeEvent::Link(Link::SlowConsumer));
    judged(&record(overloaded, Backend::Nats, [&[1, 3], &[1, 2, 3]]), Verdict::Pass);
    let mut late = run(3);
    late.see(2, 5_500, NodeEvent::Link(Link::Disconnected)).see(2, 5_900, NodeEvent::Link(Link::Connected));
    judged(&record(late, Backend::Redis, [&[1, 3], &[1, 2, 3]]), Verdict::Pass);
}

#[test]
fn what_was_handed_over_just_before_the_end_is_not_due() {
    let mut run = run(2);
    run.see(1, 79_000, published(3));
    judged(&record(run, Backend::Nats, [&[1, 2], &[1, 2]]), Verdict::Pass);
}

#[test]
fn a_dead_node_is_owed_nothing() {
    let mut run = run(3);
    run.kill(2, 6_500).boot(2, 8_500);
    let record = record(run, Backend::Kafka, [&[1], &[1, 2, 3]]);
    let reason = judged(&record, Verdict::Pass);
    assert!(
        reason.starts_with("3 deliveries due, 0 lost") || reason.starts_with("4 deliveries due, 0 lost"),
        "{reason}"
    );
}

#[test]
fn a_repeat_fails_unless_the_backend_may_or_the_publisher_tried_twice() {
    for backend in ALL {
        let expected = if backend == Backend::Kafka { Verdict::Pass } else { Verdict::Fail };
        let reason = judged(&record(run(3), backend, [&[1, 2, 2, 3], &[1, 2, 3]]), expected);
        assert!(reason.contains("1 repeated"), "{reason}");
        let mut tried = Run::of(3);
        for node in 1..=3 {
            tried.see(node, 100, NodeEvent::Link(Link::Connected));
        }
        tried.see(1, 5_000, unknown(1)).see(1, 5_500, published(1));
        judged(&record(tried, backend, [&[1, 1], &[1]]), Verdict::Pass);
    }
}

#[test]
fn an_overtaken_message_fails_on_one_connection_only() {
    for backend in ALL {
        judged(&record(run(3), backend, [&[1, 3, 2], &[1, 2, 3]]), Verdict::Fail);
        let mut reconnected = run(3);
        reconnected.see(1, 6_400, NodeEvent::Link(Link::Disconnected)).see(1, 6_600, NodeEvent::Link(Link::Connected));
        let expected = if backend == Backend::Kafka { Verdict::Fail } else { Verdict::Pass };
        judged(&with_fault(record(reconnected, backend, [&[1, 3, 2], &[1, 2, 3]])), expected);
    }
    judged(&with_fault(record(run(3), Backend::Zenoh, [&[1, 3, 2], &[1, 2, 3]])), Verdict::Pass);
    judged(&with_fault(record(run(3), Backend::Nats, [&[1, 3, 2], &[1, 2, 3]])), Verdict::Fail);
}
