//! What a helper thread (`spawn_blocking`) borrows while the world's thread waits for it: the network, the time, the host.

use super::{Panicked, current_host, wall_offset_ns, with_state};
use crate::engine::{self, Engine};
use crate::net::{HostId, Provider};
use squall_hook::HelperScope;
use squall_interpose::{clock, entropy, guard};
use std::sync::{Arc, Mutex, PoisonError};

/// Whose work a helper thread does.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnHelper {
    pub(super) host: Option<HostId>,
    pub(super) wall_offset_ns: i64,
}

/// On its way from one thread to the other.
#[derive(Default)]
struct Lent {
    engine: Option<Engine>,
    panics: Vec<Panicked>,
    refusals: Vec<&'static str>,
    now_ns: u64,
}

/// Takes the world from this thread, for a helper that is about to start.
pub(super) fn lend() -> HelperScope {
    let (entropy, time) = (entropy::inherit(), clock::inherit());
    let on_helper = OnHelper { host: current_host(), wall_offset_ns: wall_offset_ns() };
    let lent = Arc::new(Mutex::new(Lent { engine: engine::uninstall(), ..Lent::default() }));
    let (borrowed, returned) = (Arc::clone(&lent), Arc::clone(&lent));
    HelperScope {
        enter: Box::new(move || {
            entropy();
            time();
            if let Some(engine) = taken(&borrowed).engine {
                engine::reinstall(engine);
            }
            with_state(|s| s.on_helper = Some(on_helper));
            squall_hook::install(Arc::new(Provider));
            guard::arm();
        }),
        leave: Box::new(move || {
            guard::disarm();
            squall_hook::uninstall();
            *returned.lock().unwrap_or_else(PoisonError::into_inner) = Lent {
                engine: engine::uninstall(),
                panics: with_state(|s| std::mem::take(&mut s.facts.panics)),
                refusals: guard::take_refusals(),
                now_ns: clock::now_ns(),
            };
        }),
        resume: Box::new(move || {
            let Lent { engine, panics, refusals, now_ns } = taken(&lent);
            if let Some(engine) = engine {
                engine::reinstall(engine);
            }
            clock::advance_to(now_ns);
            guard::add_refusals(refusals);
            with_state(|s| s.facts.panics.extend(panics));
        }),
    }
}

fn taken(lent: &Mutex<Lent>) -> Lent {
    std::mem::take(&mut *lent.lock().unwrap_or_else(PoisonError::into_inner))
}
