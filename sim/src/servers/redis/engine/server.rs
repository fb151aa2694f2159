//! Commands about the server as a whole.

use super::Engine;
use crate::servers::redis::commands::{self, COMMANDS, Call, Command};
use crate::servers::redis::config::{ClusterMode, OutputLimit};
use crate::servers::redis::glob;
use crate::servers::redis::pubsub::Kind;
use crate::servers::redis::reply::{Answer, Reply, ReplyError};

/// The sections of `INFO` that there are.
const SECTIONS: [&str; 6] = ["Server", "Clients", "Stats", "Replication", "Cluster", "Keyspace"];

fn output_limits(normal: OutputLimit, pubsub: OutputLimit) -> String {
    let text = |limit: OutputLimit| format!("{} {} {}", limit.hard, limit.soft, limit.soft_for.as_secs());
    // Replicas have the default: there are none.
    format!("normal {} slave 268435456 67108864 60 pubsub {}", text(normal), text(pubsub))
}

/// One command as `COMMAND INFO` shows it, without the flags and categories of access control.
fn describe(command: &Command) -> Reply {
    let mut fields = vec![Reply::bulk(command.name), Reply::Integer(i64::from(command.arity))];
    fields.push(Reply::Set(Vec::new()));
    fields.extend([0; 3].map(Reply::Integer));
    fields.extend([const { Vec::new() }; 3].map(Reply::Set));
    fields.push(Reply::Array(Vec::new()));
    Reply::Array(fields)
}

fn main_commands() -> impl Iterator<Item = &'static Command> {
    COMMANDS.iter().filter(|command| !command.name.contains('|'))
}

impl Engine {
    pub(in crate::servers::redis) fn info(&mut self, call: &Call<'_>) -> Answer {
        let wanted: Vec<Vec<u8>> = call.args[1..].iter().map(|name| name.to_ascii_lowercase()).collect();
        let everything = wanted.is_empty()
            || wanted.iter().any(|name| matches!(name.as_slice(), b"default" | b"all" | b"everything"));
        let mut text = String::new();
        for section in SECTIONS {
            let name = section.to_ascii_lowercase().into_bytes();
            if everything || wanted.contains(&name) {
                if !text.is_empty() {
                    text += "\r\n";
                }
                text += &format!("# {section}\r\n");
                for line in self.section(section, call) {
                    text += &line;
                    text += "\r\n";
                }
            }
        }
        Ok(Reply::Verbatim(text))
    }

    /// The lines of one section, each a field and its value.
    fn section(&self, name: &str, call: &Call<'_>) -> Vec<String> {
        let stats = &self.stats;
        match name {
            "Server" => {
                let uptime = self.started.map_or(0, |started| (call.now - started).as_secs());
                vec![
                    format!("redis_version:{}", self.config.version),
                    format!("redis_mode:{}", self.mode()),
                    "process_id:1".to_owned(),
                    format!("run_id:{}", self.run_id),
                    format!("tcp_port:{}", self.address.port()),
                    format!("uptime_in_seconds:{uptime}"),
                    format!("uptime_in_days:{}", uptime / 86_400),
                ]
            }
            "Clients" => vec![
                format!("connected_clients:{}", stats.connections),
                format!("maxclients:{}", self.config.limits.max_clients),
                "blocked_clients:0".to_owned(),
                "tracking_clients:0".to_owned(),
            ],
            "Stats" => vec![
                format!("total_connections_received:{}", stats.total_connections),
                format!("total_commands_processed:{}", stats.commands),
                format!("pubsub_channels:{}", self.registry.names(Kind::Channel).count()),
                format!("pubsub_patterns:{}", self.registry.names(Kind::Pattern).count()),
            ],
            "Replication" => vec!["role:master".to_owned(), "connected_slaves:0".to_owned()],
            "Cluster" => vec![format!("cluster_enabled:{}", u8::from(self.config.cluster == ClusterMode::SingleNode))],
            _ => self.keyspace_section(call),
        }
    }

    pub(super) fn mode(&self) -> &'static str {
        match self.config.cluster {
            ClusterMode::Disabled => "standalone",
            ClusterMode::SingleNode => "cluster",
        }
    }

    fn keyspace_section(&self, call: &Call<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        for (index, database) in self.disk.lock().databases() {
            let entries = database.live(call.now);
            if !entries.is_empty() {
                let expires = entries.values().filter(|entry| entry.expires.is_some()).count();
                lines.push(format!("db{}:keys={},expires={expires},avg_ttl=0", index.0, entries.len()));
            }
        }
        lines
    }

    pub(in crate::servers::redis) fn flush_all(&mut self, call: &Call<'_>) -> Answer {
        commands::flush_mode(call.args)?;
        let mut touched = Vec::new();
        for (index, database) in self.disk.lock().databases() {
            database.clear();
            touched.push((index, database.take_touched()));
        }
        for (index, keys) in touched {
            self.note_touched(index, keys);
        }
        Ok(Reply::OK)
    }

    fn parameters(&self) -> Vec<(&'static str, String)> {
        let limits = &self.config.limits;
        vec![
            ("appendonly", "no".to_owned()),
            ("client-output-buffer-limit", output_limits(limits.normal_output, limits.pubsub_output)),
            ("client-query-buffer-limit", limits.query_buffer.to_string()),
            ("cluster-enabled", if self.config.cluster == ClusterMode::SingleNode { "yes" } else { "no" }.to_owned()),
            ("databases", self.config.databases.to_string()),
            ("maxclients", limits.max_clients.to_string()),
            ("maxmemory", "0".to_owned()),
            ("notify-keyspace-events", String::new()),
            ("port", self.address.port().to_string()),
            ("proto-max-bulk-len", limits.max_bulk.to_string()),
            ("requirepass", self.config.password.clone().unwrap_or_default()),
            ("save", String::new()),
            ("tcp-keepalive", "300".to_owned()),
            ("timeout", "0".to_owned()),
        ]
    }

    pub(in crate::servers::redis) fn config_get(&mut self, call: &Call<'_>) -> Answer {
        let patterns: Vec<Vec<u8>> = call.args[2..].iter().map(|pattern| pattern.to_ascii_lowercase()).collect();
        let mut found = Vec::new();
        for (name, value) in self.parameters() {
            if patterns.iter().any(|pattern| glob::matches(pattern, name.as_bytes())) {
                found.extend([Reply::bulk(name), Reply::bulk(value)]);
            }
        }
        Ok(Reply::Map(found))
    }

    pub(in crate::servers::redis) fn command_all(&mut self, _: &Call<'_>) -> Answer {
        Ok(Reply::Array(main_commands().map(describe).collect()))
    }

    pub(in crate::servers::redis) fn command_count(&mut self, _: &Call<'_>) -> Answer {
        Ok(Reply::count(main_commands().count()))
    }

    pub(in crate::servers::redis) fn command_list(&mut self, call: &Call<'_>) -> Answer {
        match call.args {
            [_, _] => Ok(Reply::bulks(main_commands().map(|command| command.name))),
            _ => Err(ReplyError::Syntax),
        }
    }

    pub(in crate::servers::redis) fn command_info(&mut self, call: &Call<'_>) -> Answer {
        if call.args.len() == 2 {
            return self.command_all(call);
        }
        let described = call.args[2..].iter().map(|name| {
            let name = name.to_ascii_lowercase();
            let known = COMMANDS.iter().find(|command| command.name.as_bytes() == name);
            known.map_or(Reply::NullArray, describe)
        });
        Ok(Reply::Array(described.collect()))
    }
}
