//! Keys and values.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::Instant;

use super::client::DatabaseIndex;
use super::reply::ReplyError;

/// What a server knows at the end of one life and at the start of the next; clones are the same disk.
///
/// Every write is on it at once, as with `appendfsync always`.
#[derive(Clone, Debug, Default)]
pub struct RedisDisk(Arc<Mutex<Keyspace>>);

impl RedisDisk {
    pub(super) fn lock(&self) -> MutexGuard<'_, Keyspace> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All databases.
#[derive(Debug, Default)]
pub(super) struct Keyspace {
    databases: BTreeMap<DatabaseIndex, Database>,
}

impl Keyspace {
    pub(super) fn database(&mut self, index: DatabaseIndex) -> &mut Database {
        self.databases.entry(index).or_default()
    }

    /// All databases that were ever used.
    pub(super) fn databases(&mut self) -> impl Iterator<Item = (DatabaseIndex, &mut Database)> {
        self.databases.iter_mut().map(|(index, database)| (*index, database))
    }
}

/// A value of one of the types.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Bytes),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    Hash(Hash),
}

impl Value {
    /// The name `TYPE` answers.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Set(_) => "set",
            Self::Hash(_) => "hash",
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::List(list) => list.is_empty(),
            Self::Set(set) => set.is_empty(),
            Self::Hash(hash) => hash.fields.is_empty(),
        }
    }
}

/// Fields and their values, listed in the order they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Hash {
    fields: BTreeMap<Bytes, (u64, Bytes)>,
    next: u64,
}

impl Hash {
    pub(super) fn get(&self, field: &[u8]) -> Option<&Bytes> {
        self.fields.get(field).map(|(_, value)| value)
    }

    /// Sets a field, and tells whether it is new.
    pub(super) fn insert(&mut self, field: Bytes, value: Bytes) -> bool {
        let place = self.fields.get(&field).map_or(self.next, |(place, _)| *place);
        self.next += 1;
        self.fields.insert(field, (place, value)).is_none()
    }

    pub(super) fn remove(&mut self, field: &[u8]) -> bool {
        self.fields.remove(field).is_some()
    }

    pub(super) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(super) fn pairs(&self) -> Vec<(&Bytes, &Bytes)> {
        let mut fields: Vec<_> = self.fields.iter().collect();
        fields.sort_by_key(|(_, (place, _))| *place);
        fields.into_iter().map(|(field, (_, value))| (field, value)).collect()
    }
}

/// A type of values, as commands ask for it.
pub(super) trait ValueType: Default {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn wrap(self) -> Value;
}

macro_rules! value_type {
    ($type:ty, $variant:ident) => {
        impl ValueType for $type {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(inner) = value { Some(inner) } else { None }
            }

            fn wrap(self) -> Value {
                Value::$variant(self)
            }
        }
    };
}

value_type!(Bytes, Text);
value_type!(VecDeque<Bytes>, List);
value_type!(BTreeSet<Bytes>, Set);
value_type!(Hash, Hash);

/// A value and when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: Value,
    pub(super) expires: Option<Instant>,
}

/// One database.
#[derive(Debug, Default)]
pub(super) struct Database {
    entries: BTreeMap<Bytes, Entry>,
    /// Keys that changed since somebody asked.
    touched: Vec<Bytes>,
}

impl Database {
    /// The entry, unless it has expired by now.
    pub(super) fn entry(&mut self, key: &[u8], now: Instant) -> Option<&mut Entry> {
        if self.entries.get(key)?.expires.is_some_and(|at| at <= now) {
            self.remove(key);
        }
        self.entries.get_mut(key)
    }

    /// The value if there is one of this type.
    pub(super) fn get<K: ValueType>(&mut self, key: &[u8], now: Instant) -> Result<Option<&K>, ReplyError> {
        match self.entry(key, now) {
            None => Ok(None),
            Some(entry) => K::of(&entry.value).map(Some).ok_or(ReplyError::WrongType),
        }
    }

    /// Changes a value of this type, which is empty if there is none, and keeps it unless it is empty
    /// afterwards.
    pub(super) fn change<K: ValueType, T>(
        &mut self,
        key: &[u8],
        now: Instant,
        change: impl FnOnce(&mut K) -> Result<T, ReplyError>,
    ) -> Result<T, ReplyError> {
        if self.entry(key, now).is_none() {
            let mut fresh = K::default();
            let result = change(&mut fresh)?;
            let value = fresh.wrap();
            if !value.is_empty() {
                self.set(key, value, None);
            }
            return Ok(result);
        }
        let Some(entry) = self.entries.get_mut(key) else {
            return Err(ReplyError::NoSuchKey);
        };
        let result = change(K::of_mut(&mut entry.value).ok_or(ReplyError::WrongType)?)?;
        if entry.value.is_empty() {
            self.remove(key);
        } else {
            self.touch(key);
        }
        Ok(result)
    }

    pub(super) fn set(&mut self, key: &[u8], value: Value, expires: Option<Instant>) {
        let key = Bytes::copy_from_slice(key);
        self.touched.push(key.clone());
        self.entries.insert(key, Entry { value, expires });
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let (key, entry) = self.entries.remove_entry(key)?;
        self.touched.push(key);
        Some(entry)
    }

    /// Notes that a key changed in place.
    pub(super) fn touch(&mut self, key: &[u8]) {
        self.touched.push(Bytes::copy_from_slice(key));
    }

    /// The keys that changed since the last time.
    pub(super) fn take_touched(&mut self) -> Vec<Bytes> {
        std::mem::take(&mut self.touched)
    }

    pub(super) fn clear(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.touched.extend(entries.into_keys());
    }

    /// All entries that have not expired, by key.
    pub(super) fn live(&mut self, now: Instant) -> &BTreeMap<Bytes, Entry> {
        let expired: Vec<Bytes> = (self.entries.iter())
            .filter(|(_, entry)| entry.expires.is_some_and(|at| at <= now))
            .map(|(key, _)| key.clone())
            .collect();
        for key in expired {
            self.remove(&key);
        }
        &self.entries
    }
}
