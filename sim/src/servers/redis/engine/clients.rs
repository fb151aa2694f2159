//! The command `CLIENT`: what clients know of each other.

use tokio::time::Instant;

use super::Engine;
use super::connection::valid_name;
use crate::servers::common::machine::ClientKey;
use crate::servers::redis::client::{Answers, Client, CloseReason, Identity};
use crate::servers::redis::commands::Call;
use crate::servers::redis::protocol::integer;
use crate::servers::redis::pubsub::Kind;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

/// The kinds of clients that `CLIENT` tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientType {
    Normal,
    PubSub,
    /// Replicas and their master, of which there are none.
    Replication,
}

impl ClientType {
    fn parse(name: &[u8]) -> Result<Self, ReplyError> {
        match name.to_ascii_lowercase().as_slice() {
            b"normal" => Ok(Self::Normal),
            b"pubsub" => Ok(Self::PubSub),
            b"master" | b"replica" | b"slave" => Ok(Self::Replication),
            _ => Err(ReplyError::Said(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(name)))),
        }
    }

    fn of(client: &Client) -> Self {
        if client.is_subscriber() { Self::PubSub } else { Self::Normal }
    }
}

/// Which clients `CLIENT KILL` means; all conditions must hold.
#[derive(Default)]
struct Victims<'a> {
    id: Option<u64>,
    address: Option<&'a [u8]>,
    local_address: Option<&'a [u8]>,
    user: Option<&'a [u8]>,
    client_type: Option<ClientType>,
    spared: Option<ClientKey>,
}

impl Victims<'_> {
    fn include(&self, key: ClientKey, client: &Client) -> bool {
        let user = match &client.identity {
            Identity::User(name) => name.as_bytes(),
            Identity::Unknown => b"",
        };
        self.spared != Some(key)
            && self.id.is_none_or(|id| id == client.id)
            && self.address.is_none_or(|address| address == client.ends.peer.to_string().as_bytes())
            && self.local_address.is_none_or(|address| address == client.ends.local.to_string().as_bytes())
            && self.user.is_none_or(|name| name == user)
            && self.client_type.is_none_or(|wanted| wanted == ClientType::of(client))
    }
}

fn yes_or_no(word: &[u8]) -> Result<bool, ReplyError> {
    match word.to_ascii_lowercase().as_slice() {
        b"yes" => Ok(true),
        b"no" => Ok(false),
        _ => Err(ReplyError::Syntax),
    }
}

/// One client as `CLIENT LIST` shows it; sizes of its memory are those of a quiet client.
fn describe(client: &Client, now: Instant) -> String {
    let (age, idle) = client.seconds(now);
    let mut flags = String::new();
    if client.is_subscriber() {
        flags.push('P');
    }
    if client.transaction.is_some() {
        flags.push('x');
    }
    if flags.is_empty() {
        flags.push('N');
    }
    let user = match &client.identity {
        Identity::User(name) => name.as_str(),
        Identity::Unknown => "(superuser)",
    };
    let multi = client.transaction.as_ref().map_or(-1, |transaction| transaction.commands.len() as i64);
    let subscriptions = &client.subscriptions;
    format!(
        "id={} addr={} laddr={} fd={} name={} age={age} idle={idle} flags={flags} db={} sub={} psub={} ssub={} \
         multi={multi} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem={} tot-mem={} \
         events=r cmd={} user={user} redir=-1 resp={}",
        client.id,
        client.ends.peer,
        client.ends.local,
        client.id + 5,
        String::from_utf8_lossy(&client.name),
        client.database.0,
        subscriptions.of(Kind::Channel).len(),
        subscriptions.of(Kind::Pattern).len(),
        subscriptions.of(Kind::Shard).len(),
        client.lane.outbox.pending(),
        client.lane.outbox.pending() + 1928,
        client.last_command,
        client.version.number(),
    )
}

impl Engine {
    pub(in crate::servers::redis) fn client_id(&mut self, call: &Call<'_>) -> Answer {
        Ok(Reply::Integer(self.clients[call.client.index()].id as i64))
    }

    pub(in crate::servers::redis) fn client_info(&mut self, call: &Call<'_>) -> Answer {
        Ok(Reply::Verbatim(describe(&self.clients[call.client.index()], call.now) + "\n"))
    }

    pub(in crate::servers::redis) fn client_list(&mut self, call: &Call<'_>) -> Answer {
        let mut wanted_type = None;
        let mut wanted_ids = None;
        match &call.args[2..] {
            [] => {}
            [option, name] if option.eq_ignore_ascii_case(b"TYPE") => wanted_type = Some(ClientType::parse(name)?),
            [option, ids @ ..] if option.eq_ignore_ascii_case(b"ID") && !ids.is_empty() => {
                let ids: Option<Vec<i64>> = ids.iter().map(|id| integer(id)).collect();
                wanted_ids = Some(ids.ok_or(ReplyError::Plain("Invalid client ID"))?);
            }
            _ => return Err(ReplyError::Syntax),
        }
        let mut clients: Vec<&Client> = self.open_clients().map(|(_, client)| client).collect();
        clients.sort_by_key(|client| client.id);
        let mut text = String::new();
        for client in clients {
            let of_type = wanted_type.is_none_or(|wanted| wanted == ClientType::of(client));
            if of_type && wanted_ids.as_ref().is_none_or(|ids| ids.contains(&(client.id as i64))) {
                text += &describe(client, call.now);
                text.push('\n');
            }
        }
        Ok(Reply::Verbatim(text))
    }

    pub(in crate::servers::redis) fn client_getname(&mut self, call: &Call<'_>) -> Answer {
        let name = &self.clients[call.client.index()].name;
        Ok(if name.is_empty() { Reply::Null } else { Reply::bulk(name) })
    }

    pub(in crate::servers::redis) fn client_setname(&mut self, call: &Call<'_>) -> Answer {
        self.clients[call.client.index()].name = valid_name(call.args[2])?.to_vec();
        Ok(Reply::OK)
    }

    pub(in crate::servers::redis) fn client_no_evict(&mut self, call: &Call<'_>) -> Answer {
        // Nothing is ever evicted here, so that there is nothing to remember.
        match call.args[2].to_ascii_lowercase().as_slice() {
            b"on" | b"off" => Ok(Reply::OK),
            _ => Err(ReplyError::Syntax),
        }
    }

    pub(in crate::servers::redis) fn client_reply(&mut self, call: &Call<'_>) -> Answer {
        let client = &mut self.clients[call.client.index()];
        match call.args[2].to_ascii_lowercase().as_slice() {
            b"on" => client.answers = Answers::All,
            b"off" => client.answers = Answers::None,
            b"skip" if client.answers == Answers::All => client.answers = Answers::SkipNext,
            b"skip" => {}
            _ => return Err(ReplyError::Syntax),
        }
        Ok(Reply::OK)
    }

    pub(in crate::servers::redis) fn client_trackinginfo(&mut self, _: &Call<'_>) -> Answer {
        Ok(Reply::Map(vec![
            Reply::bulk("flags"),
            Reply::Set(vec![Reply::bulk("off")]),
            Reply::bulk("redirect"),
            Reply::Integer(-1),
            Reply::bulk("prefixes"),
            Reply::Array(Vec::new()),
        ]))
    }

    pub(in crate::servers::redis) fn client_kill(&mut self, call: &Call<'_>) -> Answer {
        if let [_, _, address] = call.args {
            let victims = Victims { address: Some(address), ..Victims::default() };
            let killed = self.kill(call.client, &victims);
            return if killed == 0 { Err(ReplyError::Plain("No such client")) } else { Ok(Reply::OK) };
        }
        let victims = self.victims(call)?;
        Ok(Reply::count(self.kill(call.client, &victims)))
    }

    fn victims<'a>(&self, call: &Call<'a>) -> Result<Victims<'a>, ReplyError> {
        let mut victims = Victims { spared: Some(call.client), ..Victims::default() };
        let (pairs, odd) = call.args[2..].as_chunks::<2>();
        for [option, value] in pairs {
            let value: &'a [u8] = value;
            match option.to_ascii_lowercase().as_slice() {
                b"id" => {
                    let id = integer(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
                    victims.id = Some(id.ok_or(ReplyError::Plain("client-id should be greater than 0"))?);
                }
                b"addr" => victims.address = Some(value),
                b"laddr" => victims.local_address = Some(value),
                b"user" => victims.user = Some(self.known_user(value)?),
                b"type" => victims.client_type = Some(ClientType::parse(value)?),
                b"skipme" => victims.spared = yes_or_no(value)?.then_some(call.client),
                _ => return Err(ReplyError::Syntax),
            }
        }
        if odd.is_empty() { Ok(victims) } else { Err(ReplyError::Syntax) }
    }

    fn known_user<'a>(&self, name: &'a [u8]) -> Result<&'a [u8], ReplyError> {
        let known =
            name == super::DEFAULT_USER.as_bytes() || self.config.users.iter().any(|user| user.name.as_bytes() == name);
        let unknown = || ReplyError::Said(format!("ERR No such user '{}'", String::from_utf8_lossy(name)));
        known.then_some(name).ok_or_else(unknown)
    }

    /// Ends the connections, and tells how many there were; the killer's own waits for its answer.
    fn kill(&mut self, killer: ClientKey, victims: &Victims<'_>) -> usize {
        let clients = self.open_clients().filter(|(key, client)| victims.include(*key, client));
        let keys: Vec<ClientKey> = clients.map(|(key, _)| key).collect();
        for key in &keys {
            if *key == killer {
                self.clients[key.index()].leaving = Some(CloseReason::Killed);
            } else {
                self.close(*key, CloseReason::Killed);
            }
        }
        keys.len()
    }
}
