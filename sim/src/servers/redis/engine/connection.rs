//! Who a client is and how it wants to be spoken to.

use super::{DEFAULT_USER, Engine};
use crate::servers::common::machine::ClientKey;
use crate::servers::redis::client::{Answers, CloseReason, DatabaseIndex, Identity};
use crate::servers::redis::commands::Call;
use crate::servers::redis::config::ClusterMode;
use crate::servers::redis::protocol::integer;
use crate::servers::redis::pubsub::KINDS;
use crate::servers::redis::reply::{Answer, Reply, ReplyError, Version};

/// What `HELLO` asks for.
#[derive(Default)]
struct Hello<'a> {
    version: Option<Version>,
    credentials: Option<(&'a [u8], &'a [u8])>,
    name: Option<&'a [u8]>,
}

impl<'a> Hello<'a> {
    fn parse(args: &[&'a [u8]]) -> Result<Self, ReplyError> {
        let mut hello = Self::default();
        let Some((version, mut rest)) = args[1..].split_first() else {
            return Ok(hello);
        };
        hello.version = match integer(version) {
            Some(2) => Some(Version::Resp2),
            Some(3) => Some(Version::Resp3),
            Some(_) => return Err(ReplyError::Said("NOPROTO unsupported protocol version".to_owned())),
            None => return Err(ReplyError::Plain("Protocol version is not an integer or out of range")),
        };
        while let Some((option, behind)) = rest.split_first() {
            rest = match behind {
                [user, password, behind @ ..] if option.eq_ignore_ascii_case(b"AUTH") => {
                    hello.credentials = Some((user, password));
                    behind
                }
                [name, behind @ ..] if option.eq_ignore_ascii_case(b"SETNAME") => {
                    hello.name = Some(valid_name(name)?);
                    behind
                }
                _ => {
                    let option = String::from_utf8_lossy(option);
                    return Err(ReplyError::Said(format!("ERR Syntax error in HELLO option '{option}'")));
                }
            };
        }
        Ok(hello)
    }
}

/// The name if a client may have it.
pub(super) fn valid_name(name: &[u8]) -> Result<&[u8], ReplyError> {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(name);
    }
    Err(ReplyError::Plain("Client names cannot contain spaces, newlines or special characters."))
}

const HELLO_FIRST: &str = "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH \
                           <user> <pass> option can be used to authenticate the client and select the RESP protocol \
                           version at the same time";

impl Engine {
    pub(in crate::servers::redis) fn hello(&mut self, call: &Call<'_>) -> Answer {
        let hello = Hello::parse(call.args)?;
        if let Some((user, password)) = hello.credentials {
            self.log_in(call.client, user, password)?;
        }
        let mode = self.mode();
        let client = &mut self.clients[call.client.index()];
        if client.identity == Identity::Unknown {
            return Err(ReplyError::Said(HELLO_FIRST.to_owned()));
        }
        if let Some(name) = hello.name {
            client.name = name.to_vec();
        }
        client.version = hello.version.unwrap_or(client.version);
        Ok(Reply::Map(vec![
            Reply::bulk("server"),
            Reply::bulk("redis"),
            Reply::bulk("version"),
            Reply::bulk(&self.config.version),
            Reply::bulk("proto"),
            Reply::Integer(client.version.number()),
            Reply::bulk("id"),
            Reply::Integer(client.id as i64),
            Reply::bulk("mode"),
            Reply::bulk(mode),
            Reply::bulk("role"),
            Reply::bulk("master"),
            Reply::bulk("modules"),
            Reply::Array(Vec::new()),
        ]))
    }

    pub(in crate::servers::redis) fn auth(&mut self, call: &Call<'_>) -> Answer {
        match call.args {
            [_, password] => {
                if self.config.password.is_none() {
                    return Err(ReplyError::Plain(
                        "AUTH <password> called without any password configured for the default user. \
                         Are you sure your configuration is correct?",
                    ));
                }
                self.log_in(call.client, DEFAULT_USER.as_bytes(), password)?;
            }
            [_, user, password] => self.log_in(call.client, user, password)?,
            _ => return Err(ReplyError::Syntax),
        }
        Ok(Reply::OK)
    }

    fn log_in(&mut self, key: ClientKey, user: &[u8], password: &[u8]) -> Result<(), ReplyError> {
        let right = if user == DEFAULT_USER.as_bytes() {
            self.config.password.as_ref().is_none_or(|right| right.as_bytes() == password)
        } else {
            let mut users = self.config.users.iter();
            users.any(|known| known.name.as_bytes() == user && known.password.as_bytes() == password)
        };
        if !right {
            self.stats.refused_logins += 1;
            return Err(ReplyError::WrongPass);
        }
        self.clients[key.index()].identity = Identity::User(String::from_utf8_lossy(user).into_owned());
        Ok(())
    }

    pub(in crate::servers::redis) fn whoami(&mut self, call: &Call<'_>) -> Answer {
        match &self.clients[call.client.index()].identity {
            Identity::User(name) => Ok(Reply::bulk(name)),
            Identity::Unknown => Err(ReplyError::NoAuth),
        }
    }

    pub(in crate::servers::redis) fn reset(&mut self, call: &Call<'_>) -> Answer {
        self.unwatch(call.client);
        for kind in KINDS {
            for name in self.clients[call.client.index()].subscriptions.of(kind).clone() {
                self.remove_subscription(call.client, kind, &name);
            }
        }
        let identity = self.identity_at_first();
        let client = &mut self.clients[call.client.index()];
        client.transaction = None;
        client.identity = identity;
        client.name.clear();
        client.version = Version::Resp2;
        client.database = DatabaseIndex::default();
        client.answers = Answers::All;
        Ok(Reply::Simple("RESET"))
    }

    pub(in crate::servers::redis) fn quit(&mut self, call: &Call<'_>) -> Answer {
        self.clients[call.client.index()].leaving = Some(CloseReason::Quit);
        Ok(Reply::OK)
    }

    pub(in crate::servers::redis) fn echo(&mut self, call: &Call<'_>) -> Answer {
        Ok(Reply::bulk(call.args[1]))
    }

    pub(in crate::servers::redis) fn select(&mut self, call: &Call<'_>) -> Answer {
        let index = integer(call.args[1]).ok_or(ReplyError::NotAnInteger)?;
        if self.config.cluster == ClusterMode::SingleNode && index != 0 {
            return Err(ReplyError::Plain("SELECT is not allowed in cluster mode"));
        }
        let index = usize::try_from(index).ok().filter(|index| *index < self.config.databases);
        let index = index.ok_or(ReplyError::Plain("DB index is out of range"))?;
        self.clients[call.client.index()].database = DatabaseIndex(index);
        Ok(Reply::OK)
    }
}
