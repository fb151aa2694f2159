//! `MULTI`, `EXEC`, and the keys that must not change in between.

use std::collections::btree_map::Entry;

use bytes::Bytes;

use super::Engine;
use crate::servers::common::machine::ClientKey;
use crate::servers::redis::client::{DatabaseIndex, Transaction, Watched};
use crate::servers::redis::commands::{self, Call};
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

impl Engine {
    pub(in crate::servers::redis) fn multi(&mut self, call: &Call<'_>) -> Answer {
        let client = &mut self.clients[call.client.index()];
        if client.transaction.is_some() {
            return Err(ReplyError::Plain("MULTI calls can not be nested"));
        }
        client.transaction = Some(Transaction::default());
        Ok(Reply::OK)
    }

    pub(in crate::servers::redis) fn discard(&mut self, call: &Call<'_>) -> Answer {
        let transaction = self.clients[call.client.index()].transaction.take();
        transaction.ok_or(ReplyError::Plain("DISCARD without MULTI"))?;
        self.unwatch(call.client);
        Ok(Reply::OK)
    }

    pub(in crate::servers::redis) fn exec(&mut self, call: &Call<'_>) -> Answer {
        let client = &mut self.clients[call.client.index()];
        let transaction = client.transaction.take().ok_or(ReplyError::Plain("EXEC without MULTI"))?;
        let touched = client.watched.values().any(|watched| *watched == Watched::Touched);
        self.unwatch(call.client);
        if transaction.doomed {
            return Err(ReplyError::ExecAbort);
        }
        if touched {
            return Ok(Reply::NullArray);
        }
        let mut replies = Vec::with_capacity(transaction.commands.len());
        for words in &transaction.commands {
            let args: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let reply = match commands::find(&args) {
                Ok(command) => self.run(call.client, command, &args, call.now),
                Err(error) => error.into(),
            };
            replies.push(reply);
        }
        Ok(Reply::Array(replies))
    }

    pub(in crate::servers::redis) fn watch(&mut self, call: &Call<'_>) -> Answer {
        let client = &mut self.clients[call.client.index()];
        if client.transaction.is_some() {
            return Err(ReplyError::Plain("WATCH inside MULTI is not allowed"));
        }
        for key in &call.args[1..] {
            let place = (client.database, Bytes::copy_from_slice(key));
            if let Entry::Vacant(new) = client.watched.entry(place) {
                self.watchers.entry(new.key().clone()).or_default().push(call.client);
                new.insert(Watched::Untouched);
            }
        }
        Ok(Reply::OK)
    }

    pub(in crate::servers::redis) fn stop_watching(&mut self, call: &Call<'_>) -> Answer {
        self.unwatch(call.client);
        Ok(Reply::OK)
    }

    /// Forgets which keys a client watches.
    pub(super) fn unwatch(&mut self, key: ClientKey) {
        for place in std::mem::take(&mut self.clients[key.index()].watched).into_keys() {
            if let Some(watchers) = self.watchers.get_mut(&place) {
                watchers.retain(|other| *other != key);
                if watchers.is_empty() {
                    self.watchers.remove(&place);
                }
            }
        }
    }

    /// Tells those who watch these keys.
    pub(super) fn note_touched(&mut self, index: DatabaseIndex, keys: Vec<Bytes>) {
        if self.watchers.is_empty() {
            return;
        }
        for key in keys {
            let place = (index, key);
            for watcher in self.watchers.get(&place).into_iter().flatten() {
                self.clients[watcher.index()].watched.insert(place.clone(), Watched::Touched);
            }
        }
    }
}
