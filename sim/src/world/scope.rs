//! What holds for a thread while a world runs on it: clock, entropy, guards, and what panics leave.

use super::{Facts, Panicked, STATE, State, WorldConfig, current_host, now_ns, wall_offset_ns, with_state};
use crate::engine::{self, try_with_net};
use crate::entropy::{self, Subsystem};
use crate::hashers;
use crate::net::HostId;
use squall_interpose::{clock, guard};
use tokio::gate;

pub(super) fn enter(config: &WorldConfig) {
    squall_interpose::entropy::seed(entropy::derive(config.seed, Subsystem::Processes));
    hashers::begin();
    clock::set_wall_offset(wall_offset_ns);
    clock::start(config.epoch_ms);
    squall_hook::set_helper_scope(super::helper::lend);
    squall_hook::set_exemption(|work| guard::exempt(work));
    gate::reset();
    gate::set_poll_limit(config.poll_limit, config.on_livelock);
    with_state(|s| *s = State { incarnations: vec![None], ..State::default() });
    record_panics();
    guard::arm();
}

/// Panics of simulated code belong to the run's record; all others are reported as before.
fn record_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let report = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| match current_host() {
            Some(host) => {
                let panicked =
                    Panicked { at_ns: engine::now_ns_if_free(), host: Some(host), message: info.to_string() };
                let _inside_state = STATE.try_with(|s| s.try_borrow_mut().map(|mut s| s.facts.panics.push(panicked)));
            }
            None => report(info),
        }));
    });
}

pub(super) fn leave() {
    guard::disarm();
    for incarnation in with_state(|s| s.hosts.iter().filter_map(|h| h.running).collect::<Vec<_>>()) {
        gate::kill(incarnation);
    }
    with_state(|s| s.incarnations.clear());
    squall_hook::uninstall();
    clock::stop();
    squall_interpose::entropy::unseed();
}

pub(super) fn facts() -> Facts {
    let refusals = guard::take_refusals();
    let at_ns = now_ns();
    with_state(|s| {
        let mut facts = std::mem::take(&mut s.facts);
        facts.polls_after_death = s.dead.iter().map(|(inc, polls)| gate::polls(*inc) - polls).sum();
        facts.escaped_spawns = gate::escaped();
        let down = (0..).map(HostId).zip(&s.hosts).filter(|(_, h)| h.running.is_none());
        let open = |id| try_with_net(|net| net.open_sockets(id)).unwrap_or(0) as u64;
        facts.sockets_after_death += down.map(|(id, _)| open(id)).sum::<u64>();
        let refused = |what: &&str| Panicked { at_ns, host: None, message: format!("simulated code asked for {what}") };
        facts.panics.extend(refusals.iter().map(refused));
        facts
    })
}
