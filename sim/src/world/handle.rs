//! The harness's handle on the running world: hosts, their lives, tasks on them, faults.

use super::{Boot, Control, EffectSource, FaultError, Life, LifeEvent, World, with_state};
use crate::engine::with_net;
use crate::fault::Fault;
use crate::net::{Closing, HostId};
use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use tokio::gate;
use tokio::task::JoinHandle;

impl World {
    /// The world of this thread, for a server's own callbacks.
    #[must_use]
    pub fn current() -> Self {
        Self { _private: () }
    }

    /// All hosts, in order.
    pub fn hosts(&self) -> impl Iterator<Item = HostId> + use<> {
        (0..u32::try_from(with_state(|s| s.hosts.len())).unwrap_or(0)).map(HostId)
    }

    /// The host with this name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<HostId> {
        with_net(|net| net.host_named(name))
    }

    /// A host's name.
    #[must_use]
    pub fn name(&self, host: HostId) -> String {
        with_state(|s| s.hosts[host.index()].name.clone())
    }

    /// Which boot of the host runs, 0-based; `None` while it is down.
    #[must_use]
    pub fn incarnation(&self, host: HostId) -> Option<u32> {
        with_state(|s| s.hosts[host.index()].running.map(|_| s.hosts[host.index()].boots - 1))
    }

    /// Whether the host is stopped as by SIGSTOP.
    #[must_use]
    pub fn is_paused(&self, host: HostId) -> bool {
        with_state(|s| s.hosts[host.index()].paused)
    }

    /// Live tasks of the host.
    #[must_use]
    pub fn tasks(&self, host: HostId) -> usize {
        with_state(|s| s.hosts[host.index()].running).map_or(0, gate::tasks)
    }

    /// Names the servers of this world to [`World::apply`].
    pub fn set_control(&self, control: Box<dyn Control>) {
        with_state(|s| s.control = Some(control));
    }

    /// Starts a host that is down; a running one goes on.
    pub fn boot(&self, host: HostId) {
        let incarnation = gate::new_incarnation();
        let started = with_state(|s| {
            s.incarnations.push(Some(host));
            let h = &mut s.hosts[host.index()];
            if h.running.is_some() {
                return None;
            }
            h.running = Some(incarnation);
            h.paused = false;
            h.boots += 1;
            Some((Arc::clone(&h.program), Boot { host, incarnation: h.boots - 1 }))
        });
        let Some((program, boot)) = started else { return };
        with_net(|net| net.kernel(host).up = true);
        self.live(host, boot.incarnation, LifeEvent::Booted);
        let _scope = gate::enter(incarnation);
        let _runs_until_killed = tokio::spawn(async move {
            program(boot).await;
            World::current().end(host, Closing::Orderly);
        });
    }

    /// Ends the host's process. Returns whether there was one.
    pub(super) fn end(&self, host: HostId, closing: Closing) -> bool {
        let Some(incarnation) = with_state(|s| s.hosts[host.index()].running.take()) else {
            with_net(|net| net.close_all(host, closing));
            return false;
        };
        gate::kill(incarnation);
        let leaked = with_net(|net| {
            net.close_all(host, closing);
            net.open_sockets(host) as u64
        });
        let boot = with_state(|s| {
            s.facts.sockets_after_death += leaked;
            s.dead.push((incarnation, gate::polls(incarnation)));
            s.hosts[host.index()].boots - 1
        });
        self.live(host, boot, LifeEvent::Died);
        true
    }

    /// Ends the host's process as by SIGKILL.
    pub fn kill(&self, host: HostId) -> bool {
        self.end(host, Closing::Orderly)
    }

    pub(super) fn live(&self, host: HostId, incarnation: u32, event: LifeEvent) {
        let at_ns = with_net(|net| {
            let text = || format!("{event:?} (incarnation {incarnation})").to_lowercase();
            net.recorder.note(net.now_ns, Some(host), &(incarnation, event), text);
            net.now_ns
        });
        with_state(|s| s.facts.lives.push(Life { at_ns, host, incarnation, event }));
    }

    /// Runs `work` as a task of the host. `None` while it is down; the handle ends with an error when it dies.
    pub fn spawn<T: Send + 'static>(
        &self,
        host: HostId,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<JoinHandle<T>> {
        let incarnation = with_state(|s| s.hosts[host.index()].running)?;
        let _scope = gate::enter(incarnation);
        Some(tokio::spawn(work))
    }

    /// Records something the harness did.
    pub fn note(&self, host: Option<HostId>, what: &impl Hash, text: impl FnOnce() -> String) {
        with_net(|net| net.recorder.note(net.now_ns, host, what, text));
    }

    /// Applies a fault. The number it returns asks [`World::effects`] how often it mattered.
    ///
    /// # Errors
    /// When the fault names what this world does not have.
    pub fn apply(&self, fault: &Fault) -> Result<usize, FaultError> {
        let source = self.take_effect(fault)?;
        self.note(None, &format!("{fault:?}"), || fault.to_string());
        Ok(with_state(|s| {
            s.effects.push(source);
            s.effects.len() - 1
        }))
    }

    /// From now on these faults have mattered as often as they have by now: they were undone.
    pub(super) fn freeze(&self, which: impl Fn(&EffectSource) -> bool) {
        let matching = with_state(|s| (0..s.effects.len()).filter(|i| which(&s.effects[*i])).collect::<Vec<_>>());
        for applied in matching {
            let times = self.effects(applied);
            with_state(|s| s.effects[applied] = EffectSource::Fixed(times));
        }
    }

    /// How often the fault with this number has mattered so far: packets, polls, clock reads, connections.
    #[must_use]
    pub fn effects(&self, applied: usize) -> u64 {
        with_state(|s| match &s.effects[applied] {
            EffectSource::Fabric(fault) => with_net(|net| net.fabric.effects(*fault)),
            EffectSource::Fixed(times) => *times,
            EffectSource::Counter { count, .. } => count(),
            EffectSource::Refused { incarnation, before } => gate::polls_refused(*incarnation) - before,
            EffectSource::WallReads { host, before } => s.hosts[host.index()].wall_reads - before,
        })
    }

    pub(crate) fn named(&self, name: &str) -> Result<HostId, FaultError> {
        self.host(name).ok_or_else(|| {
            let all: Vec<String> = with_state(|s| s.hosts.iter().map(|h| h.name.clone()).collect());
            FaultError::NoSuchHost(name.to_owned(), all.join(", "))
        })
    }
}
