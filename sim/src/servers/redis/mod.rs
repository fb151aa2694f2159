//! A Redis server, as far as the `redis` crate uses one.
