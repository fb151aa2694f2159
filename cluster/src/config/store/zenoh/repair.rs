//! Quotes the role names that the documented example leaves bare.

use super::outline::{Kind, Token, is_key, tokens, unquoted};
use std::ops::Range;

/// The words that Zenoh's configuration takes for the role of a node, in `mode` and `autoconnect`.
const ROLES: [&str; 3] = ["peer", "client", "router"];

/// A role without the quotes that JSON5 wants around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BareRole {
    /// Where it stands in the text as it was written.
    pub(super) range: Range<usize>,
    /// How it is to be written.
    pub(super) correct: String,
}

/// A text with its bare roles in quotes.
///
/// In the place of a value, JSON5 knows no bare word but `true`, `false`, `null`, `Infinity` and `NaN`: the repair touches nothing
/// that has a meaning without it, and whether a role may stand there is still judged afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repaired {
    pub(super) text: String,
    pub(super) roles: Vec<BareRole>,
}

impl Repaired {
    /// The text as it is.
    pub(super) fn untouched(text: &str) -> Self {
        Self { text: text.to_owned(), roles: Vec::new() }
    }

    pub(super) fn of(text: &str) -> Self {
        let tokens = tokens(text);
        let mut repaired = String::with_capacity(text.len());
        let mut roles = Vec::new();
        let mut copied = 0;
        for (index, token) in tokens.iter().enumerate() {
            let name = &text[token.range.clone()];
            if token.kind != Kind::Word || !ROLES.contains(&name) || !is_value(&tokens, index) {
                continue;
            }
            repaired.push_str(&text[copied..token.range.start]);
            repaired.push_str(&format!("\"{name}\""));
            copied = token.range.end;
            let correct = match key_of(text, &tokens, index) {
                Some(key) => format!("{key}: \"{name}\""),
                None => format!("\"{name}\""),
            };
            roles.push(BareRole { range: token.range.clone(), correct });
        }
        repaired.push_str(&text[copied..]);
        Self { text: repaired, roles }
    }

    /// Where a byte of the repaired text stands in the one that was written.
    pub(super) fn written(&self, repaired: usize) -> usize {
        let mut quotes = 0;
        for role in &self.roles {
            let opening = role.range.start + quotes;
            let closing = role.range.end + quotes + 1;
            quotes += usize::from(repaired > opening) + usize::from(repaired > closing);
        }
        repaired - quotes
    }
}

fn is_value(tokens: &[Token], index: usize) -> bool {
    let before = index.checked_sub(1).and_then(|before| tokens.get(before));
    let starts = matches!(before, Some(Token { kind: Kind::Mark(b':' | b'[' | b','), .. }));
    starts && !is_key(tokens, index)
}

/// The name of the key whose value is the token at `index`.
fn key_of<'t>(text: &'t str, tokens: &[Token], index: usize) -> Option<&'t str> {
    let key = index.checked_sub(2)?;
    let keyed = is_key(tokens, key);
    keyed.then(|| unquoted(text, &tokens[key]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn repaired(text: &str) -> String {
        Repaired::of(text).text
    }

    #[test]
    fn bare_roles_in_the_place_of_a_value_are_quoted() {
        assert_eq!(repaired("{mode: peer}"), "{mode: \"peer\"}");
        assert_eq!(repaired("{mode : /* or */ client,}"), "{mode : /* or */ \"client\",}");
        assert_eq!(
            repaired("{autoconnect: {router: [], peer: [router, 'peer']}}"),
            "{autoconnect: {router: [], peer: [\"router\", 'peer']}}"
        );
        assert_eq!(Repaired::of("{mode: peer}").roles[0].correct, "mode: \"peer\"");
        assert_eq!(Repaired::of("[router]").roles[0].correct, "\"router\"");
    }

    #[test]
    fn keys_texts_comments_and_other_words_stay() {
        for text in [
            "{peer: 1, router: [], client: {}}",
            "{mode: 'peer', id: \"mode: peer\"}",
            "{mode: null, // mode: peer\n}",
            "{mode: peers, other: peer-to-peer, third: Peer}",
        ] {
            assert_eq!(Repaired::of(text), Repaired::untouched(text));
        }
    }

    proptest! {
        #[test]
        fn places_are_found_again(gaps in prop::collection::vec("[a-z ]{0,5}", 1..6)) {
            let text: String = gaps.iter().map(|gap| format!("\"{gap}\": peer, ")).collect();
            let repaired = Repaired::of(&text);
            prop_assert_eq!(repaired.roles.len(), gaps.len());
            for (at, found) in repaired.text.char_indices().filter(|(_, found)| *found != '"') {
                prop_assert_eq!(text[repaired.written(at)..].chars().next(), Some(found));
            }
        }
    }
}
