//! Queue groups by name and by number.

use std::collections::BTreeMap;

use crate::servers::nats::subject::GroupId;

#[derive(Debug)]
struct Group {
    id: GroupId,
    members: usize,
}

/// The queue groups that have members, numbered in the order in which they came into being.
#[derive(Debug, Default)]
pub(super) struct Groups {
    by_name: BTreeMap<Box<[u8]>, Group>,
    names: BTreeMap<GroupId, Box<[u8]>>,
    next: u32,
}

impl Groups {
    pub(super) fn name(&self, id: GroupId) -> Option<&[u8]> {
        self.names.get(&id).map(|name| &name[..])
    }

    pub(super) fn join(&mut self, name: &[u8]) -> GroupId {
        if let Some(group) = self.by_name.get_mut(name) {
            group.members += 1;
            return group.id;
        }
        let id = GroupId(self.next);
        self.next += 1;
        self.by_name.insert(name.into(), Group { id, members: 1 });
        self.names.insert(id, name.into());
        id
    }

    pub(super) fn leave(&mut self, id: GroupId) {
        let Some(name) = self.names.get(&id) else {
            return;
        };
        let Some(group) = self.by_name.get_mut(name) else {
            return;
        };
        group.members -= 1;
        if group.members == 0 {
            self.by_name.remove(name);
            self.names.remove(&id);
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty() && self.names.is_empty()
    }
}
