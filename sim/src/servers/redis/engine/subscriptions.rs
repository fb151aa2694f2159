//! The commands of publish and subscribe.

use bytes::Bytes;

use super::Engine;
use crate::servers::common::machine::ClientKey;
use crate::servers::redis::commands::Call;
use crate::servers::redis::glob;
use crate::servers::redis::pubsub::{Change, Kind};
use crate::servers::redis::reply::{Answer, Reply, ReplyError, Version};

/// The words that confirm.
fn verbs(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Channel => ("subscribe", "unsubscribe"),
        Kind::Pattern => ("psubscribe", "punsubscribe"),
        Kind::Shard => ("ssubscribe", "sunsubscribe"),
    }
}

impl Engine {
    pub(in crate::servers::redis) fn subscribe(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.add_all(call, Kind::Channel))
    }

    pub(in crate::servers::redis) fn psubscribe(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.add_all(call, Kind::Pattern))
    }

    pub(in crate::servers::redis) fn ssubscribe(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.add_all(call, Kind::Shard))
    }

    pub(in crate::servers::redis) fn unsubscribe(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.remove_named(call, Kind::Channel))
    }

    pub(in crate::servers::redis) fn punsubscribe(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.remove_named(call, Kind::Pattern))
    }

    pub(in crate::servers::redis) fn sunsubscribe(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.remove_named(call, Kind::Shard))
    }

    fn confirmation(&self, key: ClientKey, verb: &'static str, kind: Kind, name: Option<Bytes>) -> Reply {
        let count = self.clients[key.index()].subscriptions.count(kind);
        Reply::Push(vec![Reply::Bulk(Bytes::from_static(verb.as_bytes())), Reply::maybe(name), Reply::count(count)])
    }

    fn add_all(&mut self, call: &Call<'_>, kind: Kind) -> Reply {
        let mut replies = Vec::with_capacity(call.args.len() - 1);
        for name in &call.args[1..] {
            let name = Bytes::copy_from_slice(name);
            let client = &mut self.clients[call.client.index()];
            if client.subscriptions.insert(kind, name.clone()) == Change::Made {
                self.registry.add(kind, name.clone(), call.client);
            }
            replies.push(self.confirmation(call.client, verbs(kind).0, kind, Some(name)));
        }
        Reply::Several(replies)
    }

    fn remove_named(&mut self, call: &Call<'_>, kind: Kind) -> Reply {
        let names: Vec<Bytes> = match &call.args[1..] {
            [] => self.clients[call.client.index()].subscriptions.of(kind).iter().cloned().collect(),
            names => names.iter().map(|name| Bytes::copy_from_slice(name)).collect(),
        };
        if names.is_empty() {
            return self.confirmation(call.client, verbs(kind).1, kind, None);
        }
        let mut replies = Vec::with_capacity(names.len());
        for name in names {
            self.remove_subscription(call.client, kind, &name);
            replies.push(self.confirmation(call.client, verbs(kind).1, kind, Some(name)));
        }
        Reply::Several(replies)
    }

    pub(super) fn remove_subscription(&mut self, key: ClientKey, kind: Kind, name: &[u8]) {
        if self.clients[key.index()].subscriptions.remove(kind, name) == Change::Made {
            self.registry.remove(kind, name, key);
        }
    }

    pub(in crate::servers::redis) fn publish_channel(&mut self, call: &Call<'_>) -> Answer {
        let receivers = self.publish(Kind::Channel, call.args[1], call.args[2], call.now);
        Ok(Reply::Integer(receivers as i64))
    }

    pub(in crate::servers::redis) fn publish_shard(&mut self, call: &Call<'_>) -> Answer {
        let receivers = self.publish(Kind::Shard, call.args[1], call.args[2], call.now);
        Ok(Reply::Integer(receivers as i64))
    }

    pub(in crate::servers::redis) fn ping(&mut self, call: &Call<'_>) -> Answer {
        let client = &self.clients[call.client.index()];
        let text = match call.args {
            [_] => None,
            [_, text] => Some(*text),
            _ => return Err(ReplyError::Arity(call.command.name)),
        };
        if client.version == Version::Resp2 && client.is_subscriber() {
            return Ok(Reply::bulks([b"pong", text.unwrap_or_default()]));
        }
        Ok(text.map_or(Reply::Simple("PONG"), Reply::bulk))
    }

    pub(in crate::servers::redis) fn pubsub_channels(&mut self, call: &Call<'_>) -> Answer {
        self.names(call, Kind::Channel)
    }

    pub(in crate::servers::redis) fn pubsub_shard_channels(&mut self, call: &Call<'_>) -> Answer {
        self.names(call, Kind::Shard)
    }

    fn names(&self, call: &Call<'_>, kind: Kind) -> Answer {
        let pattern = match call.args {
            [_, _] => None,
            [_, _, pattern] => Some(*pattern),
            _ => {
                let word = String::from_utf8_lossy(call.args[1]);
                return Err(ReplyError::Said(format!(
                    "ERR unknown subcommand or wrong number of arguments for '{word}'. Try PUBSUB HELP."
                )));
            }
        };
        let names = self.registry.names(kind).map(|(name, _)| name);
        let asked = names.filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name)));
        Ok(Reply::Array(asked.cloned().map(Reply::Bulk).collect()))
    }

    pub(in crate::servers::redis) fn pubsub_numsub(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.subscriber_counts(call, Kind::Channel))
    }

    pub(in crate::servers::redis) fn pubsub_shard_numsub(&mut self, call: &Call<'_>) -> Answer {
        Ok(self.subscriber_counts(call, Kind::Shard))
    }

    fn subscriber_counts(&self, call: &Call<'_>, kind: Kind) -> Reply {
        let counts = call.args[2..]
            .iter()
            .flat_map(|name| [Reply::bulk(name), Reply::count(self.registry.subscribers(kind, name).len())]);
        Reply::Array(counts.collect())
    }

    pub(in crate::servers::redis) fn pubsub_numpat(&mut self, _: &Call<'_>) -> Answer {
        Ok(Reply::count(self.registry.names(Kind::Pattern).count()))
    }
}
