//! A run told to a person: faults, lives, what nodes said, and packets only where connections begin or end.

use squall_sim::HostId;
use squall_sim::record::{TraceEvent, Wire, WireFate};

/// The lines of the story.
#[must_use]
pub fn timeline(trace: &[TraceEvent], name: impl Fn(HostId) -> String + Copy) -> Vec<String> {
    trace.iter().filter(|event| tells(event)).map(|event| event.line(name)).collect()
}

fn tells(event: &TraceEvent) -> bool {
    match event {
        TraceEvent::Note { .. } => true,
        TraceEvent::Packet { wire, fate, .. } => match wire {
            Wire::Syn | Wire::Rst => true,
            Wire::Data | Wire::SynAck | Wire::Fin => *fate != WireFate::Arrived,
            Wire::Datagram => false,
        },
    }
}
