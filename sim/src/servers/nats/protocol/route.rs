//! The protocol between the servers of a cluster.
//!
//! Source: the behaviour of `nats-server` 2.9 and 2.10 without route pooling: one connection carries
//! everything, and every operation names its account.

use super::{ProtocolError, Publish, Size, Step, arguments, is_blank, publish_body, trim_line_end};

/// The longest line a server may send.
const LINE_MAX: usize = 1024 * 1024;

/// One operation of another server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteOp<'a> {
    /// Introduction of the side that opened the route, a JSON object.
    Connect(&'a [u8]),
    /// Introduction of the server, or of a third one, a JSON object.
    Info(&'a [u8]),
    /// The other server has clients that want this.
    Interest(Interest<'a>),
    /// The other server has them no longer.
    NoInterest(Interest<'a>),
    /// A message of the other server's clients.
    Message(Routed<'a>),
    /// Asks for a [`PONG`](super::PONG).
    Ping,
    /// Answers a [`PING`](super::PING).
    Pong,
    /// An error, which ends the route.
    Error(&'a [u8]),
    /// An operation that means nothing to this server.
    Ignored,
}

/// Interest of the clients of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest<'a> {
    /// Account of the clients.
    pub account: &'a [u8],
    /// Subject, with wildcards or without.
    pub pattern: &'a [u8],
    /// Queue group.
    pub queue: Option<&'a [u8]>,
    /// Members of the queue group; it means nothing without a queue group.
    pub weight: u32,
}

/// A message between servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Routed<'a> {
    /// Account of the publisher.
    pub account: &'a [u8],
    /// The message.
    pub message: Publish<'a>,
    /// The queue groups of which a member of the receiving server is chosen, with blanks between.
    pub queues: &'a [u8],
}

/// Parses the first operation of `input`, as [`super::parse`] does for clients.
///
/// # Errors
/// The first operation is malformed or over a limit; nothing after it can be understood.
pub fn parse(input: &[u8], payload_max: usize) -> Result<Step<RouteOp<'_>>, ProtocolError> {
    let Some(end) = memchr::memchr(b'\n', input) else {
        return if input.len() > LINE_MAX { Err(ProtocolError::ControlLineTooLong) } else { Ok(Step::Incomplete(1)) };
    };
    let line = trim_line_end(&input[..end]);
    let verb_end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    let (verb, rest) = line.split_at(verb_end);
    let rest = rest.trim_ascii();
    let op = match verb {
        b"RMSG" | b"HMSG" => return routed(verb == b"HMSG", rest, input, end + 1, payload_max),
        b"RS+" => RouteOp::Interest(interest(rest)?),
        b"RS-" => RouteOp::NoInterest(interest(rest)?),
        b"INFO" => RouteOp::Info(rest),
        b"CONNECT" => RouteOp::Connect(rest),
        b"PING" => RouteOp::Ping,
        b"PONG" => RouteOp::Pong,
        b"-ERR" => RouteOp::Error(rest),
        b"+OK" | b"A+" | b"A-" | b"LS+" | b"LS-" => RouteOp::Ignored,
        _ => return Err(ProtocolError::UnknownOperation),
    };
    Ok(Step::Op(op, end + 1))
}

fn interest(line: &[u8]) -> Result<Interest<'_>, ProtocolError> {
    let ([account, pattern, queue, weight], count) = arguments::<4>(line)?;
    if count < 2 {
        return Err(ProtocolError::BadArguments);
    }
    let weight = if count == 4 {
        let weight = Size::parse(weight).and_then(|size| u32::try_from(size.bytes).ok());
        weight.filter(|weight| *weight > 0).ok_or(ProtocolError::BadArguments)?
    } else {
        1
    };
    Ok(Interest { account, pattern, queue: (count > 2).then_some(queue), weight })
}

/// `account subject [reply] sizes`, or `account subject + reply queues sizes`, or `account subject | queues sizes`.
fn routed<'a>(
    with_headers: bool,
    line: &'a [u8],
    input: &'a [u8],
    taken: usize,
    payload_max: usize,
) -> Result<Step<RouteOp<'a>>, ProtocolError> {
    let (account, rest) = first_word(line);
    let (subject, rest) = first_word(rest);
    let (rest, total) = last_word(rest);
    let (rest, headers) = if with_headers { last_word(rest) } else { (rest, &rest[..0]) };
    let (reply, queues) = match first_word(rest) {
        (b"|", queues) => (None, queues),
        (b"+", rest) => {
            let (reply, queues) = first_word(rest);
            (Some(reply), queues)
        }
        (b"", _) => (None, &rest[..0]),
        (reply, b"") => (Some(reply), &rest[..0]),
        _ => return Err(ProtocolError::BadArguments),
    };
    let size = |digits| Size::parse(digits).ok_or(ProtocolError::BadArguments);
    let (total, headers) = (size(total)?, if with_headers { Some(size(headers)?) } else { None });
    if subject.is_empty() || reply == Some(b"") {
        return Err(ProtocolError::BadArguments);
    }
    let message = Publish { subject, reply, headers, total, body: &input[..0] };
    Ok(match publish_body(message, input, taken, payload_max)? {
        Step::Op(message, taken) => Step::Op(RouteOp::Message(Routed { account, message, queues }), taken),
        Step::Incomplete(missing) => Step::Incomplete(missing),
    })
}

fn first_word(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().position(|byte| is_blank(*byte)).unwrap_or(line.len());
    (&line[..end], line[end..].trim_ascii_start())
}

fn last_word(line: &[u8]) -> (&[u8], &[u8]) {
    let start = line.iter().rposition(|byte| is_blank(*byte)).map_or(0, |blank| blank + 1);
    (line[..start].trim_ascii_end(), &line[start..])
}

/// Whether a list of words names this one.
#[must_use]
pub fn names(list: &[u8], word: &[u8]) -> bool {
    list.split(|byte| is_blank(*byte)).any(|listed| listed == word)
}

/// The line before a message that goes over a route, behind what `line` held; `queues` as in [`Routed`].
pub fn message_line(line: &mut Vec<u8>, account: &[u8], message: &Publish<'_>, queues: &[u8]) {
    let mut word = |word: &[u8]| {
        line.extend_from_slice(word);
        line.push(b' ');
    };
    word(if message.headers.is_some() { b"HMSG" } else { b"RMSG" });
    word(account);
    word(message.subject);
    if !queues.is_empty() {
        word(if message.reply.is_some() { b"+" } else { b"|" });
    }
    message.reply.into_iter().for_each(&mut word);
    if !queues.is_empty() {
        word(queues);
    }
    message.headers.iter().for_each(|headers| word(headers.digits));
    line.extend_from_slice(message.total.digits);
    line.extend_from_slice(b"\r\n");
}

/// The line that announces interest, or with a weight of 0 its end.
pub fn interest_line(line: &mut Vec<u8>, interest: &Interest<'_>) {
    line.extend_from_slice(if interest.weight > 0 { b"RS+ " } else { b"RS- " });
    line.extend_from_slice(interest.account);
    line.push(b' ');
    line.extend_from_slice(interest.pattern);
    if let Some(queue) = interest.queue {
        line.push(b' ');
        line.extend_from_slice(queue);
        if interest.weight > 0 {
            line.extend_from_slice(format!(" {}", interest.weight).as_bytes());
        }
    }
    line.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> RouteOp<'_> {
        match parse(line.as_bytes(), 100).unwrap() {
            Step::Op(op, taken) if taken == line.len() => op,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn messages_read_as_they_were_written() {
        for line in [
            "RMSG $G foo 2\r\nhi\r\n",
            "RMSG $G foo re 2\r\nhi\r\n",
            "RMSG $G q.1 | grp 2\r\nhi\r\n",
            "RMSG $G q.1 + re grp other 2\r\nhi\r\n",
            "HMSG $G q.1 + re grp 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
            "HMSG $G foo 12 14\r\nNATS/1.0\r\n\r\nhi\r\n",
        ] {
            let RouteOp::Message(Routed { account, message, queues }) = parsed(line) else {
                panic!("{line}");
            };
            let mut written = Vec::new();
            message_line(&mut written, account, &message, queues);
            written.extend_from_slice(message.body);
            assert_eq!(String::from_utf8(written).unwrap(), line);
        }
    }

    #[test]
    fn interest_reads_as_it_was_written() {
        for line in ["RS+ $G foo\r\n", "RS+ $G q.> grp 2\r\n", "RS- $G foo\r\n", "RS- $G q.> grp\r\n"] {
            let interest = match parsed(line) {
                RouteOp::Interest(interest) => interest,
                RouteOp::NoInterest(interest) => Interest { weight: 0, ..interest },
                other => panic!("{other:?}"),
            };
            let mut written = Vec::new();
            interest_line(&mut written, &interest);
            assert_eq!(String::from_utf8(written).unwrap(), line);
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_an_error() {
        for (line, error) in [
            ("MSG a 1 0\r\n\r\n", ProtocolError::UnknownOperation),
            ("RMSG $G 2\r\nhi\r\n", ProtocolError::BadArguments),
            ("RMSG $G a b c 2\r\nhi\r\n", ProtocolError::BadArguments),
            ("RMSG $G a x\r\nhi\r\n", ProtocolError::BadArguments),
            ("RMSG $G a 101\r\n", ProtocolError::PayloadTooLarge),
            ("RMSG $G a 2\r\nhi!!", ProtocolError::UnknownOperation),
            ("RS+ $G\r\n", ProtocolError::BadArguments),
            ("RS+ $G a q 0\r\n", ProtocolError::BadArguments),
        ] {
            assert_eq!(parse(line.as_bytes(), 100).unwrap_err(), error, "{line}");
        }
    }

    #[test]
    fn part_of_a_message_waits_for_the_rest() {
        let whole = b"RMSG $G a 2\r\nhi\r\n";
        for end in 0..whole.len() {
            assert!(matches!(parse(&whole[..end], 100), Ok(Step::Incomplete(1..))), "{end}");
        }
    }
}
