//! `spawn_blocking` inside a simulation: a thread of its own, which the simulation waits for.
//!
//! The two threads take turns, so at most one ever runs. A turn of the helper ends when its closure does, or when it
//! blocks on a future that is not ready ([`block_on`]): then simulated time passes until the future is woken.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use real_tokio::runtime::Handle;
use real_tokio::task::JoinHandle;
use squall_hook::HelperScope;

use crate::gate;

/// Runs a closure that may block.
///
/// In a simulation it runs on a helper thread while the simulation's thread waits: at most one thread ever runs, and
/// simulated time passes only while the closure blocks on a future through [`Handle`](crate::runtime::Handle).
#[track_caller]
pub fn spawn_blocking<F, R>(function: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    if gate::routed() {
        super::spawn(on_helper_thread(Handle::current(), function))
    } else {
        real_tokio::task::spawn_blocking(function)
    }
}

/// What the simulation hands to the helper for one turn.
struct Turn {
    state: gate::Lent,
    enter: Box<dyn FnOnce() + Send>,
    leave: Box<dyn FnOnce() + Send>,
    /// Wakes the task that stands for the helper.
    waker: Waker,
}

/// How a turn of the helper ended.
enum Report {
    Waits(gate::Lent),
    Ended(gate::Lent),
}

/// The helper's side of the exchange.
struct Turns {
    incoming: Receiver<Turn>,
    reports: Sender<Report>,
    leave: Option<Box<dyn FnOnce() + Send>>,
    waker: Waker,
}

thread_local! {
    static TURNS: RefCell<Option<Turns>> = const { RefCell::new(None) };
}

/// A future that runs `function` on a thread that has the network, clock, entropy, runtime and incarnation of the caller
/// meanwhile. Tasks and sockets opened there belong to the caller's incarnation.
///
/// Dropped while the function blocks, as when its host is killed, it leaves the thread waiting for ever.
pub(crate) async fn on_helper_thread<F, R>(runtime: Handle, function: F) -> R
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let (turns, incoming) = channel();
    let (reports, answers) = channel();
    let work = move || {
        gate::become_helper();
        TURNS.set(Some(Turns { incoming, reports, leave: None, waker: Waker::noop().clone() }));
        take_turn();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _runtime = runtime.enter();
            function()
        }));
        end_turn(Report::Ended);
        outcome
    };
    let helper = squall_hook::exempt(|| thread::spawn(work));
    poll_fn(move |cx| give_turn(&turns, &answers, cx)).await;
    helper.join().flatten().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lets the helper run; ready when it has ended.
fn give_turn(turns: &Sender<Turn>, answers: &Receiver<Report>, cx: &Context<'_>) -> Poll<()> {
    let HelperScope { enter, leave, resume } = squall_hook::helper_scope();
    let turn = Turn { state: gate::lend(), enter, leave, waker: cx.waker().clone() };
    let report = turns.send(turn).ok().and_then(|()| squall_hook::exempt(|| answers.recv()).ok());
    let (state, polled) = match report {
        Some(Report::Waits(state)) => (state, Poll::Pending),
        Some(Report::Ended(state)) => (state, Poll::Ready(())),
        None => panic!("a helper thread of spawn_blocking ended outside its turn"),
    };
    state.install();
    resume();
    polled
}

/// Waits for the helper's next turn, and begins it.
fn take_turn() {
    TURNS.with_borrow_mut(|slot| {
        let Some(turns) = slot else { return };
        let Ok(turn) = turns.incoming.recv() else { wait_for_ever() };
        turn.state.install();
        (turn.enter)();
        turns.leave = Some(turn.leave);
        turns.waker = turn.waker;
    });
}

/// Gives the simulation back to the thread that waits for it.
fn end_turn(report: fn(gate::Lent) -> Report) {
    TURNS.with_borrow_mut(|slot| {
        let Some(turns) = slot else { return };
        if let Some(leave) = turns.leave.take() {
            leave();
        }
        if turns.reports.send(report(gate::lend())).is_err() {
            wait_for_ever();
        }
    });
}

/// The host was killed, which unwinds nothing.
fn wait_for_ever() -> ! {
    loop {
        thread::park();
    }
}

/// Drives `future` to its end on a helper thread; simulated time passes while it waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let relay = Arc::new(Relay(Mutex::new(Waker::noop().clone())));
    let waker = Waker::from(Arc::clone(&relay));
    let mut future = pin!(future);
    loop {
        let task = TURNS.with_borrow(|turns| turns.as_ref().map(|turns| turns.waker.clone()));
        if let Some(task) = task {
            *relay.0.lock().unwrap_or_else(PoisonError::into_inner) = task;
        }
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        end_turn(Report::Waits);
        take_turn();
    }
}

/// Wakes the task that stands for the helper, whichever waker it was last polled with.
struct Relay(Mutex<Waker>);

impl Wake for Relay {
    fn wake(self: Arc<Self>) {
        let task = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        task.wake();
    }
}
