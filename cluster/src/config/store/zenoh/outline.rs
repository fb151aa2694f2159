//! Just enough of JSON5 to find words, keys and texts, also in a text that its parser refuses.

use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a number, or anything else without quotes.
    Word,
    /// In quotes, which are part of the range.
    Text,
    /// One of `{}[]:,`.
    Mark(u8),
}

/// A piece of the text, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) range: Range<usize>,
}

/// Cuts a text into its tokens; white space and comments are none.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let rest = &bytes[at..];
        let (kind, length) = match byte {
            _ if byte.is_ascii_whitespace() => (None, 1),
            b'/' if rest.starts_with(b"//") => (None, up_to(rest, b"\n")),
            b'/' if rest.starts_with(b"/*") => (None, 2 + up_to(&rest[2..], b"*/")),
            b'"' | b'\'' => (Some(Kind::Text), quoted(rest, byte)),
            _ if is_mark(byte) => (Some(Kind::Mark(byte)), 1),
            _ => (Some(Kind::Word), word(rest)),
        };
        if let Some(kind) = kind {
            tokens.push(Token { kind, range: at..at + length });
        }
        at += length;
    }
    tokens
}

fn is_mark(byte: u8) -> bool {
    b"{}[]:,".contains(&byte)
}

fn up_to(bytes: &[u8], end: &[u8]) -> usize {
    let found = bytes.windows(end.len()).position(|window| window == end);
    found.map_or(bytes.len(), |start| start + end.len())
}

/// The length with both quotes; to the end of the text if the second is missing.
fn quoted(bytes: &[u8], quote: u8) -> usize {
    let mut escaped = false;
    for (index, &byte) in bytes.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            _ if byte == quote => return index + 1,
            _ => {}
        }
    }
    bytes.len()
}

/// All delimiters are ASCII, so a word ends at a character's boundary.
fn word(bytes: &[u8]) -> usize {
    let ends = |byte: u8| byte.is_ascii_whitespace() || is_mark(byte) || matches!(byte, b'"' | b'\'' | b'/');
    let more = bytes.iter().skip(1).position(|&byte| ends(byte));
    more.map_or(bytes.len(), |more| more + 1)
}

/// Whether the token at `index` is the name of a key.
pub(super) fn is_key(tokens: &[Token], index: usize) -> bool {
    let named = matches!(tokens.get(index), Some(Token { kind: Kind::Word | Kind::Text, .. }));
    named && matches!(tokens.get(index + 1), Some(Token { kind: Kind::Mark(b':'), .. }))
}

/// A key or a text value, with the names of the keys that lead there, joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) range: Range<usize>,
}

/// Where the keys and the text values of a JSON5 text stand.
#[derive(Debug, Default)]
pub(super) struct Outline {
    pub(super) keys: Vec<Place>,
    pub(super) texts: Vec<Place>,
}

impl Outline {
    pub(super) fn of(text: &str) -> Self {
        let tokens = tokens(text);
        let mut outline = Self::default();
        // The key that each open bracket is the value of; none within a list.
        let mut open: Vec<&str> = Vec::new();
        let mut key = "";
        for (index, token) in tokens.iter().enumerate() {
            let name = unquoted(text, token);
            match token.kind {
                Kind::Mark(b'{' | b'[') => open.push(std::mem::take(&mut key)),
                Kind::Mark(b'}' | b']') => {
                    open.pop();
                    key = "";
                }
                Kind::Mark(b',') => key = "",
                Kind::Mark(_) => {}
                Kind::Word | Kind::Text => {
                    let names = open.iter().copied();
                    if is_key(&tokens, index) {
                        key = name;
                        outline.keys.push(Place { path: path(names.chain([key])), range: token.range.clone() });
                    } else if token.kind == Kind::Text {
                        outline.texts.push(Place { path: path(names.chain([key])), range: token.range.clone() });
                    }
                }
            }
        }
        outline
    }

    /// Where the key with this path stands.
    pub(super) fn key(&self, path: &str) -> Option<Range<usize>> {
        self.keys.iter().find(|key| key.path == path).map(|key| key.range.clone())
    }
}

fn path<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/")
}

/// The text of a token; of one in quotes, what is between them.
pub(super) fn unquoted<'t>(text: &'t str, token: &Token) -> &'t str {
    let raw = &text[token.range.clone()];
    match token.kind {
        Kind::Text => raw.trim_matches(['"', '\'']),
        Kind::Word | Kind::Mark(_) => raw,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words(text: &str) -> Vec<&str> {
        tokens(text).into_iter().filter(|token| token.kind != Kind::Text).map(|token| &text[token.range]).collect()
    }

    #[test]
    fn comments_and_texts_hide_what_is_in_them() {
        let text = "{ a: 1e5, // b: c\n 'it''s': \"x: \\\" y\", /* z: , */ b//c:\n: [é/*,*/] }";
        assert_eq!(words(text), ["{", "a", ":", "1e5", ",", ":", ",", "b", ":", "[", "é", "]", "}"]);
    }

    #[test]
    fn keys_and_texts_know_their_path() {
        let text = "{listen: {endpoints: {peer: ['tcp/a', \"tcp/b\"]}, exit: true}, 'mode': 'peer'}";
        let outline = Outline::of(text);
        let paths: Vec<_> = outline.keys.iter().map(|key| key.path.as_str()).collect();
        assert_eq!(paths, ["listen", "listen/endpoints", "listen/endpoints/peer", "listen/exit", "mode"]);
        let texts: Vec<_> =
            outline.texts.iter().map(|place| (place.path.as_str(), &text[place.range.clone()])).collect();
        assert_eq!(
            texts,
            [("listen/endpoints/peer", "'tcp/a'"), ("listen/endpoints/peer", "\"tcp/b\""), ("mode", "'peer'")]
        );
        assert_eq!(&text[outline.key("mode").unwrap()], "'mode'");
    }

    proptest! {
        #[test]
        fn any_text_is_cut_at_characters_and_in_order(text in "[ \\n{}\\[\\]:,/*\"'\\\\a-zé]{0,40}") {
            let mut end = 0;
            for token in tokens(&text) {
                prop_assert!(token.range.start >= end && !token.range.is_empty());
                prop_assert!(text.get(token.range.clone()).is_some());
                end = token.range.end;
            }
            Outline::of(&text);
        }
    }
}
