//! When each incarnation of each node ran.

use crate::record::{LifeEvent, RunRecord};
use squall_cluster::observe::NodeEvent;
use std::ops::Range;

/// One incarnation of one node: a position in [`Lives::spans`], ordered by node, then incarnation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(pub(super) usize);

/// The life of one incarnation, nanoseconds since the world began.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) node: u16,
    pub(super) incarnation: u32,
    /// 0 when the record does not say.
    pub(super) booted_ns: u64,
    /// `u64::MAX` when it lived to the end.
    died_ns: u64,
    /// From and to; the last one is open (`u64::MAX`) when it was never continued.
    pauses: Vec<(u64, u64)>,
}

impl Span {
    /// How long it ran within `from_ns..to_ns`: booted, not dead, not paused.
    pub(super) fn ran_for_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let from = from_ns.max(self.booted_ns);
        let to = to_ns.min(self.died_ns);
        let paused: u64 =
            self.pauses.iter().map(|(pause, resume)| to.min(*resume).saturating_sub(from.max(*pause))).sum();
        to.saturating_sub(from).saturating_sub(paused)
    }

    /// When it died; `u64::MAX` when it lived to the end.
    pub(super) fn died_ns(&self) -> u64 {
        self.died_ns
    }

    /// Whether it ran without a break from `from_ns` to `to_ns`.
    pub(super) fn ran_throughout(&self, from_ns: u64, to_ns: u64) -> bool {
        self.booted_ns <= from_ns
            && to_ns <= self.died_ns
            && !self.pauses.iter().any(|(pause, resume)| *pause < to_ns && from_ns < *resume)
    }

    /// Whether it was paused and not yet continued at that time.
    fn is_paused_at(&self, at_ns: u64) -> bool {
        self.pauses.iter().any(|(pause, resume)| *pause <= at_ns && at_ns < *resume)
    }
}

/// All incarnations of all nodes.
#[derive(Debug)]
pub(super) struct Lives {
    pub(super) spans: Vec<Span>,
    /// Where each node's spans begin, by node number; one more at the end.
    starts: Vec<usize>,
}

impl Lives {
    /// From the record's lives, and from whatever else names an incarnation.
    pub(super) fn new(record: &RunRecord) -> Self {
        let mut known: Vec<Vec<u32>> = vec![Vec::new(); usize::from(record.nodes) + 1];
        let mut add = |node: u16, incarnation: u32| {
            let node = usize::from(node);
            if known.len() <= node {
                known.resize(node + 1, Vec::new());
            }
            if let Err(place) = known[node].binary_search(&incarnation) {
                known[node].insert(place, incarnation);
            }
        };
        record.lives.iter().for_each(|life| add(life.node, life.incarnation));
        for seen in &record.observations {
            if matches!(seen.event, NodeEvent::Applied { .. }) {
                add(seen.node, seen.incarnation);
            }
        }
        for last in &record.finals {
            if let Some(incarnation) = last.incarnation {
                add(last.node, incarnation);
            }
        }

        let mut lives = Self { spans: Vec::new(), starts: vec![0] };
        for (node, incarnations) in (0..=u16::MAX).zip(&known) {
            lives.spans.extend(incarnations.iter().map(|incarnation| Span {
                node,
                incarnation: *incarnation,
                booted_ns: 0,
                died_ns: u64::MAX,
                pauses: Vec::new(),
            }));
            lives.starts.push(lives.spans.len());
        }
        lives.replay(record);
        lives
    }

    fn replay(&mut self, record: &RunRecord) {
        for life in &record.lives {
            let Some(Slot(slot)) = self.slot(life.node, life.incarnation) else { continue };
            let span = &mut self.spans[slot];
            match life.event {
                LifeEvent::Booted => span.booted_ns = life.at_ns,
                LifeEvent::Died => span.died_ns = life.at_ns,
                LifeEvent::Paused => span.pauses.push((life.at_ns, u64::MAX)),
                LifeEvent::Resumed => {
                    if let Some(last) = span.pauses.last_mut() {
                        last.1 = last.1.min(life.at_ns);
                    }
                }
            }
        }
    }

    /// The slots of one node, oldest incarnation first.
    pub(super) fn of_node(&self, node: u16) -> Range<usize> {
        let node = usize::from(node);
        match (self.starts.get(node), self.starts.get(node + 1)) {
            (Some(from), Some(to)) => *from..*to,
            _ => 0..0,
        }
    }

    /// Where an incarnation is, if anything in the record names it.
    pub(super) fn slot(&self, node: u16, incarnation: u32) -> Option<Slot> {
        let range = self.of_node(node);
        let spans = self.spans.get(range.clone())?;
        let place = spans.binary_search_by_key(&incarnation, |span| span.incarnation).ok()?;
        Some(Slot(range.start + place))
    }

    /// One incarnation's life.
    pub(super) fn span(&self, slot: Slot) -> &Span {
        &self.spans[slot.0]
    }

    /// Whether it is stopped at that time, and so can be asked for nothing.
    pub(super) fn is_paused_at(&self, slot: Slot, at_ns: u64) -> bool {
        self.span(slot).is_paused_at(at_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker::testing::{Run, ms};

    #[test]
    fn running_time_leaves_out_pauses_and_what_lies_before_boot_and_after_death() {
        let mut run = Run::of(1);
        run.pause(1, 100).resume(1, 150).pause(1, 200).kill(1, 220);
        run.boot(1, 300);
        let lives = Lives::new(&run.finish());
        let first = lives.span(lives.slot(1, 0).unwrap());
        assert_eq!(first.ran_for_ns(ms(50), ms(500)), ms(50 + 50));
        assert_eq!(first.ran_for_ns(ms(120), ms(130)), 0);
        assert!(first.ran_throughout(ms(10), ms(100)));
        assert!(!first.ran_throughout(ms(10), ms(101)));
        let second = lives.span(lives.slot(1, 1).unwrap());
        assert_eq!(second.ran_for_ns(ms(50), ms(500)), ms(200));
        assert!(!second.ran_throughout(ms(299), ms(310)));
    }

    #[test]
    fn an_incarnation_without_a_recorded_boot_ran_from_the_start() {
        let mut record = Run::of(2).finish();
        record.lives.clear();
        let lives = Lives::new(&record);
        assert_eq!(lives.span(lives.slot(2, 0).unwrap()).ran_for_ns(0, ms(70)), ms(70));
        assert_eq!(lives.slot(2, 1), None);
        assert_eq!(lives.slot(9, 0), None);
    }
}
