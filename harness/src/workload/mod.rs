//! What clients ask of the cluster while it breaks. One file per kind.

mod block_ips;

use crate::record::Operation;
use crate::run::{NodeSlot, RunSpec};
use crate::scenario::WorkloadSpec;
use squall_sim::entropy::{Subsystem, derive};
use squall_sim::{HostId, World};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;

/// The operations of a run, by invocation.
#[derive(Clone, Default)]
pub(crate) struct Ops(Arc<Mutex<Vec<Operation>>>);

impl Ops {
    /// Begins an operation; returns its number.
    fn invoke(&self, operation: Operation) -> usize {
        let mut all = self.all();
        all.push(operation);
        all.len() - 1
    }

    /// Works on an operation that was begun.
    fn complete(&self, number: usize, complete: impl FnOnce(&mut Operation)) {
        complete(&mut self.all()[number]);
    }

    pub(crate) fn take(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.all())
    }

    fn all(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Starts every workload of a scenario; they end when their handles are aborted.
pub(crate) fn start(
    world: World,
    spec: &RunSpec,
    hosts: &[HostId],
    slots: &[NodeSlot],
    operations: &Ops,
) -> Vec<JoinHandle<()>> {
    let seed = derive(spec.seed, Subsystem::Workload);
    let all = (0_u64..).zip(&spec.prepared.scenario.workloads);
    all.map(|(i, workload)| match workload {
        WorkloadSpec::BlockIps(block_ips) => {
            let clients = block_ips::Clients {
                world,
                hosts: hosts.to_vec(),
                slots: slots.to_vec(),
                operations: operations.clone(),
            };
            tokio::spawn(block_ips::run(clients, block_ips.clone(), seed.wrapping_add(i)))
        }
    })
    .collect()
}
