//! The client protocol of NATS: operations of clients out of bytes, and messages into bytes.
//!
//! Source: the protocol's public documentation and the behaviour of `nats-server` 2.10.

pub mod route;
#[cfg(test)]
mod tests;

use thiserror::Error;

/// The most digits a size may have.
const MAX_SIZE_DIGITS: usize = 9;

/// What the parser enforces.
#[derive(Clone, Copy, Debug)]
pub struct ParseLimits {
    /// Bytes of one protocol line without its verb.
    pub control_line: usize,
    /// Bytes of headers and payload in one message.
    pub payload: usize,
}

/// Why the bytes of a client are not the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// Not an operation, or a message that does not end where it should.
    #[error("unknown protocol operation: send one of those the protocol knows")]
    UnknownOperation,
    /// An operation with too few, too many or malformed arguments.
    #[error("malformed arguments: send those the operation takes")]
    BadArguments,
    /// A line over [`ParseLimits::control_line`].
    #[error("maximum control line exceeded: send shorter subjects")]
    ControlLineTooLong,
    /// A message over [`ParseLimits::payload`].
    #[error("maximum payload exceeded: send a smaller message")]
    PayloadTooLarge,
}

/// A message as its publisher sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// Subject to deliver to.
    pub subject: &'a [u8],
    /// Subject for answers.
    pub reply: Option<&'a [u8]>,
    /// Size of the headers, if the message has any.
    pub headers: Option<Size<'a>>,
    /// Size of headers and payload together.
    pub total: Size<'a>,
    /// Headers, payload and the final line break.
    pub body: &'a [u8],
}

/// A number of bytes with its digits, which are sent on as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size<'a> {
    /// Digits of the client.
    pub digits: &'a [u8],
    /// Bytes.
    pub bytes: usize,
}

impl<'a> Size<'a> {
    fn parse(digits: &'a [u8]) -> Option<Self> {
        if digits.is_empty() || digits.len() > MAX_SIZE_DIGITS || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let bytes = digits.iter().fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
        Some(Self { digits, bytes })
    }
}

/// One operation of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientOp<'a> {
    /// Introduction of the client, a JSON object.
    Connect(&'a [u8]),
    /// A message to deliver.
    Publish(Publish<'a>),
    /// Interest in a subject.
    Subscribe {
        /// Subject, with wildcards or without.
        pattern: &'a [u8],
        /// Queue group, of which one member gets each message.
        queue: Option<&'a [u8]>,
        /// The client's name for the subscription.
        sid: &'a [u8],
    },
    /// End of a subscription.
    Unsubscribe {
        /// The client's name for the subscription.
        sid: &'a [u8],
        /// Deliveries in all after which it ends; at once when absent.
        max: Option<u64>,
    },
    /// Asks for a [`PONG`].
    Ping,
    /// Answers a [`PING`].
    Pong,
    /// An error of the client, which ends its connection.
    Error,
    /// An operation that means nothing when a client sends it.
    Ignored,
}

/// What the bytes so far amount to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// An operation and the bytes it took.
    Op(T, usize),
    /// Part of an operation, of which at least this many bytes are missing.
    Incomplete(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Pub,
    Hpub,
    Ping,
    Pong,
    Sub,
    Unsub,
    Connect,
    Ok,
    Err,
    Info,
}

/// None is the beginning of another, so the first that fits is the one.
const VERBS: [(Verb, &[u8]); 10] = [
    (Verb::Pub, b"PUB"),
    (Verb::Hpub, b"HPUB"),
    (Verb::Ping, b"PING"),
    (Verb::Pong, b"PONG"),
    (Verb::Sub, b"SUB"),
    (Verb::Unsub, b"UNSUB"),
    (Verb::Connect, b"CONNECT"),
    (Verb::Ok, b"+OK"),
    (Verb::Err, b"-ERR"),
    (Verb::Info, b"INFO"),
];

/// Parses the first operation of `input`.
///
/// The answer is the same however the bytes were split on their way here: an error shows at the first
/// byte that makes it certain, and what was `Incomplete` never turns into another operation.
///
/// # Errors
/// The first operation is malformed or over a limit; nothing after it can be understood.
pub fn parse<'a>(input: &'a [u8], limits: &ParseLimits) -> Result<Step<ClientOp<'a>>, ProtocolError> {
    let Some((verb, length)) = recognise(input)? else {
        return Ok(Step::Incomplete(1));
    };
    let after = &input[length..];
    let spaced = matches!(verb, Verb::Pub | Verb::Hpub | Verb::Sub | Verb::Unsub | Verb::Err | Verb::Info);
    if spaced && !after.first().is_none_or(|byte| is_blank(*byte)) {
        return Err(ProtocolError::UnknownOperation);
    }
    let blanks = after.iter().take_while(|byte| is_blank(**byte)).count();
    let arguments = &after[blanks..];
    let end = memchr::memchr(b'\n', arguments);
    let line = trim_line_end(&arguments[..end.unwrap_or(arguments.len())]);
    if line.len().max(blanks) > limits.control_line {
        return Err(ProtocolError::ControlLineTooLong);
    }
    let Some(end) = end else {
        return Ok(Step::Incomplete(1));
    };
    let taken = input.len() - arguments.len() + end + 1;
    let op = match verb {
        Verb::Pub | Verb::Hpub => return publish(verb, line, input, taken, limits),
        Verb::Ping => ClientOp::Ping,
        Verb::Pong => ClientOp::Pong,
        Verb::Sub => subscribe(line)?,
        Verb::Unsub => unsubscribe(line)?,
        Verb::Connect => ClientOp::Connect(line),
        Verb::Err => ClientOp::Error,
        Verb::Ok | Verb::Info => ClientOp::Ignored,
    };
    Ok(Step::Op(op, taken))
}

fn recognise(input: &[u8]) -> Result<Option<(Verb, usize)>, ProtocolError> {
    for (verb, text) in VERBS {
        let common = text.len().min(input.len());
        if input[..common].eq_ignore_ascii_case(&text[..common]) {
            return Ok((common == text.len()).then_some((verb, common)));
        }
    }
    Err(ProtocolError::UnknownOperation)
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn trim_line_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The arguments of a line, and how many there are; more than `N` is an error.
fn arguments<const N: usize>(line: &[u8]) -> Result<([&[u8]; N], usize), ProtocolError> {
    let mut found = [&line[..0]; N];
    let mut count = 0;
    for argument in line.split(|byte| is_blank(*byte)).filter(|argument| !argument.is_empty()) {
        *found.get_mut(count).ok_or(ProtocolError::BadArguments)? = argument;
        count += 1;
    }
    Ok((found, count))
}

fn subscribe(line: &[u8]) -> Result<ClientOp<'_>, ProtocolError> {
    match arguments::<3>(line)? {
        ([pattern, sid, _], 2) => Ok(ClientOp::Subscribe { pattern, queue: None, sid }),
        ([pattern, queue, sid], 3) => Ok(ClientOp::Subscribe { pattern, queue: Some(queue), sid }),
        _ => Err(ProtocolError::BadArguments),
    }
}

fn unsubscribe(line: &[u8]) -> Result<ClientOp<'_>, ProtocolError> {
    match arguments::<2>(line)? {
        ([sid, _], 1) => Ok(ClientOp::Unsubscribe { sid, max: None }),
        // A malformed maximum ends the subscription at once, as in the real server.
        ([sid, max], 2) => Ok(ClientOp::Unsubscribe { sid, max: Size::parse(max).map(|max| max.bytes as u64) }),
        _ => Err(ProtocolError::BadArguments),
    }
}

fn publish<'a>(
    verb: Verb,
    line: &'a [u8],
    input: &'a [u8],
    taken: usize,
    limits: &ParseLimits,
) -> Result<Step<ClientOp<'a>>, ProtocolError> {
    let (found, count) = arguments::<4>(line)?;
    let with_headers = verb == Verb::Hpub;
    let sizes = if with_headers { 2 } else { 1 };
    let (reply, sizes) = match count.checked_sub(sizes + 1) {
        Some(0) => (None, &found[1..count]),
        Some(1) => (Some(found[1]), &found[2..count]),
        _ => return Err(ProtocolError::BadArguments),
    };
    let size = |digits| Size::parse(digits).ok_or(ProtocolError::BadArguments);
    let total = size(sizes[sizes.len() - 1])?;
    let headers = if with_headers { Some(size(sizes[0])?) } else { None };
    let message = Publish { subject: found[0], reply, headers, total, body: &input[..0] };
    Ok(match publish_body(message, input, taken, limits.payload)? {
        Step::Op(message, taken) => Step::Op(ClientOp::Publish(message), taken),
        Step::Incomplete(missing) => Step::Incomplete(missing),
    })
}

/// Adds the body to a message whose line took `taken` bytes of `input`.
fn publish_body<'a>(
    message: Publish<'a>,
    input: &'a [u8],
    taken: usize,
    payload_max: usize,
) -> Result<Step<Publish<'a>>, ProtocolError> {
    let total = message.total.bytes;
    if message.headers.is_some_and(|headers| headers.bytes > total) {
        return Err(ProtocolError::BadArguments);
    }
    if total > payload_max {
        return Err(ProtocolError::PayloadTooLarge);
    }
    let end = taken + total;
    if input.get(end).is_some_and(|byte| *byte != b'\r') || input.get(end + 1).is_some_and(|byte| *byte != b'\n') {
        return Err(ProtocolError::UnknownOperation);
    }
    if input.len() < end + 2 {
        return Ok(Step::Incomplete(end + 2 - input.len()));
    }
    Ok(Step::Op(Publish { body: &input[taken..end + 2], ..message }, end + 2))
}

/// Acknowledgement of an operation to a verbose client.
pub const OK: &[u8] = b"+OK\r\n";
/// Asks a client whether it lives.
pub const PING: &[u8] = b"PING\r\n";
/// Tells a client that everything it sent before its ping was processed.
pub const PONG: &[u8] = b"PONG\r\n";

/// An error for a client, such as `-ERR 'Stale Connection'`.
#[must_use]
pub fn error(text: &str) -> Vec<u8> {
    format!("-ERR '{text}'\r\n").into_bytes()
}

/// Tells a requester that nobody listens; it comes with the status 503 and no payload.
#[must_use]
pub fn no_responders(reply: &[u8], sid: &[u8]) -> Vec<u8> {
    [b"HMSG ", reply, b" ", sid, b" 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"].concat()
}

/// Whether the receiver of a message understands headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderSupport {
    /// It gets them.
    Full,
    /// It gets the payload alone.
    None,
}

/// The line before a message's body, the same for all receivers but for the subscription's name in it.
#[derive(Debug, Default)]
pub struct MessageLine {
    before_sid: Vec<u8>,
    after_sid: Vec<u8>,
}

impl MessageLine {
    /// Prepares the line of this message; the buffers of the last one are used again.
    pub fn prepare(&mut self, message: &Publish<'_>, support: HeaderSupport) {
        let Self { before_sid, after_sid } = self;
        before_sid.clear();
        after_sid.clear();
        let headers = message.headers.filter(|_| support == HeaderSupport::Full);
        before_sid.extend_from_slice(if headers.is_some() { b"HMSG " } else { b"MSG " });
        before_sid.extend_from_slice(message.subject);
        before_sid.push(b' ');
        after_sid.push(b' ');
        if let Some(reply) = message.reply {
            after_sid.extend_from_slice(reply);
            after_sid.push(b' ');
        }
        match (headers, message.headers) {
            (Some(headers), _) => {
                after_sid.extend_from_slice(headers.digits);
                after_sid.push(b' ');
                after_sid.extend_from_slice(message.total.digits);
            }
            (None, Some(stripped)) => {
                after_sid.extend_from_slice((message.total.bytes - stripped.bytes).to_string().as_bytes());
            }
            (None, None) => after_sid.extend_from_slice(message.total.digits),
        }
        after_sid.extend_from_slice(b"\r\n");
    }

    /// The parts of the line for one subscription, in order.
    #[must_use]
    pub fn parts<'a>(&'a self, sid: &'a [u8]) -> [&'a [u8]; 3] {
        [&self.before_sid, sid, &self.after_sid]
    }
}

/// The body of a message for a receiver: headers (if it understands them), payload, line break.
#[must_use]
pub fn body<'a>(message: &Publish<'a>, support: HeaderSupport) -> &'a [u8] {
    match (message.headers, support) {
        (Some(headers), HeaderSupport::None) => &message.body[headers.bytes..],
        _ => message.body,
    }
}
