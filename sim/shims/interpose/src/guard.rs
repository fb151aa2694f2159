//! Refusing real sockets and threads to simulated code, with an explanation the run can report.

use std::cell::{Cell, RefCell};

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    static REFUSALS: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// From now on this thread may open no real socket and start no thread.
pub fn arm() {
    GUARDED.set(true);
}

/// Ends what [`arm`] began.
pub fn disarm() {
    GUARDED.set(false);
}

/// Lets `f` do what the guard refuses: for the world's own helper threads.
pub fn exempt<R>(f: impl FnOnce() -> R) -> R {
    let before = GUARDED.replace(false);
    let result = f();
    GUARDED.set(before);
    result
}

/// What was refused since the last call, oldest first.
#[must_use]
pub fn take_refusals() -> Vec<&'static str> {
    REFUSALS.with(RefCell::take)
}

/// Adds what a helper thread was refused, taken there by [`take_refusals`].
pub fn add_refusals(refused: Vec<&'static str>) {
    REFUSALS.with_borrow_mut(|r| r.extend(refused));
}

/// Whether this thread may open no real socket.
pub(crate) fn armed() -> bool {
    GUARDED.try_with(Cell::get).unwrap_or(false)
}

/// Whether `what` is refused now; remembers it if so.
pub(crate) fn refuses(what: &'static str) -> bool {
    let refused = armed();
    if refused {
        let _thread_is_ending = REFUSALS.try_with(|r| r.borrow_mut().push(what));
    }
    refused
}
