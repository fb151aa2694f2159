//! Versions that the store does not have yet. A pure state machine.

use super::Entry;
use ipnet::IpNet;
use std::collections::BTreeMap;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// How durable an accepted block or unblock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The store has it, or a newer version of the same network's entry.
    Stored,
    /// It is in force and will be written when the store can be reached. It is lost if every node that knows it stops first.
    Pending,
}

#[derive(Debug)]
struct Write {
    entry: Entry,
    since: Instant,
    waiting: Vec<oneshot::Sender<()>>,
}

/// The versions to be written.
#[derive(Debug, Default)]
pub(super) struct Pending {
    writes: BTreeMap<IpNet, Write>,
}

impl Pending {
    /// Adds a version. A newer one of the same network replaces it and takes over those who wait for it.
    pub(super) fn add(&mut self, entry: Entry, now: Instant) {
        match self.writes.get_mut(&entry.net) {
            Some(write) if write.entry.version >= entry.version => {}
            Some(write) => write.entry = entry,
            None => {
                let write = Write { since: now, waiting: Vec::new(), entry };
                self.writes.insert(write.entry.net, write);
            }
        }
    }

    /// Resolves when the version that is pending for `net` is stored; drops the sender if none is.
    pub(super) fn wait(&mut self, net: IpNet) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        if let Some(write) = self.writes.get_mut(&net) {
            write.waiting.push(sender);
        }
        receiver
    }

    /// The first `limit` versions, ordered by network.
    pub(super) fn batch(&self, limit: usize) -> Vec<Entry> {
        let writes = self.writes.values().take(limit);
        writes.map(|write| write.entry.clone()).collect()
    }

    /// These versions are stored: those who waited are told. Since when the oldest had been tried.
    pub(super) fn stored(&mut self, batch: &[Entry]) -> Option<Instant> {
        let mut oldest: Option<Instant> = None;
        for entry in batch {
            if let Some(write) = self.writes.get(&entry.net)
                && write.entry.version <= entry.version
                && let Some(write) = self.writes.remove(&entry.net)
            {
                oldest = Some(oldest.map_or(write.since, |oldest| oldest.min(write.since)));
                for waiting in write.waiting {
                    // Whoever no longer waits does not want to know.
                    let _ = waiting.send(());
                }
            }
        }
        oldest
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::entry;
    use super::*;

    #[test]
    fn a_newer_version_takes_over_those_who_wait() {
        let (mut pending, now) = (Pending::default(), Instant::now());
        let (old, new) = (entry("192.0.2.1/32", 1, Some(None)), entry("192.0.2.1/32", 2, None));
        pending.add(old.clone(), now);
        let mut first = pending.wait(old.net);
        pending.add(new.clone(), now);
        assert_eq!(pending.stored(&[old]), None);
        assert!(first.try_recv().is_err());
        assert_eq!(pending.batch(10), vec![new.clone()]);
        assert_eq!(pending.stored(&[new]), Some(now));
        assert_eq!(first.try_recv(), Ok(()));
        assert!(pending.is_empty());
    }
}
