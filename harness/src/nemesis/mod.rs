//! What goes wrong: entries of a scenario become a plan, and only the plan touches the world.
//!
//! [`resolve`] turns every `[[fault]]` into [`PlannedFault`](squall_sim::fault::PlannedFault)s: random times and victims
//! are drawn here, from the seed, and nowhere later. A fault comes with what undoes it, at the latest at the end of the
//! chaos phase. Two faults never hold the same thing at once (one cuts a link that another has cut, say), because then
//! the first one's undo would end the second one too early.
//!
//! | module | holds |
//! |---|---|
//! | `topology`, `hosts` | the hosts there are, and sets of them |
//! | `target`, `links` | whom a fault strikes: hosts, or links between them |
//! | `effect`, `step` | what a fault does, how it is undone, what it holds meanwhile |
//! | `plan` | from entries to the plan |
//! | `draw` | randomness |
//! | the others | one kind of fault each |

mod bandwidth;
mod clock_jump;
mod draw;
mod effect;
mod hold;
mod hosts;
mod kill;
mod lame_duck;
mod links;
mod loss;
mod partition;
mod pause;
mod plan;
mod power_loss;
mod reset;
mod skew;
mod slow_link;
mod spec;
mod step;
mod store_die;
mod store_serialization;
mod store_slow;
mod target;
mod topology;

pub use plan::{inapplicable, resolve};
pub(crate) use spec::FaultEntry;
pub use spec::{FAULTS, FaultSpec, When};
pub use topology::Topology;
