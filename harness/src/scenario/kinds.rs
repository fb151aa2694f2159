//! The rule of `[[workload]]`, `[[fault]]` and `[[check]]`: each entry holds exactly one kind.

use super::error::Complaint;
use std::ops::Range;

/// Complains unless exactly one kind is set; the names say what could have been.
pub(crate) fn exactly_one(
    list: &str,
    entry: Range<usize>,
    set: &[(&'static str, Range<usize>)],
    names: &[&str],
) -> Result<(), Complaint> {
    let choices = || format!("one of: {}", names.join(", "));
    match set {
        [_] => Ok(()),
        [] => Err(Complaint::at(entry, format!("this [[{list}]] has no kind: expected exactly one")).help(choices())),
        [(first, _), (second, span), ..] => Err(Complaint::at(
            span.clone(),
            format!("this [[{list}]] has the kinds `{first}` and `{second}`: expected exactly one"),
        )
        .help(format!("write a [[{list}]] of its own for `{second}`"))),
    }
}
