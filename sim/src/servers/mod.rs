//! What lives in the world beside the nodes, speaking the real wire protocols.

#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod postgres;
