//! When to publish a digest, and what to do about one that differs: a pure state machine.
//!
//! After RFC 6206 (Trickle): in each interval every node picks a random moment in its second half and publishes its digest then,
//! unless it has heard an equal one in this interval. So a cluster in agreement sends a handful of digests per interval, however
//! many nodes it has. Intervals double up to a maximum; a digest that differs makes them short again.
//!
//! A node that hears a digest unlike its own
//! 1. waits a little: if others agree with it, the odd one out will act (once; if the difference stays, it acts itself);
//! 2. reads the store;
//! 3. if the difference stays, or the store cannot be reached, publishes its entries in the differing buckets, unless another node
//!    does so first. It does not publish the same list twice within the longest interval.

use super::digest::{BucketSet, Digest};
use crate::entropy::NodeRng;
use std::time::Duration;
use tokio::time::Instant;

/// The shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);

/// Whether the store can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It answered last time.
    Reachable,
    /// It is absent or did not answer last time.
    Unreachable,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// Publish the own digest.
    SendDigest,
    /// Read the store, then call [`Gossip::resynced`].
    Resync,
    /// Publish the own entries in these buckets.
    SendRepair(BucketSet),
}

/// How a heard digest compares with the own list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The same.
    Equal,
    /// The two sides have forgotten different stretches of the past: says nothing about the rest.
    Incomparable,
    /// Different in these buckets.
    Differing(BucketSet),
}

/// How far a difference has been followed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// No difference known.
    Calm,
    /// A difference was heard; unless others agree by then, read the store.
    Doubting { until: Instant },
    /// Others agreed; the next difference is followed up at once.
    Reassured,
    /// The store is being read.
    Resyncing,
    /// The store was read; a difference that remains is not its fault.
    Resynced,
    /// The own entries in these buckets are about to be published.
    Repairing { at: Instant, buckets: BucketSet },
}

/// The anti-entropy machine of one node.
#[derive(Clone, Debug)]
pub struct Gossip {
    longest: Duration,
    interval: Duration,
    ends: Instant,
    /// When the digest is due in this interval; `None` once sent or suppressed.
    fires: Option<Instant>,
    stage: Stage,
    differed: bool,
    /// The list as last published for repair, and when it may be published again.
    repaired: Option<(Digest, Instant)>,
}

impl Gossip {
    /// Begins with the shortest interval, doubling up to `longest`.
    #[must_use]
    pub fn new(longest: Duration, now: Instant, rng: &mut NodeRng) -> Self {
        let mut gossip = Self {
            longest,
            interval: SHORTEST.min(longest),
            ends: now,
            fires: None,
            stage: Stage::Calm,
            differed: false,
            repaired: None,
        };
        gossip.begin_interval(now, rng);
        gossip
    }

    /// When [`on_time`](Self::on_time) wants to be called next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        let stage = match self.stage {
            Stage::Doubting { until: at } | Stage::Repairing { at, .. } => at,
            _ => self.ends,
        };
        self.ends.min(stage).min(self.fires.unwrap_or(self.ends))
    }

    /// Time has passed. `own` is the own digest. Call again until it answers `None`.
    pub fn on_time(&mut self, now: Instant, own: &Digest, rng: &mut NodeRng) -> Option<Prompt> {
        if let Stage::Doubting { until } = self.stage
            && now >= until
        {
            self.stage = Stage::Resyncing;
            return Some(Prompt::Resync);
        }
        if let Stage::Repairing { at, buckets } = self.stage
            && now >= at
        {
            self.stage = Stage::Resynced;
            self.repaired = Some((*own, now + self.longest));
            return Some(Prompt::SendRepair(buckets));
        }
        if self.fires.is_some_and(|fires| now >= fires) {
            self.fires = None;
            return Some(Prompt::SendDigest);
        }
        if now >= self.ends {
            if !self.differed && self.stage != Stage::Resyncing {
                self.stage = Stage::Calm;
            }
            self.differed = false;
            self.interval = (self.interval * 2).min(self.longest);
            self.begin_interval(now, rng);
        }
        None
    }

    /// A peer's digest arrived.
    pub fn on_digest(
        &mut self,
        now: Instant,
        heard: Heard,
        own: &Digest,
        store: Reach,
        rng: &mut NodeRng,
    ) -> Option<Prompt> {
        let buckets = match heard {
            Heard::Equal => {
                self.fires = None;
                if matches!(self.stage, Stage::Doubting { .. }) {
                    self.stage = Stage::Reassured;
                }
                return None;
            }
            Heard::Incomparable => return None,
            Heard::Differing(buckets) => buckets,
        };
        self.differed = true;
        self.shorten(now, rng);
        match (self.stage, store) {
            (Stage::Calm, Reach::Reachable) => {
                let until = now + rng.duration(SHORTEST / 2, SHORTEST * 3 / 2);
                self.stage = Stage::Doubting { until };
                None
            }
            (Stage::Reassured, Reach::Reachable) => {
                self.stage = Stage::Resyncing;
                Some(Prompt::Resync)
            }
            (Stage::Resynced, _) | (Stage::Calm | Stage::Reassured | Stage::Doubting { .. }, Reach::Unreachable) => {
                self.plan_repair(now, own, buckets, rng);
                None
            }
            (Stage::Repairing { at, buckets: known }, _) => {
                let buckets = known | buckets;
                self.stage = Stage::Repairing { at, buckets };
                None
            }
            (Stage::Doubting { .. }, Reach::Reachable) | (Stage::Resyncing, _) => None,
        }
    }

    /// A peer published entries for repair: the own ones wait for the next digest that still differs.
    pub fn on_repair(&mut self) {
        if matches!(self.stage, Stage::Repairing { .. }) {
            self.stage = Stage::Resynced;
        }
    }

    /// The read that [`Prompt::Resync`] asked for has ended, well or not.
    pub fn resynced(&mut self, now: Instant, rng: &mut NodeRng) {
        if self.stage == Stage::Resyncing {
            self.stage = Stage::Resynced;
            self.differed = true;
            self.shorten(now, rng);
        }
    }

    /// Digests become frequent again: something happened that may have made lists differ.
    pub fn hurry(&mut self, now: Instant, rng: &mut NodeRng) {
        self.shorten(now, rng);
    }

    fn plan_repair(&mut self, now: Instant, own: &Digest, buckets: BucketSet, rng: &mut NodeRng) {
        let already = self.repaired.is_some_and(|(published, until)| published == *own && now < until);
        if !already {
            let at = now + rng.duration(SHORTEST / 8, SHORTEST / 2);
            self.stage = Stage::Repairing { at, buckets };
        }
    }

    fn shorten(&mut self, now: Instant, rng: &mut NodeRng) {
        let shortest = SHORTEST.min(self.longest);
        if self.interval > shortest {
            self.interval = shortest;
            self.begin_interval(now, rng);
        }
    }

    fn begin_interval(&mut self, now: Instant, rng: &mut NodeRng) {
        self.ends = now + self.interval;
        self.fires = Some(now + self.interval / 2 + jitter(self.interval / 2, rng));
    }
}

#[cfg(not(feature = "defects"))]
fn jitter(below: Duration, rng: &mut NodeRng) -> Duration {
    rng.duration(Duration::ZERO, below)
}

#[cfg(feature = "defects")]
#[expect(clippy::disallowed_methods, reason = "the defect `ambient-entropy` is to do what is not allowed")]
fn jitter(below: Duration, rng: &mut NodeRng) -> Duration {
    let drawn = rng.duration(Duration::ZERO, below);
    if crate::defects::active(crate::defects::Defect::AmbientEntropy) {
        return below * (std::process::id() % 997) / 997;
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    struct Rig {
        gossip: Gossip,
        rng: NodeRng,
        now: Instant,
        own: Digest,
    }

    impl Rig {
        fn new(seed: u64) -> Self {
            let mut rng = NodeRng::from_seed(seed);
            let now = Instant::now();
            Self { gossip: Gossip::new(LONGEST, now, &mut rng), rng, now, own: Digest::default() }
        }

        /// Advances to the next deadline; everything prompted there.
        fn step(&mut self) -> Vec<Prompt> {
            self.now = self.gossip.deadline();
            std::iter::from_fn(|| self.gossip.on_time(self.now, &self.own, &mut self.rng)).collect()
        }

        fn run(&mut self, time: Duration) -> Vec<Prompt> {
            let end = self.now + time;
            let mut prompts = vec![];
            while self.gossip.deadline() <= end {
                prompts.extend(self.step());
            }
            self.now = end;
            prompts
        }

        fn hear(&mut self, heard: Heard, store: Reach) -> Option<Prompt> {
            self.gossip.on_digest(self.now, heard, &self.own, store, &mut self.rng)
        }
    }

    #[test]
    fn an_unheard_node_publishes_once_per_interval_and_intervals_grow() {
        let mut rig = Rig::new(1);
        // 1 + 2 + 4 + 8 + 16 = 31 s of growing intervals, then 30 s each.
        let prompts = rig.run(Duration::from_secs(31 + 10 * 30));
        assert_eq!(prompts, vec![Prompt::SendDigest; 15]);
    }

    #[test]
    fn an_equal_digest_silences_the_rest_of_the_interval() {
        let mut rig = Rig::new(2);
        rig.run(Duration::from_secs(31));
        for _ in 0..10 {
            rig.hear(Heard::Equal, Reach::Reachable);
            assert_eq!(rig.run(LONGEST), vec![]);
        }
    }

    #[test]
    fn a_difference_leads_to_a_read_then_to_a_repair() {
        let mut rig = Rig::new(3);
        rig.run(Duration::from_secs(40));
        assert_eq!(rig.hear(Heard::Differing(5), Reach::Reachable), None);
        let prompts = rig.run(Duration::from_secs(2));
        assert!(prompts.contains(&Prompt::Resync), "{prompts:?}");
        rig.gossip.resynced(rig.now, &mut rig.rng);
        rig.hear(Heard::Differing(4), Reach::Reachable);
        let prompts = rig.run(Duration::from_secs(1));
        assert!(prompts.contains(&Prompt::SendRepair(4)), "{prompts:?}");
        rig.hear(Heard::Differing(4), Reach::Reachable);
        let prompts = rig.run(Duration::from_secs(1));
        assert!(!prompts.contains(&Prompt::SendRepair(4)), "{prompts:?}");
    }

    #[test]
    fn without_a_store_the_repair_comes_at_once() {
        let mut rig = Rig::new(4);
        rig.hear(Heard::Differing(1), Reach::Unreachable);
        let prompts = rig.run(Duration::from_secs(1));
        assert!(prompts.contains(&Prompt::SendRepair(1)), "{prompts:?}");
    }

    #[test]
    fn agreement_of_others_puts_the_read_off_only_once() {
        let mut rig = Rig::new(5);
        rig.hear(Heard::Differing(1), Reach::Reachable);
        rig.hear(Heard::Equal, Reach::Reachable);
        assert!(!rig.run(Duration::from_millis(900)).contains(&Prompt::Resync));
        assert_eq!(rig.hear(Heard::Differing(1), Reach::Reachable), Some(Prompt::Resync));
    }

    #[test]
    fn a_repair_by_another_node_puts_off_the_own_one() {
        let mut rig = Rig::new(6);
        rig.hear(Heard::Differing(1), Reach::Unreachable);
        rig.gossip.on_repair();
        let prompts = rig.run(Duration::from_secs(2));
        assert!(!prompts.contains(&Prompt::SendRepair(1)), "{prompts:?}");
        rig.hear(Heard::Differing(1), Reach::Unreachable);
        let prompts = rig.run(Duration::from_secs(2));
        assert!(prompts.contains(&Prompt::SendRepair(1)), "{prompts:?}");
    }

    #[test]
    fn a_cluster_in_agreement_sends_few_digests_whatever_its_size() {
        let mut nodes: Vec<Rig> = (0..200).map(Rig::new).collect();
        let start = nodes[0].now;
        for node in &mut nodes {
            node.gossip = Gossip::new(LONGEST, start, &mut node.rng);
        }
        let mut sent = 0;
        loop {
            let (index, at) = nodes
                .iter()
                .enumerate()
                .map(|(index, node)| (index, node.gossip.deadline()))
                .min_by_key(|(_, at)| *at)
                .unwrap();
            if at > start + LONGEST * 20 {
                break;
            }
            for prompt in nodes[index].step() {
                assert_eq!(prompt, Prompt::SendDigest);
                sent += 1;
                for (other, node) in nodes.iter_mut().enumerate() {
                    if other != index {
                        node.now = at;
                        node.hear(Heard::Equal, Reach::Reachable);
                    }
                }
            }
        }
        assert!(sent <= 2 * 25, "{sent} digests in 25 intervals");
    }
}
