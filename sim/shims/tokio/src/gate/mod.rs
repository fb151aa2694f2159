//! The task registry through which one host among many on a single runtime is killed or frozen.
//!
//! Every future spawned inside a simulation is wrapped in `Gated` and belongs to an
//! *incarnation*: one life of one host, from boot to crash. Incarnation 0 is the harness itself,
//! outside every host. The gate sets the current incarnation around each poll and each drop of a
//! task's future, so a task that third-party code spawns deep inside a host belongs to that host.
//!
//! The state is that of the simulation's thread. A helper thread of `spawn_blocking` borrows it
//! while the simulation waits for it (see `lend`), so nothing here is ever shared.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;

use real_tokio::task::AbortHandle;

mod gated;
mod lent;

pub(crate) use self::gated::spawn_with;
pub(crate) use self::lent::{Lent, become_helper, lend};

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Paused,
    Dead,
}

/// Where a task's abort handle lies.
struct Slot {
    /// The spawn that took the slot; `None` when it is free.
    serial: Option<u64>,
    abort: Option<AbortHandle>,
}

struct Incarnation {
    state: State,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Wakers of the tasks that were due while paused.
    parked: Vec<Waker>,
    /// Pauses so far; tells a task whether it has parked in this one already.
    pauses: u32,
    polls: u64,
    polls_refused: u64,
    spawned: u64,
}

impl Incarnation {
    const fn new() -> Self {
        Self {
            state: State::Running,
            slots: Vec::new(),
            free: Vec::new(),
            parked: Vec::new(),
            pauses: 0,
            polls: 0,
            polls_refused: 0,
            spawned: 0,
        }
    }

    fn reserve(&mut self) -> (u32, u64) {
        self.spawned += 1;
        let taken = Slot { serial: Some(self.spawned), abort: None };
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot as usize] = taken;
                slot
            }
            None => {
                self.slots.push(taken);
                index(self.slots.len() - 1)
            }
        };
        (slot, self.spawned)
    }

    fn release(&mut self, slot: u32) -> Option<AbortHandle> {
        let entry = &mut self.slots[slot as usize];
        entry.serial = None;
        self.free.push(slot);
        entry.abort.take()
    }
}

struct Table {
    /// Tells the tasks of this simulation from those of an earlier one on the same thread.
    epoch: u32,
    incarnations: Vec<Incarnation>,
}

impl Table {
    fn new() -> Self {
        static EPOCHS: AtomicU32 = AtomicU32::new(0);
        Self { epoch: EPOCHS.fetch_add(1, Ordering::Relaxed), incarnations: vec![Incarnation::new()] }
    }

    fn of(&mut self, incarnation: u32) -> &mut Incarnation {
        match self.incarnations.get_mut(incarnation as usize) {
            Some(found) => found,
            None => {
                panic!("incarnation {incarnation} is unknown: create it with gate::new_incarnation after gate::reset")
            }
        }
    }
}

/// What every poll touches, apart from the table: plain cells, free of borrows and destructors.
struct Hot {
    current: Cell<u32>,
    helper: Cell<bool>,
    announced: Cell<bool>,
    escaped: Cell<u64>,
    polls: Cell<u64>,
    /// The value of `polls` that must not be passed.
    polls_end: Cell<u64>,
    polls_allowed: Cell<u64>,
    on_limit: Cell<Option<fn() -> !>>,
}

thread_local! {
    static HOT: Hot = const {
        Hot {
            current: Cell::new(0),
            helper: Cell::new(false),
            announced: Cell::new(false),
            escaped: Cell::new(0),
            polls: Cell::new(0),
            polls_end: Cell::new(u64::MAX),
            polls_allowed: Cell::new(u64::MAX),
            on_limit: Cell::new(None),
        }
    };
    static TABLE: RefCell<Table> = RefCell::new(Table::new());
}

fn with<R>(incarnation: u32, act: impl FnOnce(&mut Incarnation) -> R) -> R {
    TABLE.with_borrow_mut(|table| act(table.of(incarnation)))
}

fn index(position: usize) -> u32 {
    match u32::try_from(position) {
        Ok(index) => index,
        Err(_) => panic!("more than 4 billion tasks or incarnations: end the run earlier"),
    }
}

/// Forgets every incarnation, count and limit; the harness (incarnation 0) is current again.
///
/// Tasks left over from before are never polled again, and leaked when their runtime drops them.
pub fn reset() {
    // Dropped outside the borrow: a waker may hold a task's last reference.
    let _old = TABLE.replace(Table::new());
    HOT.with(|hot| {
        hot.current.set(0);
        hot.announced.set(false);
        hot.escaped.set(0);
        hot.polls.set(0);
        hot.polls_end.set(u64::MAX);
        hot.polls_allowed.set(u64::MAX);
        hot.on_limit.set(None);
    });
}

/// Begins a new life of a host: running, without tasks.
pub fn new_incarnation() -> u32 {
    TABLE.with_borrow_mut(|table| {
        table.incarnations.push(Incarnation::new());
        index(table.incarnations.len() - 1)
    })
}

/// The incarnation whose code runs now; 0 is the harness.
#[must_use]
pub fn current() -> u32 {
    HOT.with(|hot| hot.current.get())
}

/// Makes `incarnation` current until the guard is dropped.
#[must_use = "the incarnation is current only while the guard lives"]
pub fn enter(incarnation: u32) -> EnterGuard {
    EnterGuard { outer: HOT.with(|hot| hot.current.replace(incarnation)), same_thread: PhantomData }
}

/// Restores the incarnation that was current before [`enter`].
#[derive(Debug)]
pub struct EnterGuard {
    outer: u32,
    same_thread: PhantomData<*const ()>,
}

impl Drop for EnterGuard {
    fn drop(&mut self) {
        HOT.with(|hot| hot.current.set(self.outer));
    }
}

/// Ends an incarnation as SIGKILL would: none of its tasks is polled again, none of its futures
/// is dropped. The runtime lets go of the tasks when it next runs.
///
/// # Panics
/// When `incarnation` is 0 or unknown.
pub fn kill(incarnation: u32) {
    assert!(incarnation != 0, "the harness cannot be killed: pass the incarnation of a host");
    let (parked, slots) = with(incarnation, |found| {
        found.state = State::Dead;
        (mem::take(&mut found.parked), found.slots.len())
    });
    for slot in 0..slots {
        // One at a time, outside the borrow: an abort runs code of the runtime.
        let abort = with(incarnation, |found| found.slots[slot].abort.clone());
        if let Some(abort) = abort {
            abort.abort();
        }
    }
    drop(parked);
}

/// Freezes a running incarnation: its tasks are not polled until [`resume`].
///
/// # Panics
/// When `incarnation` is unknown.
pub fn pause(incarnation: u32) {
    with(incarnation, |found| {
        if found.state == State::Running {
            found.state = State::Paused;
            found.pauses += 1;
        }
    });
}

/// Lets a paused incarnation go on; every task that was due meanwhile is woken, in that order.
///
/// # Panics
/// When `incarnation` is unknown.
pub fn resume(incarnation: u32) {
    let parked = with(incarnation, |found| {
        if found.state != State::Paused {
            return Vec::new();
        }
        found.state = State::Running;
        mem::take(&mut found.parked)
    });
    for waker in parked {
        waker.wake();
    }
}

/// Tasks that the runtime still holds. Reaches 0 after [`kill`] once the runtime has run.
///
/// # Panics
/// When `incarnation` is unknown.
#[must_use]
pub fn tasks(incarnation: u32) -> usize {
    with(incarnation, |found| found.slots.len() - found.free.len())
}

/// Polls that reached this incarnation's code.
///
/// # Panics
/// When `incarnation` is unknown.
#[must_use]
pub fn polls(incarnation: u32) -> u64 {
    with(incarnation, |found| found.polls)
}

/// Polls held back because the incarnation was paused or dead.
///
/// # Panics
/// When `incarnation` is unknown.
#[must_use]
pub fn polls_refused(incarnation: u32) -> u64 {
    with(incarnation, |found| found.polls_refused)
}

/// Tasks this incarnation has started, finished ones included.
///
/// # Panics
/// When `incarnation` is unknown.
#[must_use]
pub fn spawned(incarnation: u32) -> u64 {
    with(incarnation, |found| found.spawned)
}

/// Tasks that a host started past the gate, which a kill or a pause would miss.
#[must_use]
pub fn escaped() -> u64 {
    HOT.with(|hot| hot.escaped.get())
}

/// For the runtime's `on_task_spawn` hook: counts a spawn that did not come through the gate.
pub fn note_spawn() {
    HOT.with(|hot| {
        if !hot.announced.replace(false) && hot.current.get() != 0 {
            hot.escaped.set(hot.escaped.get() + 1);
        }
    });
}

/// Polls of all gated tasks since [`reset`], refused ones included.
#[must_use]
pub fn total_polls() -> u64 {
    HOT.with(|hot| hot.polls.get())
}

/// Calls `on_limit` in place of the poll that follows `limit` polls without a [`restart_poll_count`].
pub fn set_poll_limit(limit: u64, on_limit: fn() -> !) {
    HOT.with(|hot| {
        hot.polls_allowed.set(limit);
        hot.on_limit.set(Some(on_limit));
    });
    restart_poll_count();
}

/// Grants another full limit of polls: time has moved.
pub fn restart_poll_count() {
    HOT.with(|hot| hot.polls_end.set(hot.polls.get().saturating_add(hot.polls_allowed.get())));
}

fn count_poll() {
    HOT.with(|hot| {
        if hot.polls.get() == hot.polls_end.get()
            && let Some(on_limit) = hot.on_limit.get()
        {
            on_limit();
        }
        hot.polls.set(hot.polls.get() + 1);
    });
}

/// Whether spawns of this thread go through the gate.
pub(crate) fn routed() -> bool {
    squall_hook::active() || on_helper()
}

/// Whether this thread runs a `spawn_blocking` closure of a simulation, and so may block on futures.
#[must_use]
pub fn on_helper() -> bool {
    HOT.with(|hot| hot.helper.get())
}

/// Whether a host's code, as against the harness, runs on this thread.
pub(crate) fn inside_host() -> bool {
    routed() && current() != 0
}
