//! Real, unmodified zenoh peers in a world.
//!
//! | file | what |
//! |---|---|
//! | `bursts.rs` | many events at once |
//! | `scouting.rs` | the documented configuration: peers find each other by multicast |
//! | `faults.rs` | endpoints by address: kills, power loss, pauses, cuts |
//! | `lives.rs` | how sessions begin and end |
//! | `support.rs` | hosts that publish, and what they heard |

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and so do its helpers")]

mod bursts;
mod faults;
mod lives;
mod scouting;
mod support;
