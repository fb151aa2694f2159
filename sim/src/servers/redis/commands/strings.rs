//! Commands on plain values.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Call, keys};
use crate::servers::redis::keyspace::{Database, Value};
use crate::servers::redis::protocol::integer;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

/// Under which condition `SET` sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Always,
    Absent,
    Present,
}

/// How long a value that is set lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Forever,
    Until(Instant),
    /// As long as the value before.
    Kept,
}

/// What `SET` answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Success,
    ValueBefore,
}

struct SetOptions {
    condition: Condition,
    life: Life,
    wanted: Wanted,
}

impl SetOptions {
    fn parse(call: &Call<'_>) -> Result<Self, ReplyError> {
        let mut options = Self { condition: Condition::Always, life: Life::Forever, wanted: Wanted::Success };
        let mut rest = &call.args[3..];
        while let [option, behind @ ..] = rest {
            rest = behind;
            let free = options.life == Life::Forever;
            match (option.to_ascii_lowercase().as_slice(), rest) {
                (b"nx", _) if options.condition == Condition::Always => options.condition = Condition::Absent,
                (b"xx", _) if options.condition == Condition::Always => options.condition = Condition::Present,
                (b"get", _) => options.wanted = Wanted::ValueBefore,
                (b"keepttl", _) if free => options.life = Life::Kept,
                (b"ex", [number, behind @ ..]) if free => {
                    options.life = Life::Until(life(call, number, Duration::from_secs)?);
                    rest = behind;
                }
                (b"px", [number, behind @ ..]) if free => {
                    options.life = Life::Until(life(call, number, Duration::from_millis)?);
                    rest = behind;
                }
                _ => return Err(ReplyError::Syntax),
            }
        }
        Ok(options)
    }
}

/// The end of a life of this length, which must be positive.
fn life(call: &Call<'_>, number: &[u8], unit: fn(u64) -> Duration) -> Result<Instant, ReplyError> {
    let number = integer(number).ok_or(ReplyError::NotAnInteger)?;
    let invalid = ReplyError::ExpireTime(call.command.name);
    let number = u64::try_from(number).ok().filter(|number| (1..=keys::LIFE_MAX).contains(number));
    call.now.checked_add(unit(number.ok_or(invalid.clone())?)).ok_or(invalid)
}

fn text(bytes: &[u8]) -> Value {
    Value::Text(Bytes::copy_from_slice(bytes))
}

pub(super) fn get(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::maybe(db.get::<Bytes>(call.args[1], call.now)?.cloned()))
}

pub(super) fn set(db: &mut Database, call: &Call<'_>) -> Answer {
    let options = SetOptions::parse(call)?;
    let key = call.args[1];
    let before = match options.wanted {
        Wanted::ValueBefore => Some(Reply::maybe(db.get::<Bytes>(key, call.now)?.cloned())),
        Wanted::Success => None,
    };
    let entry = db.entry(key, call.now);
    let sets = match options.condition {
        Condition::Always => true,
        Condition::Absent => entry.is_none(),
        Condition::Present => entry.is_some(),
    };
    let expires = match options.life {
        Life::Forever => None,
        Life::Until(at) => Some(at),
        Life::Kept => entry.and_then(|entry| entry.expires),
    };
    if sets {
        db.set(key, text(call.args[2]), expires);
    }
    Ok(before.unwrap_or(if sets { Reply::OK } else { Reply::Null }))
}

pub(super) fn setnx(db: &mut Database, call: &Call<'_>) -> Answer {
    let absent = db.entry(call.args[1], call.now).is_none();
    if absent {
        db.set(call.args[1], text(call.args[2]), None);
    }
    Ok(Reply::flag(absent))
}

pub(super) fn setex(db: &mut Database, call: &Call<'_>) -> Answer {
    let until = life(call, call.args[2], Duration::from_secs)?;
    db.set(call.args[1], text(call.args[3]), Some(until));
    Ok(Reply::OK)
}

pub(super) fn psetex(db: &mut Database, call: &Call<'_>) -> Answer {
    let until = life(call, call.args[2], Duration::from_millis)?;
    db.set(call.args[1], text(call.args[3]), Some(until));
    Ok(Reply::OK)
}

pub(super) fn getset(db: &mut Database, call: &Call<'_>) -> Answer {
    let before = get(db, call)?;
    db.set(call.args[1], text(call.args[2]), None);
    Ok(before)
}

pub(super) fn getdel(db: &mut Database, call: &Call<'_>) -> Answer {
    let before = get(db, call)?;
    db.remove(call.args[1]);
    Ok(before)
}

pub(super) fn mget(db: &mut Database, call: &Call<'_>) -> Answer {
    let values = call.args[1..].iter().map(|key| match db.get::<Bytes>(key, call.now) {
        Ok(value) => Reply::maybe(value.cloned()),
        // A value of another type is none.
        Err(_) => Reply::Null,
    });
    Ok(Reply::Array(values.collect()))
}

/// Keys and values in turn.
fn pairs<'a>(call: &Call<'a>) -> Result<&'a [[&'a [u8]; 2]], ReplyError> {
    match call.args[1..].as_chunks() {
        (pairs, []) => Ok(pairs),
        _ => Err(ReplyError::Arity(call.command.name)),
    }
}

pub(super) fn mset(db: &mut Database, call: &Call<'_>) -> Answer {
    for [key, value] in pairs(call)? {
        db.set(key, text(value), None);
    }
    Ok(Reply::OK)
}

pub(super) fn msetnx(db: &mut Database, call: &Call<'_>) -> Answer {
    let absent = pairs(call)?.iter().all(|[key, _]| db.entry(key, call.now).is_none());
    if absent {
        mset(db, call)?;
    }
    Ok(Reply::flag(absent))
}

/// The number in a value, where nothing is 0.
pub(super) fn number(value: &[u8], if_none: ReplyError) -> Result<i64, ReplyError> {
    if value.is_empty() { Ok(0) } else { integer(value).ok_or(if_none) }
}

fn add(db: &mut Database, call: &Call<'_>, step: i64) -> Answer {
    db.change(call.args[1], call.now, |value: &mut Bytes| {
        let overflow = ReplyError::Plain("increment or decrement would overflow");
        let sum = number(value, ReplyError::NotAnInteger)?.checked_add(step).ok_or(overflow)?;
        *value = Bytes::from(sum.to_string());
        Ok(Reply::Integer(sum))
    })
}

fn step(call: &Call<'_>) -> Result<i64, ReplyError> {
    integer(call.args[2]).ok_or(ReplyError::NotAnInteger)
}

pub(super) fn incr(db: &mut Database, call: &Call<'_>) -> Answer {
    add(db, call, 1)
}

pub(super) fn decr(db: &mut Database, call: &Call<'_>) -> Answer {
    add(db, call, -1)
}

pub(super) fn incrby(db: &mut Database, call: &Call<'_>) -> Answer {
    add(db, call, step(call)?)
}

pub(super) fn decrby(db: &mut Database, call: &Call<'_>) -> Answer {
    let step = step(call)?.checked_neg().ok_or(ReplyError::Plain("decrement would overflow"))?;
    add(db, call, step)
}

pub(super) fn append(db: &mut Database, call: &Call<'_>) -> Answer {
    db.change(call.args[1], call.now, |value: &mut Bytes| {
        *value = Bytes::from([value, call.args[2]].concat());
        Ok(Reply::count(value.len()))
    })
}

pub(super) fn strlen(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::count(db.get::<Bytes>(call.args[1], call.now)?.map_or(0, Bytes::len)))
}

pub(super) fn getrange(db: &mut Database, call: &Call<'_>) -> Answer {
    let (first, last) = (call.args[2], call.args[3]);
    let bounds = [first, last].map(|index| integer(index).ok_or(ReplyError::NotAnInteger));
    let [first, last] = bounds;
    let value = db.get::<Bytes>(call.args[1], call.now)?.cloned().unwrap_or_default();
    Ok(Reply::Bulk(value.slice(keys::range(first?, last?, value.len()))))
}
