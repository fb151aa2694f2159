//! One publisher and N subscribers in a world.

use super::clients::{BROKER, Failed, PUBLISHER, publish, serve, subscribe};
use super::measured::Figures;
use squall_harness::scenario::{Backend, NetworkProfile};
use squall_sim::{HostSpec, Program, WorldConfig, now_ns, run};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bytes of an event; the first eight are its number.
const EVENT_BYTES: usize = 200;
/// Enough for the 99th percentile to have tens of events above it.
const EVENTS_PER_S: [(u64, usize); 2] = [(100, 3_000), (1_000, 8_000)];
const SEED: u64 = 1;
/// Until everybody is connected.
const SETTLE: Duration = Duration::from_secs(5);
/// Until the last event has arrived everywhere.
const DRAIN: Duration = Duration::from_secs(2);

/// One measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FanOut {
    pub(crate) backend: Backend,
    pub(crate) rate_hz: u64,
    pub(crate) subscribers: usize,
}

impl FanOut {
    fn events(&self) -> usize {
        EVENTS_PER_S.iter().find(|(rate_hz, _)| *rate_hz == self.rate_hz).map_or(1_000, |(_, events)| *events)
    }

    fn every(&self) -> Duration {
        Duration::from_secs(1) / u32::try_from(self.rate_hz).unwrap_or(u32::MAX)
    }
}

/// What happened, told by all hosts.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Happened>>);

#[derive(Default)]
struct Happened {
    events: usize,
    sent_ns: Vec<u64>,
    deliveries_ns: Vec<u64>,
    /// To the last subscriber so far, and how many have it, by event.
    last_ns: Vec<(u64, usize)>,
    failed: Option<String>,
}

impl Log {
    fn lock(&self) -> MutexGuard<'_, Happened> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next event to publish; `None` when all are.
    pub(crate) fn next_event(&self) -> Option<Vec<u8>> {
        let happened = self.lock();
        let number = happened.sent_ns.len();
        let mut event = vec![0; EVENT_BYTES];
        event[..8].copy_from_slice(&(number as u64).to_le_bytes());
        (number < happened.events).then_some(event)
    }

    /// The event is about to be published.
    pub(crate) fn sent(&self) {
        self.lock().sent_ns.push(now_ns());
    }

    /// An event has reached a subscriber.
    pub(crate) fn heard(&self, event: &[u8]) {
        let mut happened = self.lock();
        let number = event.first_chunk().map(|number| u64::from_le_bytes(*number) as usize);
        let Some((number, sent_ns)) = number.and_then(|number| Some((number, *happened.sent_ns.get(number)?))) else {
            happened.failed = Some("an event arrived that nobody published".to_owned());
            return;
        };
        let delivery_ns = now_ns() - sent_ns;
        happened.deliveries_ns.push(delivery_ns);
        let (last_ns, copies) = &mut happened.last_ns[number];
        *last_ns = delivery_ns.max(*last_ns);
        *copies += 1;
    }

    /// Keeps the first failure.
    pub(crate) fn note(&self, outcome: Result<(), Failed>) {
        if let Err(error) = outcome {
            self.lock().failed.get_or_insert(error.to_string());
        }
    }
}

/// Plays one measurement in a world with this network.
///
/// # Errors
/// A client failed, or an event got lost.
pub(crate) fn simulate(plan: &FanOut, profile: &NetworkProfile) -> Result<Figures, String> {
    let log = Log::default();
    {
        let mut happened = log.lock();
        happened.events = plan.events();
        happened.last_ns = vec![(0, 0); plan.events()];
    }
    let hosts = hosts(plan, &log);
    let mut config = WorldConfig::new(SEED);
    config.network = profile.into();
    config.costs = costs(plan, profile, &hosts);
    let whole = SETTLE + plan.every() * u32::try_from(plan.events()).unwrap_or(u32::MAX) + DRAIN;
    let finished = run(config, hosts, |_| tokio::time::sleep(whole));
    if let Some(panic) = finished.facts.panics.first() {
        return Err(format!("{plan:?}: {}", panic.message));
    }
    figures(plan, &mut log.lock())
}

fn hosts(plan: &FanOut, log: &Log) -> Vec<HostSpec> {
    let (backend, every) = (plan.backend, plan.every());
    let host = |name: String, program| HostSpec { name, program, wall_offset_ns: 0 };
    let publisher = program(log, Duration::from_millis(1), move |log| async move {
        publish(backend, every, SETTLE - Duration::from_secs(1), &log).await?;
        pending().await
    });
    let mut hosts = vec![host(PUBLISHER.to_owned(), publisher)];
    if backend != Backend::Zenoh {
        hosts.push(host(BROKER.to_owned(), program(log, Duration::ZERO, move |_| serve(backend))));
    }
    for number in 0..plan.subscribers {
        // Machines do not start in the same millisecond.
        let delay = Duration::from_millis(10 + 7 * number as u64);
        let subscriber = program(log, delay, move |log| async move { subscribe(backend, &log).await });
        hosts.push(host(format!("subscriber-{number}"), subscriber));
    }
    hosts
}

/// A program that begins after a while and tells when it fails.
fn program<F>(log: &Log, delay: Duration, work: impl Fn(Log) -> F + Copy + Send + Sync + 'static) -> Program
where
    F: Future<Output = Result<(), Failed>> + Send + 'static,
{
    let log = log.clone();
    Arc::new(move |_| {
        let log = log.clone();
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            log.note(work(log.clone()).await);
        })
    })
}

fn costs(plan: &FanOut, profile: &NetworkProfile, hosts: &[HostSpec]) -> BTreeMap<String, squall_sim::HostCosts> {
    let Some(costs) = profile.costs.get(&plan.backend) else { return BTreeMap::new() };
    let of = |name: &str| if name == BROKER { (&costs.broker).into() } else { (&costs.node).into() };
    hosts.iter().map(|host| (host.name.clone(), of(&host.name))).collect()
}

fn figures(plan: &FanOut, happened: &mut Happened) -> Result<Figures, String> {
    if let Some(failed) = happened.failed.take() {
        return Err(format!("{plan:?}: {failed}"));
    }
    let lost = happened.last_ns.iter().filter(|(_, copies)| *copies != plan.subscribers).count();
    if lost > 0 {
        return Err(format!("{plan:?}: {lost} events did not reach every subscriber once"));
    }
    let mut last_ns: Vec<u64> = happened.last_ns.iter().map(|(last_ns, _)| *last_ns).collect();
    let deliveries_ns = &mut happened.deliveries_ns;
    Ok(Figures {
        delivery_p50: percentile_us(deliveries_ns, 50),
        delivery_p99: percentile_us(deliveries_ns, 99),
        last_p50: percentile_us(&mut last_ns, 50),
        last_p99: percentile_us(&mut last_ns, 99),
    })
}

/// The least that so many percent do not exceed, rounded to microseconds; 0 of nothing.
fn percentile_us(latencies_ns: &mut [u64], percent: usize) -> u64 {
    let rank = (latencies_ns.len() * percent).div_ceil(100);
    let Some(at) = rank.checked_sub(1) else { return 0 };
    let (_, latency_ns, _) = latencies_ns.select_nth_unstable(at);
    (*latency_ns + 500) / 1_000
}

#[cfg(test)]
mod tests {
    use super::percentile_us;

    #[test]
    fn a_percentile_is_a_latency_that_occurred() {
        let mut latencies_ns: Vec<u64> = (1..=200).rev().map(|us| us * 1_000).collect();
        assert_eq!(percentile_us(&mut latencies_ns, 50), 100);
        assert_eq!(percentile_us(&mut latencies_ns, 99), 198);
        assert_eq!(percentile_us(&mut [7_600], 99), 8);
        assert_eq!(percentile_us(&mut [], 50), 0);
    }
}
