//! Walks through many keys or members in small steps.
//!
//! A cursor is the place of the next item in the order of hashes, so that whatever is there from the first
//! step to the last is seen, however much comes and goes in between.

use std::collections::BTreeSet;

use bytes::Bytes;
use xxhash_rust::xxh3::xxh3_64;

use super::Call;
use crate::servers::redis::glob;
use crate::servers::redis::keyspace::Database;
use crate::servers::redis::protocol::integer;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

struct Scan<'a> {
    cursor: u64,
    count: usize,
    pattern: Option<&'a [u8]>,
    type_name: Option<String>,
}

/// Whether a walk may ask for one type of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Types {
    Asked,
    Alike,
}

impl<'a> Scan<'a> {
    fn parse(args: &'a [&'a [u8]], types: Types) -> Result<Self, ReplyError> {
        let cursor = std::str::from_utf8(args[0]).ok().and_then(|cursor| cursor.parse().ok());
        let cursor = cursor.ok_or(ReplyError::Plain("invalid cursor"))?;
        let mut scan = Self { cursor, count: 10, pattern: None, type_name: None };
        let (options, odd) = args[1..].as_chunks::<2>();
        for [option, value] in options {
            match option.to_ascii_lowercase().as_slice() {
                b"count" => {
                    let count = integer(value).ok_or(ReplyError::NotAnInteger)?;
                    scan.count = usize::try_from(count).ok().filter(|count| *count > 0).ok_or(ReplyError::Syntax)?;
                }
                b"match" => scan.pattern = Some(value),
                b"type" if types == Types::Asked => {
                    scan.type_name = Some(String::from_utf8_lossy(value).to_ascii_lowercase());
                }
                _ => return Err(ReplyError::Syntax),
            }
        }
        if odd.is_empty() { Ok(scan) } else { Err(ReplyError::Syntax) }
    }

    /// The next step through these items, of which each has a type.
    fn step<'i>(&self, items: impl Iterator<Item = (&'i Bytes, &'static str)>) -> Reply {
        // The lowest bit is always set: a cursor of 0 is the end.
        let mut items: Vec<(u64, &Bytes, &str)> = items
            .map(|(item, type_name)| (xxh3_64(item) | 1, item, type_name))
            .filter(|(place, ..)| *place >= self.cursor)
            .collect();
        items.sort_unstable();
        let mut taken = self.count.min(items.len());
        // Items of one place are seen together.
        while taken < items.len() && items[taken].0 == items[taken - 1].0 {
            taken += 1;
        }
        let next = items.get(taken).map_or(0, |(place, ..)| *place);
        let seen = items[..taken].iter().filter(|(_, item, type_name)| {
            self.pattern.is_none_or(|pattern| glob::matches(pattern, item))
                && self.type_name.as_ref().is_none_or(|wanted| wanted == type_name)
        });
        Reply::Array(vec![Reply::bulk(next.to_string()), Reply::bulks(seen.map(|(_, item, _)| item))])
    }
}

pub(super) fn scan(db: &mut Database, call: &Call<'_>) -> Answer {
    let scan = Scan::parse(&call.args[1..], Types::Asked)?;
    Ok(scan.step(db.live(call.now).iter().map(|(key, entry)| (key, entry.value.type_name()))))
}

pub(super) fn sscan(db: &mut Database, call: &Call<'_>) -> Answer {
    let scan = Scan::parse(&call.args[2..], Types::Alike)?;
    let members = db.get::<BTreeSet<Bytes>>(call.args[1], call.now)?;
    Ok(scan.step(members.into_iter().flatten().map(|member| (member, "member"))))
}
