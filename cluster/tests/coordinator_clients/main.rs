//! Adapters with their real clients, against servers on loopback that misbehave on purpose.

mod kafka;
mod redis;
mod redis_server;
mod watched;
