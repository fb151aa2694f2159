//! One direction of a connection: segments in order, loss as delay with back-off, giving up.

use super::super::fabric::{Fate, Lost};
use super::super::{Held, HostId, Net, NetEvent};
use super::{End, EndKey, Phase, Segment, WINDOW_BYTES};
use std::collections::BTreeMap;
use std::io;

const MS: u64 = 1_000_000;
/// First retransmission time-out of data, as Linux's `TCP_RTO_MIN`.
const RTO_NS: u64 = 200 * MS;
/// First retransmission time-out of a SYN, as RFC 6298.
const SYN_RTO_NS: u64 = 1_000 * MS;
/// The longest time-out, as Linux's `TCP_RTO_MAX`.
const MAX_RTO_NS: u64 = 120_000 * MS;
/// When data is given up, as Linux with `tcp_retries2 = 15`.
const GIVE_UP_NS: u64 = 924_600 * MS;
/// A SYN is the first segment of its flow.
pub(super) const SYN_SEQUENCE: u64 = 1;
/// When a SYN is given up, as Linux with `tcp_syn_retries = 6`.
const SYN_GIVE_UP_NS: u64 = 127_000 * MS;

/// The sending half of one end.
#[derive(Debug, Default)]
pub(super) struct Flow {
    next_sequence: u64,
    /// No segment may arrive before the one sent before it.
    last_arrival_ns: u64,
    /// Set while the head of the line is lost or unacknowledged.
    stall: Option<Box<Stall>>,
    /// An acknowledgement went missing; the timer that notices it runs.
    ack_timer: bool,
}

/// What waits for a retransmission.
#[derive(Debug)]
struct Stall {
    /// By sequence. Empty, or not yet sent, while what is missing is the acknowledgement of delivered data.
    queue: BTreeMap<u64, Segment>,
    /// The first of `queue` was sent and lost.
    head_lost: bool,
    rto_ns: u64,
    since_ns: u64,
    /// When its timer fires; an earlier one was meant for something else.
    due_ns: u64,
}

impl End {
    fn first_rto_ns(&self) -> u64 {
        if self.phase == Phase::Opening { SYN_RTO_NS } else { RTO_NS }
    }
}

impl Flow {
    /// Nothing is sent any more, but what may still be does not overtake what was.
    pub(super) fn forget(&mut self) {
        *self = Self { last_arrival_ns: self.last_arrival_ns, ..Self::default() };
    }

    /// The SYN-ACK answers a SYN that was taken for lost, too.
    pub(super) fn syn_is_answered(&mut self) {
        if let Some(stall) = &mut self.stall {
            stall.queue.remove(&SYN_SEQUENCE);
            stall.head_lost = false;
        }
    }
}

impl Net {
    /// Sends the next segment of `from`'s flow.
    pub(super) fn transmit(&mut self, from: EndKey, what: Segment) {
        let Some(end) = self.conns.end(from) else { return };
        end.flow.next_sequence += 1;
        let sequence = end.flow.next_sequence;
        self.transmit_as(from, sequence, what);
    }

    /// Sends a segment that has its place in the flow already.
    pub(in crate::net) fn transmit_as(&mut self, from: EndKey, sequence: u64, what: Segment) {
        let Some(end) = self.conns.end(from) else { return };
        if let Some(stall) = &mut end.flow.stall {
            stall.queue.insert(sequence, what);
            return;
        }
        let Some((to_host, _, from_host, _)) = self.ends_of(from) else { return };
        match self.fate(from_host, to_host, &what) {
            Fate::Arrives(at) => self.send_at(from, sequence, what, at),
            Fate::Held(fault) => self.held.entry(fault).or_default().push_back(Held::Segment { from, sequence, what }),
            Fate::Lost(why) => {
                self.record_loss(from, &what, why);
                self.stall(from, sequence, what);
            }
        }
        // It arrives, but its acknowledgement does not come back.
        if self.way_back_cut(from_host, to_host) {
            self.arm_ack_timer(from);
        }
    }

    /// An RST is sent once and not acknowledged, but it does not overtake what was sent before it. Returns whether it is
    /// on its way: lost or held, its receiver goes on as if there was none.
    pub(super) fn transmit_rst(&mut self, from: EndKey) -> bool {
        let Some((to_host, _, from_host, _)) = self.ends_of(from) else { return false };
        let (sequence, what) = (u64::MAX, Segment::Rst);
        match self.fate(from_host, to_host, &what) {
            Fate::Arrives(at) => {
                self.send_at(from, sequence, what, at);
                return true;
            }
            Fate::Held(fault) => self.held.entry(fault).or_default().push_back(Held::Segment { from, sequence, what }),
            Fate::Lost(why) => self.record_loss(from, &what, why),
        }
        false
    }

    fn way_back_cut(&self, from: HostId, to: HostId) -> bool {
        from != to && self.fabric.is_cut(to, from)
    }

    fn fate(&mut self, from: HostId, to: HostId, what: &Segment) -> Fate {
        if !self.kernels[to.index()].up {
            return Fate::Lost(Lost::HostDown);
        }
        self.fabric.judge(self.now_ns, from, to, what.wire().1.len())
    }

    fn send_at(&mut self, from: EndKey, sequence: u64, what: Segment, at: u64) {
        let Some(end) = self.conns.end(from) else { return };
        let at = at.max(end.flow.last_arrival_ns);
        end.flow.last_arrival_ns = at;
        self.queue.push(at, NetEvent::Segment { to: from.peer(), sequence, what });
    }

    /// `what` was lost: it and everything behind it wait for the retransmission timer.
    pub(super) fn stall(&mut self, from: EndKey, sequence: u64, what: Segment) {
        let Some(end) = self.conns.end(from) else { return };
        if end.phase == Phase::Gone {
            return;
        }
        if let Some(stall) = &mut end.flow.stall {
            stall.queue.insert(sequence, what);
            stall.head_lost = true;
            return;
        }
        let rto_ns = if matches!(what, Segment::Syn | Segment::SynAck) { SYN_RTO_NS } else { RTO_NS };
        let queue = BTreeMap::from([(sequence, what)]);
        self.start_stall(from, Stall { queue, head_lost: true, rto_ns, since_ns: self.now_ns, due_ns: 0 });
    }

    fn start_stall(&mut self, from: EndKey, mut stall: Stall) {
        stall.due_ns = self.now_ns + stall.rto_ns;
        self.queue.push(stall.due_ns, NetEvent::Retransmit { end: from });
        if let Some(end) = self.conns.end(from) {
            end.flow.stall = Some(Box::new(stall));
        }
    }

    fn arm_ack_timer(&mut self, from: EndKey) {
        let now_ns = self.now_ns;
        let Some(end) = self.conns.end(from) else { return };
        if end.flow.stall.is_none() && !end.flow.ack_timer && end.phase != Phase::Gone {
            end.flow.ack_timer = true;
            let rto_ns = end.first_rto_ns();
            self.queue.push(now_ns + rto_ns, NetEvent::Retransmit { end: from });
        }
    }

    /// A sender without room probes its peer's window: so it notices a peer that is gone without a word.
    pub(super) fn probe_window(&mut self, from: EndKey) {
        let since_ns = self.now_ns;
        let Some(end) = self.conns.end(from) else { return };
        if end.phase == Phase::Open && end.outstanding_bytes >= WINDOW_BYTES && end.flow.stall.is_none() {
            let stall = Stall { queue: BTreeMap::new(), head_lost: false, rto_ns: RTO_NS, since_ns, due_ns: 0 };
            self.start_stall(from, stall);
        }
    }

    /// The retransmission timer of `from` fires.
    pub(in crate::net) fn retransmit(&mut self, from: EndKey) {
        let now_ns = self.now_ns;
        let Some((to_host, _, from_host, _)) = self.ends_of(from) else { return };
        let way_back_cut = self.way_back_cut(from_host, to_host);
        let Some(end) = self.conns.end(from) else { return };
        if end.flow.stall.as_ref().is_some_and(|stall| now_ns < stall.due_ns) {
            return;
        }
        let ack_timer = std::mem::take(&mut end.flow.ack_timer);
        let (phase, first_rto_ns) = (end.phase, end.first_rto_ns());
        let Some(mut stall) = end.flow.stall.take() else {
            if ack_timer && way_back_cut {
                let (rto_ns, since_ns) = (2 * first_rto_ns, now_ns.saturating_sub(first_rto_ns));
                let stall = Stall { queue: BTreeMap::new(), head_lost: false, rto_ns, since_ns, due_ns: 0 };
                self.start_stall(from, stall);
            }
            return;
        };
        let answers = matches!(stall.queue.values().next(), Some(Segment::SynAck));
        let give_up_ns = if answers || phase == Phase::Opening { SYN_GIVE_UP_NS } else { GIVE_UP_NS };
        if self.now_ns - stall.since_ns >= give_up_ns {
            self.fail(from, io::ErrorKind::TimedOut);
            if answers {
                self.answer_never_came(from.peer());
            }
            return;
        }
        let head = if stall.head_lost { stall.queue.pop_first() } else { None };
        // What is already there goes again as an empty segment would.
        let fate = self.fate(from_host, to_host, head.as_ref().map_or(&Segment::Fin, |(_, what)| what));
        match (fate, head) {
            (Fate::Arrives(at), head) => {
                if let Some((sequence, what)) = head {
                    self.send_at(from, sequence, what, at);
                } else if self.conns.end(from.peer()).is_some_and(|peer| peer.phase == Phase::Gone) {
                    // Even an empty segment gets an RST from there.
                    self.send_at(from, 0, Segment::Data(bytes::Bytes::new()), at);
                }
                if way_back_cut {
                    stall.head_lost = false;
                    self.back_off(from, *stall);
                    return;
                }
                for (sequence, what) in stall.queue {
                    self.transmit_as(from, sequence, what);
                }
            }
            // A held probe leaves nothing to release.
            (Fate::Held(_), None) if stall.queue.is_empty() => self.back_off(from, *stall),
            (Fate::Held(fault), head) => {
                let held = head.into_iter().chain(stall.queue);
                let held = held.map(|(sequence, what)| Held::Segment { from, sequence, what });
                self.held.entry(fault).or_default().extend(held);
            }
            (Fate::Lost(why), head) => {
                if let Some((sequence, what)) = head {
                    self.record_loss(from, &what, why);
                    stall.queue.insert(sequence, what);
                }
                self.back_off(from, *stall);
            }
        }
    }

    /// The SYN of `client` was heard and its answers were lost until now: it has sent SYNs all the while.
    fn answer_never_came(&mut self, client: EndKey) {
        if self.conns.end(client).is_some_and(|end| end.phase == Phase::Opening) {
            self.fail(client, io::ErrorKind::TimedOut);
        }
    }

    fn back_off(&mut self, from: EndKey, mut stall: Stall) {
        stall.rto_ns = (stall.rto_ns * 2).min(MAX_RTO_NS);
        self.start_stall(from, stall);
    }

    fn record_loss(&mut self, from: EndKey, what: &Segment, why: Lost) {
        if let Some(ends) = self.ends_of(from.peer()) {
            let (wire, payload) = what.wire();
            self.recorder.lost(self.now_ns, ends, wire, why, payload);
        }
    }
}
