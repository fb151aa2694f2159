//! The events of a run in words.

use crate::net::HostId;
use bytes::Bytes;
use std::fmt::Write as _;

/// What kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wire {
    /// Opens a TCP connection.
    Syn,
    /// Accepts it.
    SynAck,
    /// TCP payload.
    Data,
    /// Ends one direction.
    Fin,
    /// Ends both at once.
    Rst,
    /// UDP.
    Datagram,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum WireFate {
    /// It reached its host.
    Arrived,
    /// A fault cut the link.
    Cut,
    /// Lost by chance, or a full buffer.
    Lost,
    /// The host had no power, or no such socket.
    HostDown,
}

/// One event of a run.
#[derive(Clone, Debug)]
pub enum TraceEvent {
    /// A packet.
    Packet {
        /// When its fate was known, nanoseconds since the world began.
        at_ns: u64,
        /// The sender.
        from: HostId,
        /// Its port.
        from_port: u16,
        /// The receiver.
        to: HostId,
        /// Its port.
        to_port: u16,
        /// What it was.
        wire: Wire,
        /// What became of it.
        fate: WireFate,
        /// What it carried.
        payload: Bytes,
    },
    /// A fault, a host's life, an operation, something a program said.
    Note {
        /// When, nanoseconds since the world began.
        at_ns: u64,
        /// Where, if at one host.
        host: Option<HostId>,
        /// What.
        text: String,
    },
}

/// Characters of a payload that a line shows.
const SHOWN_CHARS: usize = 100;

/// The beginning of a payload: text as it is, each other byte as a dot.
fn shown(payload: &[u8]) -> String {
    let mut text = String::new();
    for byte in payload {
        if text.len() >= SHOWN_CHARS {
            text.push('…');
            break;
        }
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => text.push('.'),
        }
    }
    text
}

impl TraceEvent {
    /// When, nanoseconds since the world began.
    #[must_use]
    pub fn at_ns(&self) -> u64 {
        match self {
            Self::Packet { at_ns, .. } | Self::Note { at_ns, .. } => *at_ns,
        }
    }

    /// The event on one line; `name` names a host.
    #[must_use]
    pub fn line(&self, name: impl Fn(HostId) -> String) -> String {
        let at_ns = self.at_ns();
        let mut line = format!("{:>5}.{:09}  ", at_ns / 1_000_000_000, at_ns % 1_000_000_000);
        match self {
            Self::Note { host, text, .. } => {
                let who = host.map_or_else(|| "world".to_owned(), &name);
                let _infallible = write!(line, "{who:<10} {text}");
            }
            Self::Packet { from, from_port, to, to_port, wire, fate, payload, .. } => {
                let (from, to) = (name(*from), name(*to));
                let wire = format!("{wire:?}").to_lowercase();
                let fate = match fate {
                    WireFate::Arrived => String::new(),
                    lost => format!(" ({})", format!("{lost:?}").to_lowercase()),
                };
                let _infallible = write!(line, "{from:<10} :{from_port} -> {to}:{to_port} {wire}{fate}");
                if !payload.is_empty() {
                    let _infallible = write!(line, " {} bytes \"{}\"", payload.len(), shown(payload));
                }
            }
        }
        line
    }
}
