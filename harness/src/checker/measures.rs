//! What a run leaves for the comparison of backends. Nothing here is judged.

use super::index::{Index, VersionId};
use super::lives::Slot;
use super::{delivery, exposure, fan_out};
use crate::record::RunRecord;
use squall_cluster::observe::{Link, NodeEvent};
use squall_reports::compare::{Latencies, Measures};

/// Measures a run.
#[must_use]
pub fn measure(record: &RunRecord) -> Measures {
    let index = Index::new(record);
    let (convergence, unconverged) = match convergence(&index) {
        None => (Latencies::default(), 0),
        Some(Converged::After { us }) => ([us].into_iter().collect(), 0),
        Some(Converged::Never) => (Latencies::default(), 1),
    };
    let (reconnect, unreconnected) = reconnects(&index);
    Measures {
        messages: delivery::messages(&index),
        convergence,
        unconverged,
        reconnect,
        unreconnected,
        exposure: exposure::node_seconds(&index),
        ..fan_out::measures(&index)
    }
}

/// How long it took after the last heal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Converged {
    After { us: u64 },
    Never,
}

/// From the last undo of a fault until every node that is up knew every version that was made before it, or a newer one;
/// `None` without faults. What ended by itself before the run did need not be known.
fn convergence(index: &Index<'_>) -> Option<Converged> {
    let undone = index.record.faults.iter().filter(|fault| fault.planned.undo && fault.planned.entry != usize::MAX);
    let healed_ns = undone.map(|fault| fault.at_ns).max()?;
    let mut last_ns = healed_ns;
    for net in 0..index.nets.len() {
        let mut binding = index.versions_of(net).filter(|(_, version)| {
            version.is_binding()
                && version.created_ns() <= healed_ns
                && index.expiry.ends_ns(version.entry) > index.record.end_ns
        });
        // Whoever knows the newest knows them all.
        let Some((newest, _)) = binding.next_back() else { continue };
        for node in &index.up {
            match known_ns(index, net, node.slot, newest) {
                Some(at_ns) => last_ns = last_ns.max(at_ns),
                None => return Some(Converged::Never),
            }
        }
    }
    Some(Converged::After { us: (last_ns - healed_ns) / 1_000 })
}

fn known_ns(index: &Index<'_>, net: usize, slot: Slot, version: VersionId) -> Option<u64> {
    index.learned(net, slot, version).map(|learned| learned.at_ns)
}

/// How long links were down, from the loss to the return, and how many never came back. One that is down when its process
/// dies or the run ends counts only if there was time to bring it back.
fn reconnects(index: &Index<'_>) -> (Latencies, u64) {
    /// Time enough for every client's longest back-off, nanoseconds.
    const PATIENCE_NS: u64 = 10_000_000_000;
    let record = index.record;
    let mut down: Vec<Option<u64>> = vec![None; index.lives.spans.len()];
    let mut latencies = Latencies::default();
    for seen in &record.observations {
        let NodeEvent::Link(link) = &seen.event else { continue };
        let Some(slot) = index.lives.slot(seen.node, seen.incarnation) else { continue };
        match link {
            Link::Disconnected => {
                down[slot.0].get_or_insert(seen.at_ns);
            }
            Link::Connected => {
                if let Some(lost_ns) = down[slot.0].take() {
                    latencies.record((seen.at_ns - lost_ns) / 1_000);
                }
            }
            Link::Error(_) | Link::LameDuck | Link::SlowConsumer | Link::Missed | Link::Rebuilt => {}
        }
    }
    // Only the quiet phase owes anybody a link.
    let given_up = index.lives.spans.iter().zip(&down).filter(|(span, lost_ns)| {
        let from_ns = lost_ns.map(|lost_ns| lost_ns.max(record.healed_ns));
        from_ns.is_some_and(|from_ns| span.ran_for_ns(from_ns, record.end_ns) > PATIENCE_NS)
    });
    (latencies, given_up.count() as u64)
}

#[cfg(test)]
#[path = "tests/measures.rs"]
mod tests;
