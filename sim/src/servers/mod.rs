//! What lives in the world beside the nodes, speaking the real wire protocols.

#[cfg(any(feature = "nats", feature = "redis"))]
mod common;
#[cfg(feature = "kafka")]
pub mod kafka;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "tls")]
pub mod tls;
