//! The coordination layer of a clustered mail server: what keeps its nodes in agreement about who is blocked.
//!
//! Every node holds the whole list. Versions are ordered by a hybrid logical clock and the newest wins, so nodes that have seen the
//! same versions, in whatever order and however often, hold the same list:
//!
//! ```
//! use squall_cluster::blocklist::{Clock, Entry, List, Merge, State};
//! use squall_cluster::ids::Incarnation;
//! use std::time::Duration;
//!
//! let day = Duration::from_secs(86_400);
//! let mut clock = Clock::new(Incarnation(1));
//! let mut version = |state| Entry {
//!     net: "192.0.2.0/24".parse().unwrap(),
//!     version: clock.tick(1_000_000),
//!     state,
//! };
//! let block = version(State::Blocked { reason: "port scan".into(), expires_ms: None });
//! let unblock = version(State::Unblocked);
//!
//! let (mut here, mut there) = (List::new(vec![], day), List::new(vec![], day));
//! here.merge(block.clone());
//! assert!(here.is_blocked("192.0.2.7".parse().unwrap(), 1_000_000));
//! here.merge(unblock.clone());
//!
//! there.merge(unblock);
//! assert_eq!(there.merge(block), Merge::Stale); // too late: it was lifted since
//! assert_eq!(here.digest(), there.digest());
//! ```
//!
//! How versions travel: in force on the node that makes them, then written to the store, then broadcast. A broadcast that is missed
//! shows as a gap in the publisher's numbers, a lost link or a digest that differs; then the node reads the store again, and what the
//! store does not have either, peers send each other.
//!
//! | module | what is in it |
//! |---|---|
//! | [`node`] | boots one node and answers for it |
//! | [`config`] | the configuration file, strict |
//! | [`blocklist`] | entries, the merging list, digests, anti-entropy, and the service around them |
//! | [`events`] | what nodes tell each other, its encoding, and the tracking of gaps |
//! | [`coordinator`] | how it travels: one file per backend |
//! | [`store`] | the metadata store: PostgreSQL |
//! | [`observe`] | what a node tells whoever watches it |
//! | [`defects`] | planted defects, to prove the checkers |
//! | [`time`], [`entropy`] | the only places that ask the operating system for time and randomness |
//! | [`ids`] | node ids and incarnations |

pub mod blocklist;
pub mod config;
pub mod coordinator;
pub mod defects;
pub mod entropy;
pub mod events;
pub mod ids;
pub mod node;
pub mod observe;
pub mod store;
pub mod time;
