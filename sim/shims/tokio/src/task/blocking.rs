//! `spawn_blocking` inside a simulation: a thread of its own, which the simulation waits for.
//!
//! The two threads take turns, so at most one ever runs. A turn of the helper ends when its closure does, or when it
//! blocks on a future that is not ready ([`block_on`]): then simulated time passes until the future is woken.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
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

/// Where the two threads hand the simulation to each other.
///
/// Not a channel: how often one of those allocates depends on who comes first, in real time. The heap would then look
/// different in each run, and programs that hash addresses would behave differently.
#[derive(Default)]
struct Exchange {
    place: Mutex<Place>,
    changed: Condvar,
}

/// What lies there.
#[derive(Default)]
enum Place {
    /// The helper's thread is on its way.
    #[default]
    Starting,
    /// Nothing; the helper waits.
    Empty,
    ForHelper(Turn),
    ForSimulation(Report),
}

impl Exchange {
    fn put(&self, content: Place) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = content;
        self.changed.notify_all();
    }

    fn wait_while(&self, wrong: impl Fn(&Place) -> bool) -> MutexGuard<'_, Place> {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        self.changed.wait_while(place, |place| wrong(place)).unwrap_or_else(PoisonError::into_inner)
    }

    fn take_turn(&self) -> Turn {
        let mut place = self.wait_while(|place| !matches!(place, Place::ForHelper(_)));
        match std::mem::replace(&mut *place, Place::Empty) {
            Place::ForHelper(turn) => turn,
            _ => unreachable!("waited for a turn"),
        }
    }

    fn take_report(&self) -> Report {
        let mut place = self.wait_while(|place| !matches!(place, Place::ForSimulation(_)));
        match std::mem::replace(&mut *place, Place::Empty) {
            Place::ForSimulation(report) => report,
            _ => unreachable!("waited for a report"),
        }
    }
}

/// The helper's side of the exchange.
struct Turns {
    exchange: Arc<Exchange>,
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
    let exchange = Arc::new(Exchange::default());
    let turns = Turns { exchange: Arc::clone(&exchange), leave: None, waker: Waker::noop().clone() };
    let work = move || {
        gate::become_helper();
        TURNS.set(Some(turns));
        with_turns(|turns| turns.exchange.put(Place::Empty));
        take_turn();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let _runtime = runtime.enter();
            function()
        }));
        end_turn(Report::Ended);
        outcome
    };
    let helper = squall_hook::exempt(|| {
        let helper = thread::spawn(work);
        // Until then two threads would run.
        drop(exchange.wait_while(|place| matches!(place, Place::Starting)));
        helper
    });
    let mut helper = Some(helper);
    let outcome = poll_fn(move |cx| give_turn(&exchange, &mut helper, cx)).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

/// Lets the helper run; ready when it has ended.
fn give_turn<R>(
    exchange: &Exchange,
    helper: &mut Option<thread::JoinHandle<thread::Result<R>>>,
    cx: &Context<'_>,
) -> Poll<thread::Result<R>> {
    let HelperScope { enter, leave, resume } = squall_hook::helper_scope();
    exchange.put(Place::ForHelper(Turn { state: gate::lend(), enter, leave, waker: cx.waker().clone() }));
    let (state, polled) = squall_hook::exempt(|| match exchange.take_report() {
        Report::Waits(state) => (state, Poll::Pending),
        // What the thread frees as it ends must not mix with what this one does next.
        Report::Ended(state) => match helper.take() {
            Some(helper) => (state, Poll::Ready(helper.join().flatten())),
            None => panic!("a helper thread of spawn_blocking was polled after its end"),
        },
    });
    state.install();
    resume();
    polled
}

fn with_turns(act: impl FnOnce(&mut Turns)) {
    TURNS.with_borrow_mut(|turns| turns.as_mut().map(act));
}

/// Waits for the helper's next turn, and begins it. A host that was killed has none left: nothing is unwound then.
fn take_turn() {
    with_turns(|turns| {
        let turn = turns.exchange.take_turn();
        turn.state.install();
        (turn.enter)();
        turns.leave = Some(turn.leave);
        turns.waker = turn.waker;
    });
}

/// Gives the simulation back to the thread that waits for it.
fn end_turn(report: fn(gate::Lent) -> Report) {
    with_turns(|turns| {
        if let Some(leave) = turns.leave.take() {
            leave();
        }
        turns.exchange.put(Place::ForSimulation(report(gate::lend())));
    });
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
