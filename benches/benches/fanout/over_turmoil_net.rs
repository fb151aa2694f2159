//! On turmoil-net's sockets, which bring no clock and no order of events for more than a client and a server: with the
//! smallest scheduler that makes them correct and does not tick.
//!
//! One paused runtime carries all hosts. When every task is idle, what the hosts have sent gets its time of arrival; one
//! task sleeps until the next of them. Times are whole milliseconds, as tokio's timers are. turmoil-net repeats a
//! segment by counting calls, not time, and drops one that overtakes another: repeating is off, and each flow keeps
//! its order.

use super::{BROKER, LATENCY_MAX, LATENCY_MIN, RUN, Sockets, Tally, address, broker, node, spare_the_clock};
use rustc_hash::FxHashMap;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout_at};
use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
use turmoil_net::{EnterGuard, HostId, KernelConfig, Net, Packet, Transport};

struct TurmoilNet;

impl Sockets for TurmoilNet {
    type Listener = TcpListener;
    type Stream = TcpStream;

    async fn listen(addr: &'static str) -> io::Result<TcpListener> {
        TcpListener::bind(addr).await
    }

    async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
        listener.accept().await.map(|(stream, _)| stream)
    }

    async fn connect(addr: &'static str) -> io::Result<TcpStream> {
        TcpStream::connect(addr).await
    }

    fn spawn(work: impl Future<Output = ()> + Send + 'static) {
        if let Some(host) = HOST.get() {
            spawn_on(host, work);
        }
    }
}

thread_local! {
    /// The host of the running task.
    static HOST: Cell<Option<HostId>> = const { Cell::new(None) };
    static SCHEDULER: RefCell<Option<Scheduler>> = const { RefCell::new(None) };
}

/// Runs a task on a host: its sockets are that host's at every poll.
fn spawn_on(host: HostId, work: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(async move {
        let mut work = pin!(work);
        poll_fn(|cx| {
            HOST.set(Some(host));
            turmoil_net::set_current(host);
            work.as_mut().poll(cx)
        })
        .await;
    });
}

/// One direction of one connection.
type Flow = (IpAddr, IpAddr, u16, u16);

/// Packets between leaving a host and reaching another.
struct Scheduler {
    guard: EnterGuard,
    began: Instant,
    /// Time of arrival in milliseconds, order of sending, place in `packets`.
    due: BinaryHeap<Reverse<(u64, u64, usize)>>,
    packets: Slab<Packet>,
    /// When the last packet of a flow arrives, milliseconds.
    last_ms: FxHashMap<Flow, u64>,
    outgoing: Vec<Packet>,
    sent: u64,
    random: u64,
    /// What the courier sleeps until, milliseconds.
    alarm_ms: u64,
    earlier: Rc<Notify>,
}

fn with_scheduler<R>(work: impl FnOnce(&mut Scheduler) -> R) -> Option<R> {
    SCHEDULER.with(|scheduler| scheduler.borrow_mut().as_mut().map(work))
}

impl Scheduler {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// One step of splitmix64.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.random ^ (self.random >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn latency_ms(&mut self) -> u64 {
        let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let (min, max) = (ms(LATENCY_MIN), ms(LATENCY_MAX));
        min + self.draw() % (max - min + 1)
    }

    /// Gives what the hosts have sent its time of arrival.
    fn collect(&mut self) {
        let mut outgoing = std::mem::take(&mut self.outgoing);
        self.guard.egress_all(&mut outgoing);
        let now_ms = self.now_ms();
        for packet in outgoing.drain(..) {
            let mut at_ms = now_ms + self.latency_ms();
            if let Transport::Tcp(segment) = &packet.payload {
                let flow = (packet.src, packet.dst, segment.src_port, segment.dst_port);
                let last_ms = self.last_ms.entry(flow).or_default();
                at_ms = at_ms.max(*last_ms);
                *last_ms = at_ms;
            }
            self.sent += 1;
            let place = self.packets.insert(packet);
            self.due.push(Reverse((at_ms, self.sent, place)));
        }
        self.outgoing = outgoing;
        if self.due.peek().is_some_and(|Reverse((at_ms, ..))| *at_ms < self.alarm_ms) {
            self.earlier.notify_one();
        }
    }

    /// Delivers what is due, and returns when more will be.
    fn deliver(&mut self) -> Instant {
        let now_ms = self.now_ms();
        self.alarm_ms = u64::MAX;
        while let Some(Reverse((at_ms, _, place))) = self.due.peek().copied() {
            if at_ms > now_ms {
                self.alarm_ms = at_ms;
                break;
            }
            self.due.pop();
            self.guard.deliver(self.packets.remove(place));
        }
        self.began + Duration::from_millis(self.alarm_ms.min(now_ms + 3_600_000))
    }
}

/// Sleeps until the next packet arrives, for ever.
async fn courier(earlier: Rc<Notify>) {
    while let Some(next) = with_scheduler(Scheduler::deliver) {
        let _woken_or_due = timeout_at(next, earlier.notified()).await;
    }
}

/// Runs the workload.
pub(crate) fn work(nodes: u16) -> Arc<Tally> {
    spare_the_clock();
    let tally = Arc::new(Tally::default());
    let config = KernelConfig::default().retx_threshold(u32::MAX).default_backlog(usize::from(nodes));
    let mut net = Net::with_config(config);
    let of_broker = net.add_host(IpAddr::V4(BROKER));
    let of_nodes: Vec<HostId> = (0..nodes).map(|index| net.add_host(IpAddr::V4(address(index)))).collect();
    let guard = net.enter();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(|| {
            let _not_begun = with_scheduler(Scheduler::collect);
        })
        .build()
        .expect("a runtime without I/O needs nothing from the system");
    runtime.block_on(async {
        let earlier = Rc::new(Notify::new());
        let scheduler = Scheduler {
            guard,
            began: Instant::now(),
            due: BinaryHeap::new(),
            packets: Slab::new(),
            last_ms: FxHashMap::default(),
            outgoing: Vec::new(),
            sent: 0,
            random: 1,
            alarm_ms: u64::MAX,
            earlier: Rc::clone(&earlier),
        };
        SCHEDULER.set(Some(scheduler));
        spawn_on(of_broker, broker::<TurmoilNet>(Arc::clone(&tally)));
        for (index, host) in (0..).zip(of_nodes) {
            spawn_on(host, node::<TurmoilNet>(index, nodes, Arc::clone(&tally)));
        }
        tokio::select! {
            () = courier(earlier) => {}
            () = sleep(RUN) => {}
        }
    });
    // The process ends here; what taking thousands of hosts apart costs is not measured.
    std::mem::forget(runtime);
    tally
}
