//! The event loop: one paused tokio runtime, and an idle hook that is the only place where time passes.
//!
//! tokio calls the hook when no task is runnable. Its paused clock moves in whole milliseconds, packets
//! have exact nanosecond deadlines:
//! - a packet due before the next millisecond boundary: no timer can be due in between, so set the clock
//!   to its exact time and deliver it;
//! - otherwise round the clock up to the boundary and let tokio advance to its next timer. One `Sleep`
//!   that nobody awaits keeps tokio from passing the millisecond of the next packet.
//!
//! Nothing ticks: when nothing is due, nothing runs.

mod queue;

pub(crate) use queue::EventQueue;

use crate::net::Net;
use squall_interpose::clock;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio::gate;
use tokio::time::{Instant, Sleep};

const MS: u64 = 1_000_000;
/// Later than any run lasts, nanoseconds: about a year.
const FAR_NS: u64 = 1 << 55;

pub(crate) struct Engine {
    pub(crate) net: Net,
    /// tokio's instant at world time 0.
    epoch: Instant,
    fence: Pin<Box<Sleep>>,
    fence_at_ns: u64,
    main: Waker,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

/// What the idle hook does next.
enum Step {
    /// Look for the next event.
    Again,
    /// Tasks became runnable, or tokio has to advance its clock.
    Return,
}

/// Puts an engine in place for this thread's world. Called inside the runtime, at world time 0.
pub(crate) fn install(net: Net, main: Waker) {
    let epoch = Instant::now();
    let mut fence = Box::pin(tokio::time::sleep_until(epoch + Duration::from_nanos(FAR_NS)));
    // Registers the timer.
    let _pending = fence.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    ENGINE.with(|slot| *slot.borrow_mut() = Some(Engine { net, epoch, fence, fence_at_ns: FAR_NS, main }));
}

/// Takes the engine away; what still holds a socket finds no network.
pub(crate) fn uninstall() -> Option<Engine> {
    ENGINE.with(|slot| slot.borrow_mut().take())
}

/// Puts back what [`uninstall`] took: an engine that is lent to a helper thread, or comes back.
pub(crate) fn reinstall(engine: Engine) {
    ENGINE.with(|slot| *slot.borrow_mut() = Some(engine));
}

/// Works on the network, then wakes and drops what it left, outside the borrow.
///
/// # Panics
/// Outside a world.
pub(crate) fn with_net<R>(work: impl FnOnce(&mut Net) -> R) -> R {
    try_with_net(work).expect("a simulated socket was used after its world ended")
}

/// As [`with_net`]; `None` outside a world.
pub(crate) fn try_with_net<R>(work: impl FnOnce(&mut Net) -> R) -> Option<R> {
    let (result, mut wakes, mut discarded) = ENGINE
        .try_with(|slot| {
            let mut slot = slot.borrow_mut();
            let net = &mut slot.as_mut()?.net;
            let result = work(net);
            Some((result, std::mem::take(&mut net.wakes), std::mem::take(&mut net.discarded)))
        })
        .ok()
        .flatten()?;
    if !wakes.is_empty() || !discarded.is_empty() {
        for waker in wakes.drain(..) {
            waker.wake();
        }
        discarded.clear();
        give_back(wakes, discarded);
    }
    Some(result)
}

/// The time, also from a panic hook, which may run while the engine is borrowed.
pub(crate) fn now_ns_if_free() -> u64 {
    ENGINE
        .try_with(|slot| Some(slot.try_borrow().ok()?.as_ref()?.net.now_ns))
        .ok()
        .flatten()
        .unwrap_or_else(clock::now_ns)
}

/// Keeps the emptied vectors' memory for the next wakes, unless a waker has left new ones.
fn give_back(wakes: Vec<Waker>, discarded: Vec<Waker>) {
    ENGINE.with(|slot| {
        if let Some(engine) = slot.borrow_mut().as_mut() {
            if engine.net.wakes.capacity() == 0 {
                engine.net.wakes = wakes;
            }
            if engine.net.discarded.capacity() == 0 {
                engine.net.discarded = discarded;
            }
        }
    });
}

/// tokio's `on_thread_park`: no task is runnable.
pub(crate) fn idle() {
    loop {
        let step = ENGINE.with(|slot| {
            let mut slot = slot.borrow_mut();
            let engine = slot.as_mut()?;
            let step = engine.step();
            Some((step, std::mem::take(&mut engine.net.wakes), std::mem::take(&mut engine.net.discarded)))
        });
        let Some((step, mut wakes, mut discarded)) = step else { return };
        let woke = !wakes.is_empty();
        for waker in wakes.drain(..) {
            waker.wake();
        }
        discarded.clear();
        give_back(wakes, discarded);
        if woke || matches!(step, Step::Return) {
            return;
        }
    }
}

/// tokio's `on_thread_unpark`: a timer may have moved its clock.
pub(crate) fn sync() {
    ENGINE.with(|slot| {
        if let Some(engine) = slot.borrow_mut().as_mut() {
            let elapsed_ns = engine.elapsed_ns();
            engine.time_is(elapsed_ns);
        }
    });
}

impl Engine {
    fn elapsed_ns(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn time_is(&mut self, now_ns: u64) {
        if now_ns > self.net.now_ns {
            self.net.now_ns = now_ns;
            clock::advance_to(now_ns);
            gate::restart_poll_count();
        }
    }

    fn advance_to(&mut self, now_ns: u64) {
        if now_ns > self.net.now_ns {
            // tokio's paused clock moves in the first poll; the rest of the future only yields.
            let mut advance = std::pin::pin!(tokio::time::advance(Duration::from_nanos(now_ns - self.net.now_ns)));
            let _yields = advance.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            self.time_is(now_ns);
        }
    }

    fn step(&mut self) -> Step {
        let next_ns = self.net.queue.next_at().unwrap_or(FAR_NS);
        let now_ns = self.net.now_ns;
        if next_ns < (now_ns / MS + 1) * MS {
            self.advance_to(next_ns);
            self.net.deliver_due();
            return Step::Again;
        }
        self.advance_to(now_ns.next_multiple_of(MS));
        let fence_ns = next_ns / MS * MS;
        if fence_ns <= self.net.now_ns {
            // The timers of this millisecond come first; then tokio calls again.
            self.main.wake_by_ref();
        } else if fence_ns != self.fence_at_ns {
            self.fence_at_ns = fence_ns;
            self.fence.as_mut().reset(self.epoch + Duration::from_nanos(fence_ns));
        }
        Step::Return
    }
}
