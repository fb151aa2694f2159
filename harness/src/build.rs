//! From a scenario's words to what they name.

use crate::checker::{self, Checker, Constructor, FanOutBounds};
use crate::scenario::CheckSpec;

/// The checker a scenario asks for; `None` for those that judge every run anyway.
pub(crate) fn checker(spec: &CheckSpec) -> Option<Box<dyn Checker>> {
    let constructor = checker::find(spec.name())?.constructor;
    match (constructor, spec) {
        (Constructor::Limit(make), CheckSpec::BlocklistConverges { within }) => Some(make(*within)),
        (Constructor::Limit(make), CheckSpec::Exposure { max }) => Some(make(*max)),
        (Constructor::FanOut(make), CheckSpec::FanOut { p50, p99, last_p99 }) => {
            Some(make(FanOutBounds { p50: *p50, p99: *p99, last_p99: *last_p99 }))
        }
        (Constructor::Plain(make), _) => Some(make()),
        (Constructor::AlwaysOn(_) | Constructor::Limit(_) | Constructor::FanOut(_), _) => None,
    }
}
