//! The fate of every packet: healthy links by the profile, faults by rules laid over them.

use super::costs::Processors;
use super::profile::NetworkProfile;
use super::{HostId, HostSet};
use rand_chacha::ChaCha8Rng;

/// Between two sockets of one host, nanoseconds.
const LOOPBACK_NS: u64 = 20_000;
/// Ethernet, IP and TCP headers of one packet, bytes.
const HEADER_BYTES: u64 = 66;

/// What a rule does to the packets it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Cut,
    Hold,
    /// Lost packets in a million.
    Loss(u32),
    /// Extra one-way latency, nanoseconds.
    Delay(u64),
    /// Bytes per second of each link.
    Bandwidth(u64),
}

/// One fault laid over all links from one set of hosts to another.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) from: HostSet,
    pub(crate) to: HostSet,
    pub(crate) action: Action,
    /// Which applied fault this is, to count its effects.
    pub(crate) fault: usize,
}

/// Why a packet did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Cut,
    Random,
    HostDown,
}

/// What becomes of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives at this time, nanoseconds.
    Arrives(u64),
    Lost(Lost),
    /// It waits for the release of the rule with this fault.
    Held(usize),
}

/// All links.
#[derive(Debug)]
pub(crate) struct Fabric {
    profile: NetworkProfile,
    processors: Processors,
    rng: ChaCha8Rng,
    rules: Vec<Rule>,
    /// When each host's interface has sent what it was given.
    nic_free_ns: Vec<u64>,
    /// The same for links with a bandwidth rule, by `(fault, from, to)`.
    link_free_ns: std::collections::BTreeMap<(usize, HostId, HostId), u64>,
    /// How often each applied fault mattered.
    effects: Vec<u64>,
}

impl Fabric {
    pub(crate) fn new(profile: NetworkProfile, processors: Processors, rng: ChaCha8Rng, hosts: usize) -> Self {
        Self {
            profile,
            processors,
            rng,
            rules: Vec::new(),
            nic_free_ns: vec![0; hosts],
            link_free_ns: std::collections::BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    /// Whether a rule cuts this direction now.
    pub(crate) fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.rules.iter().any(|r| r.action == Action::Cut && r.matches(from, to))
    }

    /// Decides about a packet of `payload` bytes that leaves now.
    pub(crate) fn judge(&mut self, now_ns: u64, from: HostId, to: HostId, payload: usize) -> Fate {
        if from == to {
            return Fate::Arrives(now_ns + LOOPBACK_NS);
        }
        let bytes = payload as u64 + HEADER_BYTES;
        let mut departs_ns = self.processors.sent(from, now_ns, &mut self.rng);
        if let Some(rate) = self.profile.nic_bytes_per_s {
            let free = &mut self.nic_free_ns[from.index()];
            *free = departs_ns.max(*free) + bytes * 1_000_000_000 / rate;
            departs_ns = *free;
        }
        let mut extra_ns = 0;
        let mut loss = self.profile.loss_per_million;
        let mut lossy_fault = None;
        for rule in &self.rules {
            if !rule.matches(from, to) {
                continue;
            }
            match rule.action {
                Action::Cut => {
                    self.effects[rule.fault] += 1;
                    return Fate::Lost(Lost::Cut);
                }
                Action::Hold => {
                    self.effects[rule.fault] += 1;
                    return Fate::Held(rule.fault);
                }
                Action::Loss(per_million) => {
                    loss = loss.max(per_million);
                    lossy_fault = Some(rule.fault);
                }
                Action::Delay(ns) => {
                    self.effects[rule.fault] += 1;
                    extra_ns += ns;
                }
                Action::Bandwidth(rate) => {
                    self.effects[rule.fault] += 1;
                    let free = self.link_free_ns.entry((rule.fault, from, to)).or_insert(0);
                    *free = departs_ns.max(*free) + bytes * 1_000_000_000 / rate.max(1);
                    departs_ns = *free;
                }
            }
        }
        if loss > 0 && crate::entropy::below(&mut self.rng, 1_000_000) < u64::from(loss) {
            if let Some(fault) = lossy_fault {
                self.effects[fault] += 1;
            }
            return Fate::Lost(Lost::Random);
        }
        let arrives_ns = departs_ns + extra_ns + self.profile.latency.sample(&mut self.rng);
        Fate::Arrives(self.processors.received(to, arrives_ns, &mut self.rng))
    }

    pub(crate) fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Removes the oldest rule with these hosts for which `same` holds; returns its fault.
    pub(crate) fn remove_rule(
        &mut self,
        from: &HostSet,
        to: &HostSet,
        same: impl Fn(&Action) -> bool,
    ) -> Option<usize> {
        let at = self.rules.iter().position(|r| same(&r.action) && r.from == *from && r.to == *to)?;
        let fault = self.rules.remove(at).fault;
        self.link_free_ns.retain(|(f, _, _), _| *f != fault);
        Some(fault)
    }

    /// Makes room to count the effects of one more applied fault.
    pub(crate) fn new_fault(&mut self) -> usize {
        self.effects.push(0);
        self.effects.len() - 1
    }

    pub(crate) fn effects(&self, fault: usize) -> u64 {
        self.effects[fault]
    }
}

impl Rule {
    fn matches(&self, from: HostId, to: HostId) -> bool {
        self.from.contains(from) && self.to.contains(to)
    }
}
