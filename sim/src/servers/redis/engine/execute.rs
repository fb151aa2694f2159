//! From bytes of a client to commands and their answers.

use bytes::BytesMut;
use tokio::time::Instant;

use super::Engine;
use crate::servers::common::machine::ClientKey;
use crate::servers::redis::client::{Answers, CloseReason, Identity, Transaction};
use crate::servers::redis::commands::{self, Call, Command, Permit, Run};
use crate::servers::redis::protocol::{self, Arguments, ProtocolError, Standing, Step};
use crate::servers::redis::reply::{Reply, ReplyError, Version};

impl Engine {
    /// Does what the client's requests ask, as far as they are complete.
    pub(super) fn take_requests(&mut self, key: ClientKey, input: &mut BytesMut, now: Instant) -> usize {
        let mut missing = 1;
        while !input.is_empty() {
            let client = &self.clients[key.index()];
            if !client.lane.is_open() {
                input.clear();
                break;
            }
            let standing = if client.identity == Identity::Unknown { Standing::Stranger } else { Standing::Known };
            match protocol::parse(input, standing, self.config.limits.max_bulk) {
                Ok(Step::Request { arguments, taken }) => {
                    let request = input.split_to(taken);
                    let words: Vec<&[u8]> = match &arguments {
                        Arguments::Places(places) => places.iter().map(|place| &request[place.clone()]).collect(),
                        Arguments::Inline(words) => words.iter().map(Vec::as_slice).collect(),
                    };
                    if !words.is_empty() {
                        self.execute(key, &words, now);
                    }
                }
                Ok(Step::Incomplete { missing: bytes }) if input.len() <= self.config.limits.query_buffer => {
                    missing = bytes;
                    break;
                }
                Ok(Step::Incomplete { .. }) => self.close(key, CloseReason::QueryBufferLimit),
                Err(error) => self.reject_protocol(key, &error, now),
            }
        }
        missing
    }

    fn reject_protocol(&mut self, key: ClientKey, error: &ProtocolError, now: Instant) {
        let said = ReplyError::Said(format!("ERR Protocol error: {error}"));
        self.send(key, &said.into(), now);
        self.close_behind_output(key, CloseReason::ProtocolError);
    }

    fn execute(&mut self, key: ClientKey, args: &[&[u8]], now: Instant) {
        self.stats.commands += 1;
        let client = &mut self.clients[key.index()];
        client.last_active = now;
        let before = client.answers;
        let reply = self.answer(key, args, now);
        let client = &mut self.clients[key.index()];
        match client.answers {
            Answers::All => self.send(key, &reply, now),
            // The command that asks for silence is silent itself, and so is the one behind it.
            Answers::SkipNext if before == Answers::SkipNext => client.answers = Answers::All,
            Answers::SkipNext | Answers::None => {}
        }
        if let Some(reason) = self.clients[key.index()].leaving.take() {
            self.close_behind_output(key, reason);
        }
    }

    /// Runs a command, queues it for a transaction, or says why not.
    fn answer(&mut self, key: ClientKey, args: &[&[u8]], now: Instant) -> Reply {
        let command = match self.admit(key, args) {
            Ok(command) => command,
            Err(error) => {
                if let Some(transaction) = &mut self.clients[key.index()].transaction {
                    transaction.doomed = true;
                }
                return error.into();
            }
        };
        match &mut self.clients[key.index()].transaction {
            Some(Transaction { commands, .. }) if !command.permits(Permit::InTransaction) => {
                commands.push(args.iter().map(|arg| arg.to_vec()).collect());
                Reply::Simple("QUEUED")
            }
            _ => self.run(key, command, args, now),
        }
    }

    /// The command, if it exists and this client may give it now.
    fn admit(&self, key: ClientKey, args: &[&[u8]]) -> Result<&'static Command, ReplyError> {
        let command = commands::find(args)?;
        let client = &self.clients[key.index()];
        if client.identity == Identity::Unknown && !command.permits(Permit::BeforeAuthentication) {
            return Err(ReplyError::NoAuth);
        }
        let subscriber = client.version == Version::Resp2 && client.is_subscriber();
        if subscriber && !command.permits(Permit::WhileSubscribed) {
            return Err(ReplyError::Said(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET \
                 are allowed in this context",
                command.name
            )));
        }
        Ok(command)
    }

    /// Runs a command that was admitted.
    pub(super) fn run(&mut self, key: ClientKey, command: &'static Command, args: &[&[u8]], now: Instant) -> Reply {
        let client = &mut self.clients[key.index()];
        client.last_command = command.name;
        let call = Call { client: key, command, args, now };
        let answer = match command.run {
            Run::Server(run) => run(self, &call),
            Run::Keys(run) => {
                let index = client.database;
                let mut keyspace = self.disk.lock();
                let database = keyspace.database(index);
                let answer = run(database, &call);
                let touched = database.take_touched();
                drop(keyspace);
                self.note_touched(index, touched);
                answer
            }
            Run::Container => Err(ReplyError::Arity(command.name)),
        };
        answer.unwrap_or_else(Reply::Error)
    }
}
