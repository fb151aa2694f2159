//! Handing the gate's state to a helper thread and back.

use super::{HOT, TABLE, Table};

/// The gate's state on its way between the simulation's thread and a helper thread.
pub(crate) struct Lent {
    table: Table,
    current: u32,
    escaped: u64,
    polls: u64,
}

/// Takes this thread's state, to be installed by [`Lent::install`] on the thread it waits for.
pub(crate) fn lend() -> Lent {
    let table = TABLE.replace(Table::new());
    HOT.with(|hot| Lent { table, current: hot.current.get(), escaped: hot.escaped.get(), polls: hot.polls.get() })
}

impl Lent {
    /// Makes this thread the one that holds the state.
    pub(crate) fn install(self) {
        let _placeholder = TABLE.replace(self.table);
        HOT.with(|hot| {
            hot.current.set(self.current);
            hot.escaped.set(self.escaped);
            hot.polls.set(self.polls);
        });
    }
}

/// Marks this thread as a helper for the rest of its life.
pub(crate) fn become_helper() {
    HOT.with(|hot| hot.helper.set(true));
}
