//! Commands on keys of any type.

use std::ops::Range;
use std::time::Duration;

use tokio::time::Instant;

use super::Call;
use crate::servers::redis::glob;
use crate::servers::redis::keyspace::Database;
use crate::servers::redis::protocol::integer;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

/// The longest life in its unit; what Redis can count goes further, and no run does.
pub(super) const LIFE_MAX: u64 = 100_000_000_000;

/// The places from first to last, counted from the end if negative, of so many.
pub(super) fn range(first: i64, last: i64, count: usize) -> Range<usize> {
    let count = count as i64;
    let place = |index: i64| if index < 0 { index + count } else { index };
    let (first, end) = (place(first).max(0), (place(last) + 1).min(count));
    if first < end { first as usize..end as usize } else { 0..0 }
}

/// Checks what follows `FLUSHALL` and `FLUSHDB`.
pub(in crate::servers::redis) fn flush_mode(args: &[&[u8]]) -> Result<(), ReplyError> {
    match args {
        [_] => Ok(()),
        [_, mode] if mode.eq_ignore_ascii_case(b"SYNC") || mode.eq_ignore_ascii_case(b"ASYNC") => Ok(()),
        _ => Err(ReplyError::Syntax),
    }
}

pub(super) fn flushdb(db: &mut Database, call: &Call<'_>) -> Answer {
    flush_mode(call.args)?;
    db.clear();
    Ok(Reply::OK)
}

pub(super) fn dbsize(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::count(db.live(call.now).len()))
}

pub(super) fn keys(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::bulks(db.live(call.now).keys().filter(|key| glob::matches(call.args[1], key))))
}

pub(super) fn del(db: &mut Database, call: &Call<'_>) -> Answer {
    let removed = call.args[1..].iter().filter(|key| db.entry(key, call.now).is_some() && db.remove(key).is_some());
    Ok(Reply::count(removed.count()))
}

pub(super) fn exists(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::count(call.args[1..].iter().filter(|key| db.entry(key, call.now).is_some()).count()))
}

pub(super) fn type_of(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::Simple(db.entry(call.args[1], call.now).map_or("none", |entry| entry.value.type_name())))
}

pub(super) fn rename(db: &mut Database, call: &Call<'_>) -> Answer {
    db.entry(call.args[1], call.now).ok_or(ReplyError::NoSuchKey)?;
    if let Some(entry) = db.remove(call.args[1]) {
        db.set(call.args[2], entry.value, entry.expires);
    }
    Ok(Reply::OK)
}

pub(super) fn expire(db: &mut Database, call: &Call<'_>) -> Answer {
    expire_in(db, call, Duration::from_secs)
}

pub(super) fn pexpire(db: &mut Database, call: &Call<'_>) -> Answer {
    expire_in(db, call, Duration::from_millis)
}

fn expire_in(db: &mut Database, call: &Call<'_>, unit: fn(u64) -> Duration) -> Answer {
    let number = integer(call.args[2]).ok_or(ReplyError::NotAnInteger)?;
    if number.unsigned_abs() > LIFE_MAX {
        return Err(ReplyError::ExpireTime(call.command.name));
    }
    let new = call.now.checked_add(unit(number.max(0) as u64)).ok_or(ReplyError::ExpireTime(call.command.name))?;
    let Some(entry) = db.entry(call.args[1], call.now) else {
        return Ok(Reply::Integer(0));
    };
    let old = entry.expires;
    for option in &call.args[3..] {
        let holds = match option.to_ascii_lowercase().as_slice() {
            b"nx" => old.is_none(),
            b"xx" => old.is_some(),
            b"gt" => old.is_some_and(|old| new > old),
            b"lt" => old.is_none_or(|old| new < old),
            _ => {
                let option = String::from_utf8_lossy(option);
                return Err(ReplyError::Said(format!("ERR Unsupported option {option}")));
            }
        };
        if !holds {
            return Ok(Reply::Integer(0));
        }
    }
    if number <= 0 {
        db.remove(call.args[1]);
    } else {
        entry.expires = Some(new);
        db.touch(call.args[1]);
    }
    Ok(Reply::Integer(1))
}

pub(super) fn persist(db: &mut Database, call: &Call<'_>) -> Answer {
    let ended = db.entry(call.args[1], call.now).and_then(|entry| entry.expires.take()).is_some();
    if ended {
        db.touch(call.args[1]);
    }
    Ok(Reply::flag(ended))
}

/// What is left of a key's life: −1 is for ever, −2 is no key.
fn left(db: &mut Database, call: &Call<'_>) -> Result<Duration, i64> {
    let entry = db.entry(call.args[1], call.now).ok_or(-2)?;
    let at: Instant = entry.expires.ok_or(-1)?;
    Ok(at - call.now)
}

pub(super) fn ttl(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::Integer(match left(db, call) {
        Ok(left) => (left.as_millis() as i64 + 500) / 1000,
        Err(special) => special,
    }))
}

pub(super) fn pttl(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::Integer(left(db, call).map_or_else(|special| special, |left| left.as_millis() as i64)))
}
