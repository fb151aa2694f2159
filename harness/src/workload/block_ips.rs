//! `block-ips`: blocks and unblocks at random nodes.

use super::Ops;
use crate::record::{Operation, Outcome, Request};
use crate::run::NodeSlot;
use crate::scenario::BlockIps;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use squall_cluster::blocklist::{BlockError, Durability, Receipt};
use squall_sim::entropy::below;
use squall_sim::{HostId, World};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;
use tokio::time::sleep;

/// Whom the workload asks, and where it writes down what came of it.
pub(super) struct Clients {
    pub(super) world: World,
    pub(super) hosts: Vec<HostId>,
    pub(super) slots: Vec<NodeSlot>,
    pub(super) operations: Ops,
}

/// Sends operations until it is aborted or its time is over.
pub(super) async fn run(clients: Clients, spec: BlockIps, seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let candidates: Vec<u16> = spec.nodes.clone().unwrap_or_else(|| (1..=count(&clients.hosts)).collect());
    let mut blocked: Vec<IpNet> = Vec::new();
    sleep(spec.from).await;
    let mut since = spec.from;
    loop {
        let pause = pause(&mut rng, spec.rate_per_s);
        since += pause;
        if since >= spec.until {
            return;
        }
        sleep(pause).await;
        let unblock = chance(&mut rng, spec.unblock) && !blocked.is_empty();
        let request = if unblock {
            let at = pick(&mut rng, blocked.len());
            Request::Unblock { net: blocked.swap_remove(at) }
        } else {
            let net = network(&mut rng, spec.networks);
            blocked.push(net);
            Request::Block { net, expires_in: spec.expiry }
        };
        // One draw whether or not a node can be asked, so that the next request stays the same.
        let first = pick(&mut rng, candidates.len());
        clients.ask(&candidates, first, request);
    }
}

fn count(hosts: &[HostId]) -> u16 {
    u16::try_from(hosts.len()).unwrap_or(u16::MAX)
}

fn pick(rng: &mut impl Rng, bound: usize) -> usize {
    usize::try_from(below(rng, bound as u64)).unwrap_or(0)
}

/// True with this probability, to a millionth.
fn chance(rng: &mut impl Rng, probability: f64) -> bool {
    (below(rng, 1_000_000) as f64) < probability * 1_000_000.0
}

/// Until the next operation: half to one and a half of the mean, so that nodes are not asked in step.
fn pause(rng: &mut impl Rng, rate_per_s: f64) -> Duration {
    let mean_ns = (1_000_000_000.0 / rate_per_s) as u64;
    Duration::from_nanos(mean_ns / 2 + below(rng, mean_ns.max(1)))
}

/// An address or a network out of public space; one in eight is IPv6.
fn network(rng: &mut impl Rng, networks: f64) -> IpNet {
    let wide = chance(rng, networks);
    if below(rng, 8) == 0 {
        let bits = 0x2a00_u128 << 112 | u128::from(rng.next_u64()) << 16;
        let prefix = if wide { 64 } else { 128 };
        return Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix).trunc().into();
    }
    let bits = 0x5000_0000 + u32::try_from(below(rng, 0x5000_0000)).unwrap_or(0);
    let prefix = if wide { 24 } else { 32 };
    Ipv4Net::new_assert(Ipv4Addr::from_bits(bits), prefix).trunc().into()
}

impl Clients {
    /// Sends `request` to the first candidate from `first` on that runs.
    fn ask(&self, candidates: &[u16], first: usize, request: Request) {
        let order = candidates.iter().cycle().skip(first).take(candidates.len());
        let running = |node: &&u16| {
            let host = self.hosts[usize::from(**node) - 1];
            self.world.incarnation(host).is_some() && !self.world.is_paused(host)
        };
        let Some(&node) = order.copied().collect::<Vec<_>>().iter().find(running) else { return };
        let host = self.hosts[usize::from(node) - 1];
        let Some((incarnation, api)) = self.slots[usize::from(node) - 1].get() else { return };
        let asked = request.clone();
        let call = self.world.spawn(host, async move {
            match asked {
                Request::Block { net, expires_in } => api.block(net, "too many failed logins", expires_in).await,
                Request::Unblock { net } => api.unblock(net).await,
            }
        });
        let Some(call) = call else { return };
        let invoked_ns = squall_sim::now_ns();
        self.world.note(Some(host), &(node, invoked_ns), || format!("is asked to {}", request_text(&request)));
        let open = Outcome::Info("the node died before it answered".to_owned());
        let number = self.operations.invoke(Operation {
            node,
            incarnation,
            request,
            invoked_ns,
            completed_ns: None,
            outcome: open,
            entry: None,
        });
        let (operations, world) = (self.operations.clone(), self.world);
        tokio::spawn(async move {
            // A killed node never answers: the operation stays open.
            let Ok(answer) = call.await else { return };
            operations.complete(number, |operation| {
                settle(operation, answer);
                let text =
                    || format!("answers {}: {}", request_text(&operation.request), outcome_text(&operation.outcome));
                world.note(Some(host), &(node, invoked_ns, operation.completed_ns), text);
            });
        });
    }
}

fn request_text(request: &Request) -> String {
    match request {
        Request::Block { net, .. } => format!("block {net}"),
        Request::Unblock { net } => format!("unblock {net}"),
    }
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ok => "ok".to_owned(),
        Outcome::Fail(why) => format!("fail, {why}"),
        Outcome::Info(why) => format!("info, {why}"),
    }
}

fn settle(operation: &mut Operation, answer: Result<Receipt, BlockError>) {
    operation.completed_ns = Some(squall_sim::now_ns());
    match answer {
        Ok(Receipt { entry, durability }) => {
            operation.entry = Some(entry);
            operation.outcome = match durability {
                Durability::Stored => Outcome::Ok,
                Durability::Pending => Outcome::Info("in effect, but not yet in the store".to_owned()),
            };
        }
        Err(error) => operation.outcome = Outcome::Fail(error.to_string()),
    }
}
