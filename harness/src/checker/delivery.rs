//! `delivery`: coordinator messages arrive as the backend promises.
//!
//! **Promise.** Of the network and the backend alone, whatever the nodes make of it. NATS and Redis: at most once, in the
//! order of the publisher's connection, nothing twice. Zenoh: the same, as long as the transport holds. Kafka: what was
//! acknowledged reaches every node that is alive and subscribed, in the order of the log, possibly more than once. And on each:
//! in a run without faults nothing is lost.
//!
//! **Evidence.** The number of each message that a publisher handed to its client and what became of it, the numbers that each
//! node received, and when its link was up. A subscription counts from a second after it was reported, since the others learn of it
//! later than the node; a message has two seconds to arrive. Where a full queue or expired log was reported, messages were
//! dropped on purpose.
//!
//! **Fails** when a message was repeated that was sent once, when a message overtook another, or when a message was lost that
//! the promise covers. Losses under faults are no failure on a backend that delivers at most once, but are counted.

mod evidence;
mod promise;

use self::evidence::{Traffic, Violation};
use super::Checker;
use super::index::Index;
use super::text::{self, Evidence, Seconds, count};
use squall_reports::Check;
use squall_reports::compare::Messages;

/// Judges what became of coordinator messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery;

const NAME: &str = "delivery";

/// What became of the messages of a run, whatever was promised.
pub(super) fn messages(index: &Index<'_>) -> Messages {
    Traffic::new(index).messages()
}

impl Checker for Delivery {
    fn name(&self) -> &'static str {
        NAME
    }

    fn judge(&self, index: &Index<'_>) -> Check {
        let traffic = Traffic::new(index);
        let seen = traffic.messages();
        if seen.due == 0 {
            let reason = "no message was handed over for a node that ran on: nothing to deliver".to_owned();
            return text::unknown(NAME, reason, Evidence::default());
        }
        let violations = traffic.violations();
        let totals = totals(&seen);
        if violations.is_empty() {
            return text::pass(NAME, totals);
        }
        let of = |kind: fn(&Violation) -> bool| violations.iter().filter(|one| kind(one)).count();
        let parts = [
            (of(Violation::is_loss), "message lost", "messages lost"),
            (of(Violation::is_repeat), "message repeated", "messages repeated"),
            (of(Violation::is_overtaking), "message overtaken", "messages overtaken"),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| count(n, one, many)).collect();
        let promise = traffic.promise();
        let reason = format!("{} against the promise of {promise}; {totals}", parts.join(", "));
        let mut evidence = Evidence::default();
        for violation in &violations {
            evidence.note(violation.at_ns(), traffic.told(violation));
        }
        text::fail(NAME, reason, evidence)
    }
}

fn totals(seen: &Messages) -> String {
    format!(
        "{} due, {} lost, {} repeated, {} overtaken",
        count(seen.due as usize, "delivery", "deliveries"),
        seen.lost,
        seen.repeated,
        seen.overtaken,
    )
}

/// A message as a reader of the evidence finds it.
fn named(sequence: u64, publisher: u16, at_ns: u64) -> String {
    format!("message {sequence} of node {publisher}, handed over at {}", Seconds(at_ns))
}

#[cfg(test)]
#[path = "tests/delivery.rs"]
mod tests;
