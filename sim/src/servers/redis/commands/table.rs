//! The table of commands, sorted by name.

use super::Command as C;
use super::Permit::{self, BeforeAuthentication, InTransaction, WhileSubscribed};
use super::{Call, Command, Run, collections as c, keys as k, scan, strings as s};
use crate::servers::redis::engine::Engine;
use crate::servers::redis::keyspace::Database;
use crate::servers::redis::reply::Answer;

impl Command {
    const fn on_server(name: &'static str, arity: i32, run: fn(&mut Engine, &Call<'_>) -> Answer) -> Self {
        Self { name, arity, run: Run::Server(run), permits: &[] }
    }

    const fn on_keys(name: &'static str, arity: i32, run: fn(&mut Database, &Call<'_>) -> Answer) -> Self {
        Self { name, arity, run: Run::Keys(run), permits: &[] }
    }

    const fn container(name: &'static str) -> Self {
        Self { name, arity: -2, run: Run::Container, permits: &[] }
    }

    const fn permitted(self, permits: &'static [Permit]) -> Self {
        Self { permits, ..self }
    }
}

const ANY_TIME: &[Permit] = &[BeforeAuthentication, WhileSubscribed, InTransaction];

/// Every command.
pub(in crate::servers::redis) static COMMANDS: &[Command] = &[
    C::container("acl"),
    C::on_server("acl|whoami", 2, Engine::whoami),
    C::on_keys("append", 3, s::append),
    C::on_server("asking", 1, Engine::cluster_switch),
    C::on_server("auth", -2, Engine::auth).permitted(&[BeforeAuthentication]),
    C::container("client"),
    C::on_server("client|getname", 2, Engine::client_getname),
    C::on_server("client|id", 2, Engine::client_id),
    C::on_server("client|info", 2, Engine::client_info),
    C::on_server("client|kill", -3, Engine::client_kill),
    C::on_server("client|list", -2, Engine::client_list),
    C::on_server("client|no-evict", 3, Engine::client_no_evict),
    C::on_server("client|reply", 3, Engine::client_reply),
    C::on_server("client|setname", 3, Engine::client_setname),
    C::on_server("client|trackinginfo", 2, Engine::client_trackinginfo),
    C::container("cluster"),
    C::on_server("cluster|info", 2, Engine::cluster_info),
    C::on_server("cluster|keyslot", 3, Engine::cluster_keyslot),
    C::on_server("cluster|myid", 2, Engine::cluster_myid),
    C::on_server("cluster|nodes", 2, Engine::cluster_nodes),
    C::on_server("cluster|shards", 2, Engine::cluster_shards),
    C::on_server("cluster|slots", 2, Engine::cluster_slots),
    C::on_server("command", -1, Engine::command_all),
    C::on_server("command|count", 2, Engine::command_count),
    C::on_server("command|info", -2, Engine::command_info),
    C::on_server("command|list", -2, Engine::command_list),
    C::container("config"),
    C::on_server("config|get", -3, Engine::config_get),
    C::on_keys("dbsize", 1, k::dbsize),
    C::on_keys("decr", 2, s::decr),
    C::on_keys("decrby", 3, s::decrby),
    C::on_keys("del", -2, k::del),
    C::on_server("discard", 1, Engine::discard).permitted(&[InTransaction]),
    C::on_server("echo", 2, Engine::echo),
    C::on_server("exec", 1, Engine::exec).permitted(&[InTransaction]),
    C::on_keys("exists", -2, k::exists),
    C::on_keys("expire", -3, k::expire),
    C::on_server("flushall", -1, Engine::flush_all),
    C::on_keys("flushdb", -1, k::flushdb),
    C::on_keys("get", 2, s::get),
    C::on_keys("getdel", 2, s::getdel),
    C::on_keys("getrange", 4, s::getrange),
    C::on_keys("getset", 3, s::getset),
    C::on_keys("hdel", -3, c::hdel),
    C::on_server("hello", -1, Engine::hello).permitted(&[BeforeAuthentication]),
    C::on_keys("hexists", 3, c::hexists),
    C::on_keys("hget", 3, c::hget),
    C::on_keys("hgetall", 2, c::hgetall),
    C::on_keys("hincrby", 4, c::hincrby),
    C::on_keys("hkeys", 2, c::hkeys),
    C::on_keys("hlen", 2, c::hlen),
    C::on_keys("hmget", -3, c::hmget),
    C::on_keys("hmset", -4, c::hmset),
    C::on_keys("hset", -4, c::hset),
    C::on_keys("hvals", 2, c::hvals),
    C::on_keys("incr", 2, s::incr),
    C::on_keys("incrby", 3, s::incrby),
    C::on_server("info", -1, Engine::info),
    C::on_keys("keys", 2, k::keys),
    C::on_keys("lindex", 3, c::lindex),
    C::on_keys("llen", 2, c::llen),
    C::on_keys("lpop", 2, c::lpop),
    C::on_keys("lpush", -3, c::lpush),
    C::on_keys("lrange", 4, c::lrange),
    C::on_keys("mget", -2, s::mget),
    C::on_keys("mset", -3, s::mset),
    C::on_keys("msetnx", -3, s::msetnx),
    C::on_server("multi", 1, Engine::multi).permitted(&[InTransaction]),
    C::on_keys("persist", 2, k::persist),
    C::on_keys("pexpire", -3, k::pexpire),
    C::on_server("ping", -1, Engine::ping).permitted(&[WhileSubscribed]),
    C::on_keys("psetex", 4, s::psetex),
    C::on_server("psubscribe", -2, Engine::psubscribe).permitted(&[WhileSubscribed]),
    C::on_keys("pttl", 2, k::pttl),
    C::on_server("publish", 3, Engine::publish_channel),
    C::container("pubsub"),
    C::on_server("pubsub|channels", -2, Engine::pubsub_channels),
    C::on_server("pubsub|numpat", 2, Engine::pubsub_numpat),
    C::on_server("pubsub|numsub", -2, Engine::pubsub_numsub),
    C::on_server("pubsub|shardchannels", -2, Engine::pubsub_shard_channels),
    C::on_server("pubsub|shardnumsub", -2, Engine::pubsub_shard_numsub),
    C::on_server("punsubscribe", -1, Engine::punsubscribe).permitted(&[WhileSubscribed]),
    C::on_server("quit", -1, Engine::quit).permitted(ANY_TIME),
    C::on_server("readonly", 1, Engine::cluster_switch),
    C::on_server("readwrite", 1, Engine::cluster_switch),
    C::on_keys("rename", 3, k::rename),
    C::on_server("reset", 1, Engine::reset).permitted(ANY_TIME),
    C::on_keys("rpop", 2, c::rpop),
    C::on_keys("rpush", -3, c::rpush),
    C::on_keys("sadd", -3, c::sadd),
    C::on_keys("scan", -2, scan::scan),
    C::on_keys("scard", 2, c::scard),
    C::on_server("select", 2, Engine::select),
    C::on_keys("set", -3, s::set),
    C::on_keys("setex", 4, s::setex),
    C::on_keys("setnx", 3, s::setnx),
    C::on_keys("sismember", 3, c::sismember),
    C::on_keys("smembers", 2, c::smembers),
    C::on_server("spublish", 3, Engine::publish_shard),
    C::on_keys("srem", -3, c::srem),
    C::on_keys("sscan", -3, scan::sscan),
    C::on_server("ssubscribe", -2, Engine::ssubscribe).permitted(&[WhileSubscribed]),
    C::on_keys("strlen", 2, s::strlen),
    C::on_server("subscribe", -2, Engine::subscribe).permitted(&[WhileSubscribed]),
    C::on_server("sunsubscribe", -1, Engine::sunsubscribe).permitted(&[WhileSubscribed]),
    C::on_keys("ttl", 2, k::ttl),
    C::on_keys("type", 2, k::type_of),
    C::on_keys("unlink", -2, k::del),
    C::on_server("unsubscribe", -1, Engine::unsubscribe).permitted(&[WhileSubscribed]),
    C::on_server("unwatch", 1, Engine::stop_watching),
    C::on_server("watch", -2, Engine::watch).permitted(&[InTransaction]),
];
