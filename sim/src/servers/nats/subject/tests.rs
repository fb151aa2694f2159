use proptest::prelude::*;

use super::*;

fn matched(tree: &SubjectTree, subject: &str) -> Vec<u32> {
    let mut matches = Matches::default();
    tree.collect(subject.as_bytes(), &mut matches);
    let queued = matches.queued.iter().map(|(_, key)| key.0);
    let mut keys: Vec<u32> = matches.plain.iter().map(|key| key.0).chain(queued).collect();
    keys.sort_unstable();
    keys
}

/// The rule of the documentation, token by token.
fn naive_match(pattern: &str, subject: &str) -> bool {
    let pattern: Vec<&str> = pattern.split('.').collect();
    let subject: Vec<&str> = subject.split('.').collect();
    if subject.iter().any(|token| token.is_empty()) {
        return false;
    }
    for (at, token) in pattern.iter().enumerate() {
        match (*token, subject.get(at)) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => {}
            (token, Some(other)) if token == *other => {}
            _ => return false,
        }
    }
    pattern.len() == subject.len()
}

#[test]
fn patterns_need_tokens_and_a_final_rest() {
    for good in ["a", "a.b", "*", ">", "a.*.b", "a.>", "*.*", "a*", "a.>b"] {
        assert!(is_valid_pattern(good.as_bytes()), "{good}");
    }
    for bad in ["", ".", "a.", ".a", "a..b", ">.a", "a.>.b"] {
        assert!(!is_valid_pattern(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn literals_have_no_wildcard_token() {
    for good in ["a", "a.b", "a*", "a.b>"] {
        assert!(is_valid_literal(good.as_bytes()), "{good}");
    }
    for bad in ["", "a..b", "*", "a.>", "a.*.b"] {
        assert!(!is_valid_literal(bad.as_bytes()), "{bad}");
    }
}

#[test]
fn members_of_one_group_follow_one_another() {
    let mut tree = SubjectTree::default();
    for (key, (pattern, group)) in [("a.b", 0), ("a.*", 1), ("a.>", 0), ("a.b", 1)].into_iter().enumerate() {
        tree.insert(pattern.as_bytes(), Some(GroupId(group)), SubKey(key as u32));
    }
    let mut matches = Matches::default();
    tree.collect(b"a.b", &mut matches);
    let groups: Vec<u32> = matches.queued.iter().map(|(group, _)| group.0).collect();
    assert_eq!(groups, [0, 0, 1, 1]);
}

fn pattern() -> impl Strategy<Value = String> {
    let token = prop_oneof![4 => Just("a"), 4 => Just("b"), 2 => Just("*")];
    (prop::collection::vec(token, 0..4), any::<bool>()).prop_map(|(mut tokens, rest)| {
        if rest || tokens.is_empty() {
            tokens.push(">");
        }
        tokens.join(".")
    })
}

fn subject() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![6 => Just("a"), 6 => Just("b"), 1 => Just("*"), 1 => Just(">"), 1 => Just("")],
        1..6,
    )
    .prop_map(|tokens| tokens.join("."))
}

proptest! {
    #[test]
    fn tree_agrees_with_the_naive_matcher(
        patterns in prop::collection::vec((pattern(), prop::option::of(0_u32..3), any::<bool>()), 0..24),
        subjects in prop::collection::vec(subject(), 1..12),
    ) {
        let mut tree = SubjectTree::default();
        for (key, (pattern, group, _)) in patterns.iter().enumerate() {
            tree.insert(pattern.as_bytes(), group.map(GroupId), SubKey(key as u32));
        }
        for (key, (pattern, group, removed)) in patterns.iter().enumerate() {
            if *removed {
                tree.remove(pattern.as_bytes(), group.map(GroupId), SubKey(key as u32));
            }
        }
        for subject in &subjects {
            let expected: Vec<u32> = patterns
                .iter()
                .enumerate()
                .filter(|(_, (pattern, _, removed))| !removed && naive_match(pattern, subject))
                .map(|(key, _)| key as u32)
                .collect();
            prop_assert_eq!(matched(&tree, subject), expected, "{}", subject);
        }
    }

    #[test]
    fn removing_everything_leaves_no_node(patterns in prop::collection::vec(pattern(), 0..24)) {
        let mut tree = SubjectTree::default();
        for (key, pattern) in patterns.iter().enumerate() {
            tree.insert(pattern.as_bytes(), None, SubKey(key as u32));
        }
        for (key, pattern) in patterns.iter().enumerate() {
            tree.remove(pattern.as_bytes(), None, SubKey(key as u32));
        }
        prop_assert!(tree.literals.is_empty());
        prop_assert!(tree.wildcards.is_empty());
        prop_assert_eq!(tree.wildcard_count, 0);
    }
}
