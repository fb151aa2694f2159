//! Every command, by name.
//!
//! - `table`: names, numbers of arguments, and who may give a command when
//! - `strings`, `collections`, `keys`: what commands do to the keyspace

mod collections;
mod keys;
mod scan;
mod strings;
mod table;

use tokio::time::Instant;

use super::engine::Engine;
use super::keyspace::Database;
use super::reply::{Answer, ReplyError};
use crate::servers::common::machine::ClientKey;

pub(super) use keys::flush_mode;
pub(super) use table::COMMANDS;

/// One command, or one subcommand under the name `command|subcommand`.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) name: &'static str,
    /// Words of a request, the command included; negative if there may be more.
    pub(super) arity: i32,
    pub(super) run: Run,
    permits: &'static [Permit],
}

/// A situation in which a command is welcome though most are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Permit {
    BeforeAuthentication,
    /// By a RESP2 client with subscriptions.
    WhileSubscribed,
    /// At once, instead of at the end of the transaction.
    InTransaction,
}

/// What a command works on.
#[derive(Debug)]
pub(super) enum Run {
    Server(fn(&mut Engine, &Call<'_>) -> Answer),
    Keys(fn(&mut Database, &Call<'_>) -> Answer),
    /// Nothing without a subcommand.
    Container,
}

/// One command as a client gave it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) client: ClientKey,
    pub(super) command: &'static Command,
    /// The words of the request, the command first.
    pub(super) args: &'a [&'a [u8]],
    pub(super) now: Instant,
}

impl Command {
    pub(super) fn permits(&self, permit: Permit) -> bool {
        self.permits.contains(&permit)
    }
}

/// Text of a client, shortened, as an error quotes it.
fn quote(text: &[u8], max: usize) -> String {
    String::from_utf8_lossy(&text[..text.len().min(max)]).into_owned()
}

/// The command of a request, if it exists and has the right number of words.
pub(super) fn find(args: &[&[u8]]) -> Result<&'static Command, ReplyError> {
    let mut command = by_name(args[0]).ok_or_else(|| unknown_command(args))?;
    if let Some(word) = args.get(1)
        && has_subcommands(command)
    {
        let name = [command.name.as_bytes(), b"|", word].concat();
        command = by_name(&name).ok_or_else(|| {
            let container = command.name.to_uppercase();
            ReplyError::Said(format!("ERR unknown subcommand '{}'. Try {container} HELP.", quote(word, 128)))
        })?;
    }
    let words = args.len() as i32;
    let fits = if command.arity > 0 { words == command.arity } else { words >= -command.arity };
    if fits { Ok(command) } else { Err(ReplyError::Arity(command.name)) }
}

fn by_name(name: &[u8]) -> Option<&'static Command> {
    let lower = name.to_ascii_lowercase();
    let place = COMMANDS.binary_search_by(|command| command.name.as_bytes().cmp(&lower)).ok()?;
    Some(&COMMANDS[place])
}

fn has_subcommands(command: &Command) -> bool {
    matches!(command.run, Run::Container) || command.name == "command"
}

fn unknown_command(args: &[&[u8]]) -> ReplyError {
    let mut shown = String::new();
    for arg in &args[1..] {
        if shown.len() >= 128 {
            break;
        }
        shown += &format!("'{}' ", quote(arg, 128 - shown.len()));
    }
    ReplyError::Said(format!("ERR unknown command '{}', with args beginning with: {shown}", quote(args[0], 128)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted() {
        for pair in COMMANDS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{} stands before {}", pair[0].name, pair[1].name);
        }
    }

    #[test]
    fn every_subcommand_has_its_container() {
        for command in COMMANDS {
            if let Some((container, _)) = command.name.split_once('|') {
                assert!(by_name(container.as_bytes()).is_some_and(has_subcommands), "{}", command.name);
            }
        }
    }
}
