//! The `[store."NAME"]` sections: one file per type.

mod kafka;
mod nats;
mod postgres;
mod redis;
mod tls;
mod zenoh;

pub use kafka::KafkaConfig;
pub use nats::{MaxReconnects, NatsConfig};
pub use postgres::PostgresConfig;
pub use redis::{RedisCluster, RedisConfig, RedisKind, RedisPool, RedisProtocol, RedisReads};
pub use tls::Authorities;
pub use zenoh::ZenohConfig;

use super::reader::Table;

/// A user and the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

fn is_empty_list(value: &toml::Spanned<toml::de::DeValue<'_>>) -> bool {
    value.get_ref().as_array().is_some_and(|list| list.is_empty())
}

/// `user` and `password`: both or neither.
fn login(table: &Table<'_, '_>) -> Option<Login> {
    match (table.string("user"), table.string("password")) {
        (Some(user), Some(password)) => Some(Login { user, password }),
        (Some(_), None) => {
            table.refuse("user", "has no `password`", "add the password, or drop both");
            None
        }
        (None, Some(_)) => {
            table.refuse("password", "has no `user`", "add the user, or drop both");
            None
        }
        (None, None) => None,
    }
}
