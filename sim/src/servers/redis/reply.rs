//! Answers to clients, and how each protocol version writes them.

use bytes::Bytes;

use crate::servers::common::outbox::Outbox;

/// Strings from this size on are shared with whoever keeps them instead of copied.
const SHARE_FROM: usize = 4096;

/// The protocol a client chose with `HELLO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Resp2,
    Resp3,
}

impl Version {
    /// Its number.
    pub(super) fn number(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Short text, without line ends.
    Simple(&'static str),
    Error(ReplyError),
    Integer(i64),
    Bulk(Bytes),
    /// Text for people.
    Verbatim(String),
    /// No value.
    Null,
    /// No array.
    NullArray,
    Array(Vec<Reply>),
    /// Keys and values in turn; an array in RESP2.
    Map(Vec<Reply>),
    /// An array in RESP2.
    Set(Vec<Reply>),
    /// A message nobody asked for; an array in RESP2.
    Push(Vec<Reply>),
    /// Several answers to one request, or none.
    Several(Vec<Reply>),
}

impl Reply {
    pub(super) const OK: Self = Self::Simple("OK");

    /// A bulk string with a copy of these bytes.
    pub(super) fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Self::Bulk(Bytes::copy_from_slice(bytes.as_ref()))
    }

    /// The value, or none.
    pub(super) fn maybe(value: Option<Bytes>) -> Self {
        value.map_or(Self::Null, Self::Bulk)
    }

    /// A count.
    pub(super) fn count(count: usize) -> Self {
        Self::Integer(count as i64)
    }

    /// 1 for a yes.
    pub(super) fn flag(yes: bool) -> Self {
        Self::Integer(i64::from(yes))
    }

    /// An array of bulk strings.
    pub(super) fn bulks<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Array(items.into_iter().map(Self::bulk).collect())
    }

    /// Appends the answer as this version writes it.
    pub(super) fn write(&self, version: Version, out: &mut Outbox) {
        let resp3 = version == Version::Resp3;
        match self {
            Self::Simple(text) => out.push(format!("+{text}\r\n").as_bytes()),
            Self::Error(error) => out.push(format!("-{error}\r\n").as_bytes()),
            Self::Integer(number) => out.push(format!(":{number}\r\n").as_bytes()),
            Self::Bulk(bytes) => write_bulk(bytes, out),
            Self::Verbatim(text) if resp3 => {
                out.push(format!("={}\r\ntxt:{text}\r\n", text.len() + 4).as_bytes());
            }
            Self::Verbatim(text) => out.push(format!("${}\r\n{text}\r\n", text.len()).as_bytes()),
            Self::Null | Self::NullArray if resp3 => out.push(b"_\r\n"),
            Self::Null => out.push(b"$-1\r\n"),
            Self::NullArray => out.push(b"*-1\r\n"),
            Self::Array(items) => write_items('*', items.len(), items, version, out),
            Self::Map(items) if resp3 => write_items('%', items.len() / 2, items, version, out),
            Self::Set(items) if resp3 => write_items('~', items.len(), items, version, out),
            Self::Push(items) if resp3 => write_items('>', items.len(), items, version, out),
            Self::Map(items) | Self::Set(items) | Self::Push(items) => {
                write_items('*', items.len(), items, version, out);
            }
            Self::Several(replies) => replies.iter().for_each(|reply| reply.write(version, out)),
        }
    }
}

fn write_bulk(bytes: &Bytes, out: &mut Outbox) {
    out.push(format!("${}\r\n", bytes.len()).as_bytes());
    if bytes.len() < SHARE_FROM {
        out.push(bytes);
    } else {
        out.push_shared(bytes.clone());
    }
    out.push(b"\r\n");
}

fn write_items(kind: char, count: usize, items: &[Reply], version: Version, out: &mut Outbox) {
    out.push(format!("{kind}{count}\r\n").as_bytes());
    items.iter().for_each(|item| item.write(version, out));
}

/// A refusal, in the words of Redis; its first word is the kind that clients look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ReplyError {
    #[error("ERR syntax error")]
    Syntax,
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    #[error("ERR no such key")]
    NoSuchKey,
    #[error("ERR invalid expire time in '{0}' command")]
    ExpireTime(&'static str),
    #[error("ERR wrong number of arguments for '{0}' command")]
    Arity(&'static str),
    #[error("WRONGPASS invalid username-password pair or user is disabled.")]
    WrongPass,
    #[error("NOAUTH Authentication required.")]
    NoAuth,
    #[error("ERR {0}")]
    Plain(&'static str),
    #[error("EXECABORT Transaction discarded because of previous errors.")]
    ExecAbort,
    /// Anything else; line ends become blanks.
    #[error("{}", .0.replace(['\r', '\n'], " "))]
    Said(String),
}

impl From<ReplyError> for Reply {
    fn from(error: ReplyError) -> Self {
        Self::Error(error)
    }
}

/// What became of a command.
pub(super) type Answer = Result<Reply, ReplyError>;
