//! Commands on hashes, lists and sets.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

use super::Call;
use super::keys::range;
use super::strings::number;
use crate::servers::redis::keyspace::{Database, Hash};
use crate::servers::redis::protocol::integer;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

type List = VecDeque<Bytes>;
type Set = BTreeSet<Bytes>;

/// A copy of the value; an empty one if there is none.
fn copy<K>(db: &mut Database, call: &Call<'_>) -> Result<K, ReplyError>
where
    K: crate::servers::redis::keyspace::ValueType + Clone,
{
    Ok(db.get::<K>(call.args[1], call.now)?.cloned().unwrap_or_default())
}

fn add_fields(db: &mut Database, call: &Call<'_>) -> Result<usize, ReplyError> {
    let (pairs, odd) = call.args[2..].as_chunks::<2>();
    if !odd.is_empty() {
        return Err(ReplyError::Arity(call.command.name));
    }
    db.change(call.args[1], call.now, |hash: &mut Hash| {
        let added = pairs
            .iter()
            .filter(|[field, value]| hash.insert(Bytes::copy_from_slice(field), Bytes::copy_from_slice(value)));
        Ok(added.count())
    })
}

pub(super) fn hset(db: &mut Database, call: &Call<'_>) -> Answer {
    add_fields(db, call).map(Reply::count)
}

pub(super) fn hmset(db: &mut Database, call: &Call<'_>) -> Answer {
    add_fields(db, call).map(|_| Reply::OK)
}

fn field<'d>(db: &'d mut Database, call: &Call<'_>) -> Result<Option<&'d Bytes>, ReplyError> {
    Ok(db.get::<Hash>(call.args[1], call.now)?.and_then(|hash| hash.get(call.args[2])))
}

pub(super) fn hget(db: &mut Database, call: &Call<'_>) -> Answer {
    field(db, call).map(|value| Reply::maybe(value.cloned()))
}

pub(super) fn hexists(db: &mut Database, call: &Call<'_>) -> Answer {
    field(db, call).map(|value| Reply::flag(value.is_some()))
}

pub(super) fn hmget(db: &mut Database, call: &Call<'_>) -> Answer {
    let hash = db.get::<Hash>(call.args[1], call.now)?;
    let values = call.args[2..].iter().map(|field| Reply::maybe(hash.and_then(|hash| hash.get(field)).cloned()));
    Ok(Reply::Array(values.collect()))
}

pub(super) fn hgetall(db: &mut Database, call: &Call<'_>) -> Answer {
    let hash: Hash = copy(db, call)?;
    Ok(Reply::Map(
        hash.pairs().into_iter().flat_map(|(field, value)| [Reply::bulk(field), Reply::bulk(value)]).collect(),
    ))
}

pub(super) fn hkeys(db: &mut Database, call: &Call<'_>) -> Answer {
    let hash: Hash = copy(db, call)?;
    Ok(Reply::bulks(hash.pairs().into_iter().map(|(field, _)| field)))
}

pub(super) fn hvals(db: &mut Database, call: &Call<'_>) -> Answer {
    let hash: Hash = copy(db, call)?;
    Ok(Reply::bulks(hash.pairs().into_iter().map(|(_, value)| value)))
}

pub(super) fn hlen(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::count(db.get::<Hash>(call.args[1], call.now)?.map_or(0, Hash::len)))
}

pub(super) fn hdel(db: &mut Database, call: &Call<'_>) -> Answer {
    let removed = |hash: &mut Hash| Ok(call.args[2..].iter().filter(|field| hash.remove(field)).count());
    db.change(call.args[1], call.now, removed).map(Reply::count)
}

pub(super) fn hincrby(db: &mut Database, call: &Call<'_>) -> Answer {
    let step = integer(call.args[3]).ok_or(ReplyError::NotAnInteger)?;
    db.change(call.args[1], call.now, |hash: &mut Hash| {
        let old = hash.get(call.args[2]).map_or(&b""[..], |value| value);
        let old = number(old, ReplyError::Plain("hash value is not an integer"))?;
        let sum = old.checked_add(step).ok_or(ReplyError::Plain("increment or decrement would overflow"))?;
        hash.insert(Bytes::copy_from_slice(call.args[2]), Bytes::from(sum.to_string()));
        Ok(Reply::Integer(sum))
    })
}

fn push(db: &mut Database, call: &Call<'_>, push: fn(&mut List, Bytes)) -> Answer {
    db.change(call.args[1], call.now, |list: &mut List| {
        call.args[2..].iter().for_each(|item| push(list, Bytes::copy_from_slice(item)));
        Ok(Reply::count(list.len()))
    })
}

pub(super) fn lpush(db: &mut Database, call: &Call<'_>) -> Answer {
    push(db, call, List::push_front)
}

pub(super) fn rpush(db: &mut Database, call: &Call<'_>) -> Answer {
    push(db, call, List::push_back)
}

pub(super) fn lpop(db: &mut Database, call: &Call<'_>) -> Answer {
    db.change(call.args[1], call.now, |list: &mut List| Ok(Reply::maybe(list.pop_front())))
}

pub(super) fn rpop(db: &mut Database, call: &Call<'_>) -> Answer {
    db.change(call.args[1], call.now, |list: &mut List| Ok(Reply::maybe(list.pop_back())))
}

pub(super) fn llen(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::count(db.get::<List>(call.args[1], call.now)?.map_or(0, List::len)))
}

pub(super) fn lindex(db: &mut Database, call: &Call<'_>) -> Answer {
    let index = integer(call.args[2]).ok_or(ReplyError::NotAnInteger)?;
    let list: List = copy(db, call)?;
    Ok(Reply::maybe(list.range(range(index, index, list.len())).next().cloned()))
}

pub(super) fn lrange(db: &mut Database, call: &Call<'_>) -> Answer {
    let (first, last) = (integer(call.args[2]), integer(call.args[3]));
    let (Some(first), Some(last)) = (first, last) else {
        return Err(ReplyError::NotAnInteger);
    };
    let list: List = copy(db, call)?;
    Ok(Reply::bulks(list.range(range(first, last, list.len()))))
}

pub(super) fn sadd(db: &mut Database, call: &Call<'_>) -> Answer {
    db.change(call.args[1], call.now, |set: &mut Set| {
        let added = call.args[2..].iter().filter(|member| set.insert(Bytes::copy_from_slice(member)));
        Ok(Reply::count(added.count()))
    })
}

pub(super) fn srem(db: &mut Database, call: &Call<'_>) -> Answer {
    let removed = |set: &mut Set| Ok(call.args[2..].iter().filter(|member| set.remove(**member)).count());
    db.change(call.args[1], call.now, removed).map(Reply::count)
}

pub(super) fn smembers(db: &mut Database, call: &Call<'_>) -> Answer {
    let set: Set = copy(db, call)?;
    Ok(Reply::Set(set.into_iter().map(Reply::Bulk).collect()))
}

pub(super) fn sismember(db: &mut Database, call: &Call<'_>) -> Answer {
    let set = db.get::<Set>(call.args[1], call.now)?;
    Ok(Reply::flag(set.is_some_and(|set| set.contains(call.args[2]))))
}

pub(super) fn scard(db: &mut Database, call: &Call<'_>) -> Answer {
    Ok(Reply::count(db.get::<Set>(call.args[1], call.now)?.map_or(0, Set::len)))
}
