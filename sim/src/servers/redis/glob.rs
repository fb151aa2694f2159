//! Patterns of `PSUBSCRIBE` and `KEYS`, as `stringmatch` of Redis reads them.

/// Whether the text as a whole is like the pattern: `*`, `?`, `[a-c]`, `[^x]`, and `\` before a literal.
pub(super) fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    // Where to go on if what follows the last star does not fit here.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            retry = Some((rest, text));
            continue;
        }
        match one(pattern, text) {
            Fit::End => return true,
            Fit::One(rest) => {
                pattern = rest;
                text = &text[1..];
            }
            Fit::Not => match retry {
                Some((after_star, [_, later @ ..])) => {
                    pattern = after_star;
                    text = later;
                    retry = Some((after_star, later));
                }
                _ => return false,
            },
        }
    }
}

/// How the start of a pattern, which is no star, fits the start of a text.
enum Fit<'p> {
    /// Both are at their end.
    End,
    /// One byte fits; the rest of the pattern.
    One(&'p [u8]),
    Not,
}

fn one<'p>(pattern: &'p [u8], text: &[u8]) -> Fit<'p> {
    let Some(&byte) = text.first() else {
        return if pattern.is_empty() { Fit::End } else { Fit::Not };
    };
    let (fits, rest) = match pattern {
        [] => return Fit::Not,
        [b'?', rest @ ..] => (true, rest),
        [b'[', rest @ ..] => class(rest, byte),
        [b'\\', literal, rest @ ..] => (*literal == byte, rest),
        [literal, rest @ ..] => (*literal == byte, rest),
    };
    if fits { Fit::One(rest) } else { Fit::Not }
}

/// Whether the byte is in the class whose inside starts here, and what follows the class.
fn class(mut rest: &[u8], byte: u8) -> (bool, &[u8]) {
    let negated = rest.first() == Some(&b'^');
    if negated {
        rest = &rest[1..];
    }
    let mut found = false;
    loop {
        rest = match rest {
            [b'\\', literal, behind @ ..] => {
                found |= *literal == byte;
                behind
            }
            [b']', behind @ ..] => return (found != negated, behind),
            // A class that is not closed ends with the pattern.
            [] => return (found != negated, rest),
            [a, b'-', b, behind @ ..] => {
                found |= (*a.min(b)..=*a.max(b)).contains(&byte);
                behind
            }
            [literal, behind @ ..] => {
                found |= *literal == byte;
                behind
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "news.sports", true),
            ("news.*", "news.", true),
            ("news.*", "news", false),
            ("*.*.c", "a.b.b.c", true),
            ("*.*.c", "a.c", false),
            ("h?llo", "hello", true),
            ("h?llo", "hllo", false),
            ("h[ae]llo", "hallo", true),
            ("h[ae]llo", "hillo", false),
            ("h[^e]llo", "hallo", true),
            ("h[^e]llo", "hello", false),
            ("h[a-c]llo", "hbllo", true),
            ("h[c-a]llo", "hbllo", true),
            ("h[a-c]llo", "hdllo", false),
            (r"h\*llo", "h*llo", true),
            (r"h\*llo", "hello", false),
            (r"h[\]]llo", "h]llo", true),
            ("a[", "a[", false),
            ("a[b", "ab", true),
            (r"a\", r"a\", true),
            ("a**b", "ab", true),
            ("a*b*", "a", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} on {text}");
        }
    }

    /// The obvious way, which takes exponential time.
    fn plainly(pattern: &[u8], text: &[u8]) -> bool {
        if let [b'*', rest @ ..] = pattern {
            return (0..=text.len()).any(|skip| plainly(rest, &text[skip..]));
        }
        match one(pattern, text) {
            Fit::End => true,
            Fit::One(rest) => plainly(rest, &text[1..]),
            Fit::Not => false,
        }
    }

    proptest! {
        #[test]
        fn stars_are_tried_at_every_place(pattern in "[ab?*]{0,8}", text in "[ab]{0,10}") {
            prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), plainly(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
