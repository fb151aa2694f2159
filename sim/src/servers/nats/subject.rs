//! Subjects: their validity, and which subscriptions match one.

#[cfg(test)]
mod tests;

use rustc_hash::FxHashMap;

/// A subscription by its place in the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SubKey(pub u32);

/// A queue group by the order in which groups came into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroupId(pub u32);

const ANY_TOKEN: &[u8] = b"*";
const ANY_REST: &[u8] = b">";

fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> {
    subject.split(|byte| *byte == b'.')
}

/// Whether a client may subscribe to this: no empty token, and `>` only at the end.
#[must_use]
pub fn is_valid_pattern(subject: &[u8]) -> bool {
    let mut ended = false;
    tokens(subject).all(|token| {
        let valid = !token.is_empty() && !ended;
        ended = token == ANY_REST;
        valid
    })
}

/// Whether this names exactly one subject, as a pedantic client's messages must.
#[must_use]
pub fn is_valid_literal(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty()) && !has_wildcard(subject)
}

fn has_wildcard(subject: &[u8]) -> bool {
    tokens(subject).any(|token| token == ANY_TOKEN || token == ANY_REST)
}

/// Subscriptions that match one subject, in an order that depends on nothing but the calls so far.
#[derive(Debug, Default)]
pub struct Matches {
    /// Subscriptions outside queue groups.
    pub plain: Vec<SubKey>,
    /// Members of queue groups; those of one group follow one another.
    pub queued: Vec<(GroupId, SubKey)>,
}

impl Matches {
    fn clear(&mut self) {
        self.plain.clear();
        self.queued.clear();
    }
}

#[derive(Debug, Default)]
struct Entries {
    plain: Vec<SubKey>,
    queued: Vec<(GroupId, SubKey)>,
}

impl Entries {
    fn insert(&mut self, group: Option<GroupId>, key: SubKey) {
        match group {
            None => self.plain.push(key),
            Some(group) => self.queued.push((group, key)),
        }
    }

    fn remove(&mut self, group: Option<GroupId>, key: SubKey) {
        match group {
            None => self.plain.retain(|entry| *entry != key),
            Some(group) => self.queued.retain(|entry| *entry != (group, key)),
        }
    }

    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.queued.is_empty()
    }

    fn add_to(&self, matches: &mut Matches) {
        matches.plain.extend_from_slice(&self.plain);
        matches.queued.extend_from_slice(&self.queued);
    }
}

#[derive(Debug, Default)]
struct Node {
    entries: Entries,
    literal: FxHashMap<Box<[u8]>, Node>,
    any_token: Option<Box<Node>>,
    any_rest: Entries,
}

impl Node {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.literal.is_empty() && self.any_token.is_none() && self.any_rest.is_empty()
    }

    fn insert<'a>(&mut self, mut rest: impl Iterator<Item = &'a [u8]>, group: Option<GroupId>, key: SubKey) {
        let mut node = self;
        for token in rest.by_ref() {
            node = match token {
                ANY_REST => return node.any_rest.insert(group, key),
                ANY_TOKEN => node.any_token.get_or_insert_default(),
                _ => node.literal.entry(token.into()).or_default(),
            };
        }
        node.entries.insert(group, key);
    }

    /// Removes the subscription and every node that only led to it.
    fn remove(&mut self, pattern: &[u8], group: Option<GroupId>, key: SubKey) {
        let (token, rest) = match pattern.iter().position(|byte| *byte == b'.') {
            Some(dot) => (&pattern[..dot], Some(&pattern[dot + 1..])),
            None => (pattern, None),
        };
        let below = |node: &mut Node| {
            match rest {
                Some(rest) => node.remove(rest, group, key),
                None => node.entries.remove(group, key),
            }
            node.is_empty()
        };
        match token {
            ANY_REST => self.any_rest.remove(group, key),
            ANY_TOKEN => {
                if self.any_token.as_deref_mut().is_some_and(below) {
                    self.any_token = None;
                }
            }
            _ => {
                if self.literal.get_mut(token).is_some_and(below) {
                    self.literal.remove(token);
                }
            }
        }
    }

    fn collect(&self, subject: Option<&[u8]>, matches: &mut Matches) {
        let Some(subject) = subject else {
            return self.entries.add_to(matches);
        };
        let (token, rest) = match memchr::memchr(b'.', subject) {
            Some(dot) => (&subject[..dot], Some(&subject[dot + 1..])),
            None => (subject, None),
        };
        self.any_rest.add_to(matches);
        if let Some(node) = &self.any_token {
            node.collect(rest, matches);
        }
        if let Some(node) = self.literal.get(token) {
            node.collect(rest, matches);
        }
    }
}

/// All subscriptions by their patterns: subjects without wildcards in one table, the others in a trie.
///
/// Nothing ever iterates over the hash tables, so their order cannot show.
#[derive(Debug, Default)]
pub struct SubjectTree {
    literals: FxHashMap<Box<[u8]>, Entries>,
    wildcards: Node,
    wildcard_count: usize,
}

impl SubjectTree {
    /// Adds a subscription. The pattern must be valid, and the key new.
    pub fn insert(&mut self, pattern: &[u8], group: Option<GroupId>, key: SubKey) {
        debug_assert!(is_valid_pattern(pattern));
        if has_wildcard(pattern) {
            self.wildcard_count += 1;
            self.wildcards.insert(tokens(pattern), group, key);
        } else if let Some(entries) = self.literals.get_mut(pattern) {
            entries.insert(group, key);
        } else {
            self.literals.entry(pattern.into()).or_default().insert(group, key);
        }
    }

    /// Removes a subscription that was added with the same pattern and group.
    pub fn remove(&mut self, pattern: &[u8], group: Option<GroupId>, key: SubKey) {
        if has_wildcard(pattern) {
            self.wildcard_count -= 1;
            self.wildcards.remove(pattern, group, key);
        } else if let Some(entries) = self.literals.get_mut(pattern) {
            entries.remove(group, key);
            if entries.is_empty() {
                self.literals.remove(pattern);
            }
        }
    }

    /// Replaces `matches` by the subscriptions whose pattern matches the subject.
    ///
    /// Wildcards in the subject stand for themselves, and a subject with an empty token matches nothing.
    pub fn collect(&self, subject: &[u8], matches: &mut Matches) {
        matches.clear();
        if let Some(entries) = self.literals.get(subject) {
            entries.add_to(matches);
        }
        if self.wildcard_count > 0 && tokens(subject).all(|token| !token.is_empty()) {
            self.wildcards.collect(Some(subject), matches);
        }
        if matches.queued.len() > 1 {
            matches.queued.sort_by_key(|(group, _)| *group);
        }
    }
}
