//! The hybrid logical clock that orders versions.

use super::Hlc;
use crate::ids::Incarnation;

/// Gives out readings that only grow, whatever the wall clock does, and that exceed every reading observed.
///
/// After Kulkarni et al., "Logical Physical Clocks" (2014).
#[derive(Clone, Debug)]
pub struct Clock {
    incarnation: Incarnation,
    wall_ms: u64,
    counter: u32,
}

impl Clock {
    /// A clock that has seen nothing.
    #[must_use]
    pub fn new(incarnation: Incarnation) -> Self {
        Self { incarnation, wall_ms: 0, counter: 0 }
    }

    /// The reading for an event of this node, at wall time `now_ms`.
    pub fn tick(&mut self, now_ms: u64) -> Hlc {
        if now_ms > self.wall_ms {
            (self.wall_ms, self.counter) = (now_ms, 0);
        } else if let Some(next) = self.counter.checked_add(1) {
            self.counter = next;
        } else {
            (self.wall_ms, self.counter) = (self.wall_ms.saturating_add(1), 0);
        }
        Hlc { wall_ms: self.wall_ms, counter: self.counter, incarnation: self.incarnation }
    }

    /// Takes note of another node's reading: later ones of this node exceed it.
    pub fn observe(&mut self, remote: Hlc) {
        if (remote.wall_ms, remote.counter) > (self.wall_ms, self.counter) {
            (self.wall_ms, self.counter) = (remote.wall_ms, remote.counter);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Tick(u64),
        Observe(u64, u32),
    }

    proptest! {
        #[test]
        fn readings_grow_even_when_the_wall_clock_jumps_back(
            steps in proptest::collection::vec(
                prop_oneof![
                    (0..1000_u64).prop_map(Step::Tick),
                    (0..1000_u64, prop_oneof![0..5_u32, u32::MAX - 2..=u32::MAX])
                        .prop_map(|(wall, counter)| Step::Observe(wall, counter)),
                ],
                1..60,
            )
        ) {
            let mut clock = Clock::new(Incarnation(7));
            let mut floor = None;
            for step in steps {
                match step {
                    Step::Tick(now_ms) => {
                        let reading = clock.tick(now_ms);
                        prop_assert!(Some((reading.wall_ms, reading.counter)) > floor);
                        prop_assert!(reading.wall_ms >= now_ms);
                        floor = Some((reading.wall_ms, reading.counter));
                    }
                    Step::Observe(wall_ms, counter) => {
                        clock.observe(Hlc { wall_ms, counter, incarnation: Incarnation(9) });
                        floor = floor.max(Some((wall_ms, counter)));
                    }
                }
            }
        }
    }
}
