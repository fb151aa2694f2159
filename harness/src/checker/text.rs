//! How checkers speak: times, counts, names, and evidence of bounded length.

use ipnet::IpNet;
use squall_cluster::blocklist::{Entry, State};
use squall_cluster::observe::Source;
use squall_reports::{Check, Verdict};
use std::fmt;

/// Nanoseconds, shown as seconds with three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seconds(pub(super) u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0 / 1_000_000;
        write!(f, "{}.{:03} s", ms / 1_000, ms % 1_000)
    }
}

/// Microseconds, shown as milliseconds with three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Millis(pub(super) u64);

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} ms", self.0 / 1_000, self.0 % 1_000)
    }
}

/// A network, shown as a plain address when it holds only one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Net<'a>(pub(super) &'a IpNet);

impl fmt::Display for Net<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() { self.0.addr().fmt(f) } else { self.0.fmt(f) }
    }
}

/// A number with the word that fits it.
pub(super) fn count(n: usize, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A few nodes by name, the rest by number: `nodes 3, 4, 5 and 7 more`.
pub(super) fn nodes(list: &[u16]) -> String {
    const NAMED: usize = 4;
    let shown = if list.len() <= NAMED { list.len() } else { NAMED - 1 };
    let mut names: Vec<String> = list.iter().take(shown).map(u16::to_string).collect();
    if list.len() > shown {
        names.push(format!("{} more", list.len() - shown));
    }
    let word = if list.len() == 1 { "node" } else { "nodes" };
    match names.split_last() {
        Some((last, [])) => format!("{word} {last}"),
        Some((last, head)) => format!("{word} {} and {last}", head.join(", ")),
        None => "no node".to_owned(),
    }
}

/// How a version came to a node, to follow "learned it by".
pub(super) fn route(source: Source) -> &'static str {
    match source {
        Source::Local => "its own operation",
        Source::Broadcast => "broadcast",
        Source::Boot => "reading the store at boot",
        Source::Resync => "resync",
        Source::AntiEntropy => "anti-entropy",
    }
}

/// What an operation did to its network, as a verb.
pub(super) fn verb(entry: &Entry) -> &'static str {
    match entry.state {
        State::Blocked { .. } => "blocked",
        State::Unblocked => "unblocked",
    }
}

/// The events behind a failure; what is noted first is kept when there are too many.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    lines: Vec<(u64, String)>,
}

impl Evidence {
    /// The most lines a check may show.
    pub(super) const LINES_MAX: usize = 20;

    /// Adds an event, the most important ones first.
    pub(super) fn note(&mut self, at_ns: u64, event: impl fmt::Display) {
        self.lines.push((at_ns, format!("{}: {event}", Seconds(at_ns))));
    }

    /// The lines, oldest first.
    fn into_lines(mut self) -> Vec<String> {
        let total = self.lines.len();
        let left_out = if total > Self::LINES_MAX {
            self.lines.truncate(Self::LINES_MAX - 1);
            total - self.lines.len()
        } else {
            0
        };
        self.lines.sort_by_key(|(at_ns, _)| *at_ns);
        let mut lines: Vec<String> = self.lines.into_iter().map(|(_, line)| line).collect();
        if left_out > 0 {
            lines.push(format!("and {}", count(left_out, "more event", "more events")));
        }
        lines
    }
}

/// The promise held.
pub(super) fn pass(name: &str, reason: String) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Pass, reason, evidence: Vec::new() }
}

/// The evidence does not decide.
pub(super) fn unknown(name: &str, reason: String, evidence: Evidence) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Unknown, reason, evidence: evidence.into_lines() }
}

/// The promise was broken.
pub(super) fn fail(name: &str, reason: String, evidence: Evidence) -> Check {
    Check { name: name.to_owned(), verdict: Verdict::Fail, reason, evidence: evidence.into_lines() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_show_three_decimals() {
        assert_eq!(Seconds(12_345_678_901).to_string(), "12.345 s");
        assert_eq!(Seconds(5_000_000).to_string(), "0.005 s");
        assert_eq!(Millis(1_050).to_string(), "1.050 ms");
    }

    #[test]
    fn a_single_address_shows_no_prefix() {
        assert_eq!(Net(&"10.0.0.1/32".parse().unwrap()).to_string(), "10.0.0.1");
        assert_eq!(Net(&"10.0.0.0/24".parse().unwrap()).to_string(), "10.0.0.0/24");
        assert_eq!(Net(&"2001:db8::1/128".parse().unwrap()).to_string(), "2001:db8::1");
    }

    #[test]
    fn long_lists_of_nodes_are_cut_short() {
        assert_eq!(nodes(&[3]), "node 3");
        assert_eq!(nodes(&[3, 4]), "nodes 3 and 4");
        assert_eq!(nodes(&[1, 2, 3, 4]), "nodes 1, 2, 3 and 4");
        assert_eq!(nodes(&[1, 2, 3, 4, 5]), "nodes 1, 2, 3 and 2 more");
    }

    #[test]
    fn evidence_keeps_what_matters_most_and_sorts_by_time() {
        let mut evidence = Evidence::default();
        evidence.note(90_000_000_000, "the end");
        for second in 0..30 {
            evidence.note(second * 1_000_000_000, "noise");
        }
        let lines = evidence.into_lines();
        assert_eq!(lines.len(), Evidence::LINES_MAX);
        assert_eq!(lines[0], "0.000 s: noise");
        assert_eq!(lines[18], "90.000 s: the end");
        assert_eq!(lines[19], "and 12 more events");
    }
}
