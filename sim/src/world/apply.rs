//! Each fault, applied.

use super::{Control, EffectSource, FaultError, LifeEvent, World, with_state};
use crate::engine::with_net;
use crate::fault::{Fault, HostName};
use crate::net::{Action, Closing, HostId, HostSet, Net, Rule};
use tokio::gate;

impl World {
    pub(super) fn take_effect(&self, fault: &Fault) -> Result<EffectSource, FaultError> {
        let is_loss = |a: &Action| matches!(a, Action::Loss(_));
        let is_delay = |a: &Action| matches!(a, Action::Delay(_));
        let is_bandwidth = |a: &Action| matches!(a, Action::Bandwidth(_));
        match fault {
            Fault::Cut { from, to } => self.lay(from, to, Action::Cut),
            Fault::Mend { from, to } => self.lift(from, to, |a| *a == Action::Cut),
            Fault::Hold { from, to } => self.lay(from, to, Action::Hold),
            Fault::Release { from, to } => self.lift(from, to, |a| *a == Action::Hold),
            Fault::Loss { from, to, per_million: 0 } => self.lift(from, to, is_loss),
            Fault::Loss { from, to, per_million } => self.lay(from, to, Action::Loss(*per_million)),
            Fault::Delay { from, to, extra_ns: 0 } => self.lift(from, to, is_delay),
            Fault::Delay { from, to, extra_ns } => self.lay(from, to, Action::Delay(*extra_ns)),
            Fault::Bandwidth { from, to, bytes_per_s: None } => self.lift(from, to, is_bandwidth),
            Fault::Bandwidth { from, to, bytes_per_s: Some(rate) } => self.lay(from, to, Action::Bandwidth(*rate)),
            Fault::Reset { from, to } => {
                let (from, to) = (self.set(from)?, self.set(to)?);
                Ok(EffectSource::Fixed(with_net(|net| net.reset_between(&from, &to))))
            }
            Fault::Kill { host } => Ok(fixed(self.end(self.named(host)?, Closing::Orderly))),
            Fault::PowerLoss { host } => Ok(fixed(self.end(self.named(host)?, Closing::Vanish))),
            Fault::Start { host } => {
                let name = host;
                let host = self.named(name)?;
                let down = self.incarnation(host).is_none();
                // A death that never struck must not strike after the heal.
                self.with_control(|control| control.disarm(name));
                self.boot(host);
                Ok(fixed(down))
            }
            Fault::Pause { host } => self.pause(self.named(host)?),
            Fault::Resume { host } => self.resume(self.named(host)?),
            Fault::Skew { host, offset_ns } => self.set_wall_offset(self.named(host)?, |_| *offset_ns),
            Fault::ClockJump { host, by_ns } => {
                self.set_wall_offset(self.named(host)?, |now| now.saturating_add(*by_ns))
            }
            Fault::StoreSlow { .. }
            | Fault::StoreSerialization { .. }
            | Fault::StoreDieAtCommit { .. }
            | Fault::LameDuck { .. } => {
                let kind = fault.kind();
                self.freeze(|e| matches!(e, EffectSource::Counter { kind: k, .. } if *k == kind));
                let counter = self.with_control(|control| control.apply(fault)).flatten();
                let counter = counter.map(|count| EffectSource::Counter { kind, count });
                counter.ok_or(FaultError::NoSuchServer(kind))
            }
        }
    }

    fn with_control<R>(&self, work: impl FnOnce(&dyn Control) -> R) -> Option<R> {
        // Taken out meanwhile: a control may ask the world.
        let control = with_state(|s| s.control.take());
        let result = control.as_deref().map(work);
        with_state(|s| s.control = control);
        result
    }

    fn set(&self, names: &[HostName]) -> Result<HostSet, FaultError> {
        names.iter().map(|name| self.named(name)).collect()
    }

    /// Lays a rule over the links from one set of hosts to another.
    fn lay(&self, from: &[HostName], to: &[HostName], action: Action) -> Result<EffectSource, FaultError> {
        let (from, to) = (self.set(from)?, self.set(to)?);
        Ok(EffectSource::Fabric(with_net(|net| {
            let fault = net.fabric.new_fault();
            net.fabric.add_rule(Rule { from, to, action, fault });
            fault
        })))
    }

    /// Lifts the oldest rule of this kind with the same hosts.
    fn lift(
        &self,
        from: &[HostName],
        to: &[HostName],
        same: impl Fn(&Action) -> bool,
    ) -> Result<EffectSource, FaultError> {
        let (from, to) = (self.set(from)?, self.set(to)?);
        let lift = |net: &mut Net| match net.fabric.remove_rule(&from, &to, same) {
            Some(fault) => {
                net.release(fault);
                1
            }
            None => 0,
        };
        Ok(EffectSource::Fixed(with_net(lift)))
    }

    fn pause(&self, host: HostId) -> Result<EffectSource, FaultError> {
        let running = with_state(|s| {
            let h = &mut s.hosts[host.index()];
            let running = h.running.filter(|_| !std::mem::replace(&mut h.paused, true));
            running.map(|incarnation| (incarnation, h.boots - 1))
        });
        let Some((incarnation, boot)) = running else { return Ok(EffectSource::Fixed(0)) };
        gate::pause(incarnation);
        self.live(host, boot, LifeEvent::Paused);
        Ok(EffectSource::Refused { incarnation, before: gate::polls_refused(incarnation) })
    }

    fn resume(&self, host: HostId) -> Result<EffectSource, FaultError> {
        let running = with_state(|s| {
            let h = &mut s.hosts[host.index()];
            let running = h.running.filter(|_| std::mem::replace(&mut h.paused, false));
            running.map(|incarnation| (incarnation, h.boots - 1))
        });
        let Some((incarnation, boot)) = running else { return Ok(EffectSource::Fixed(0)) };
        self.freeze(|e| matches!(e, EffectSource::Refused { incarnation: i, .. } if *i == incarnation));
        self.live(host, boot, LifeEvent::Resumed);
        gate::resume(incarnation);
        Ok(EffectSource::Fixed(1))
    }

    fn set_wall_offset(&self, host: HostId, to: impl FnOnce(i64) -> i64) -> Result<EffectSource, FaultError> {
        self.freeze(|e| matches!(e, EffectSource::WallReads { host: h, .. } if *h == host));
        Ok(with_state(|s| {
            let h = &mut s.hosts[host.index()];
            h.wall_offset_ns = to(h.wall_offset_ns);
            EffectSource::WallReads { host, before: h.wall_reads }
        }))
    }
}

fn fixed(mattered: bool) -> EffectSource {
    EffectSource::Fixed(u64::from(mattered))
}
