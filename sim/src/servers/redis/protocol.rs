//! Requests of clients, as bytes: arrays of bulk strings, and the inline form that people type.

use std::ops::Range;

use memchr::memchr;

/// Bytes a line without its end may have.
const LINE_MAX: usize = 64 * 1024;
/// Arguments, and bytes of each, that a client may send before it has authenticated.
const STRANGER_ARGUMENTS_MAX: i64 = 10;
const STRANGER_BULK_MAX: i64 = 16 * 1024;

/// Whether a client may send large requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Known,
    Stranger,
}

/// What the beginning of a client's bytes is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A request of this many bytes.
    Request { arguments: Arguments, taken: usize },
    /// At least this many bytes are missing.
    Incomplete { missing: usize },
}

/// The arguments of one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Arguments {
    /// Where they are in the input; none for a request that asks nothing.
    Places(Vec<Range<usize>>),
    /// An inline request, unquoted.
    Inline(Vec<Vec<u8>>),
}

/// What is wrong with a request, in the words of the answer; the connection ends with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("too big mbulk count string")]
    LongCount,
    #[error("invalid multibulk length")]
    Count,
    #[error("unauthenticated multibulk length")]
    StrangerCount,
    #[error("too big bulk count string")]
    LongLength,
    #[error("expected '$', got '{}'", char::from(*.0))]
    NoBulk(u8),
    #[error("invalid bulk length")]
    Length,
    #[error("unauthenticated bulk length")]
    StrangerLength,
    #[error("too big inline request")]
    LongInline,
    #[error("unbalanced quotes in request")]
    Quotes,
}

/// Reads the request at the start of the input, which is not empty.
pub(super) fn parse(input: &[u8], standing: Standing, bulk_max: usize) -> Result<Step, ProtocolError> {
    if input[0] == b'*' { parse_array(input, standing, bulk_max) } else { parse_inline(input) }
}

/// The line that starts at `from`, without its end, and where the next one starts.
fn line(input: &[u8], from: usize, too_long: ProtocolError) -> Result<Option<(&[u8], usize)>, ProtocolError> {
    let rest = &input[from..];
    match memchr(b'\r', rest) {
        // The byte behind is taken for the line feed, whatever it is.
        Some(end) if end + 2 <= rest.len() => Ok(Some((&rest[..end], from + end + 2))),
        None if rest.len() > LINE_MAX => Err(too_long),
        _ => Ok(None),
    }
}

const INCOMPLETE: Step = Step::Incomplete { missing: 1 };

fn parse_array(input: &[u8], standing: Standing, bulk_max: usize) -> Result<Step, ProtocolError> {
    let Some((count, mut at)) = line(input, 0, ProtocolError::LongCount)? else {
        return Ok(INCOMPLETE);
    };
    let count = integer(&count[1..]).filter(|count| *count <= i64::from(i32::MAX)).ok_or(ProtocolError::Count)?;
    if standing == Standing::Stranger && count > STRANGER_ARGUMENTS_MAX {
        return Err(ProtocolError::StrangerCount);
    }
    let mut places = Vec::with_capacity(count.clamp(0, 64) as usize);
    for _ in 0..count {
        let Some(first) = input.get(at) else {
            return Ok(INCOMPLETE);
        };
        let Some((length, start)) = line(input, at, ProtocolError::LongLength)? else {
            return Ok(INCOMPLETE);
        };
        if *first != b'$' {
            return Err(ProtocolError::NoBulk(*first));
        }
        let length = integer(&length[1..])
            .filter(|length| usize::try_from(*length).is_ok_and(|length| length <= bulk_max))
            .ok_or(ProtocolError::Length)?;
        if standing == Standing::Stranger && length > STRANGER_BULK_MAX {
            return Err(ProtocolError::StrangerLength);
        }
        let end = start + length as usize;
        at = end + 2;
        if at > input.len() {
            return Ok(Step::Incomplete { missing: at - input.len() });
        }
        places.push(start..end);
    }
    Ok(Step::Request { arguments: Arguments::Places(places), taken: at })
}

fn parse_inline(input: &[u8]) -> Result<Step, ProtocolError> {
    let Some(end) = memchr(b'\n', input) else {
        return if input.len() > LINE_MAX { Err(ProtocolError::LongInline) } else { Ok(INCOMPLETE) };
    };
    let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
    let arguments = split_quoted(line).ok_or(ProtocolError::Quotes)?;
    Ok(Step::Request { arguments: Arguments::Inline(arguments), taken: end + 1 })
}

/// A decimal number as Redis reads one: no plus, no blanks, no needless zero.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let plain = match digits {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if plain { std::str::from_utf8(text).ok()?.parse().ok() } else { None }
}

/// Splits a line at blanks, quotes respected; nothing if they do not match.
fn split_quoted(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return Some(words);
        }
        let (word, behind) = word(rest)?;
        words.push(word);
        rest = behind;
    }
}

fn word(mut rest: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut word = Vec::new();
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            byte if byte.is_ascii_whitespace() || *byte == 0 => return Some((word, behind)),
            b'"' => return closed(double_quoted(behind, &mut word)?, word),
            b'\'' => return closed(single_quoted(behind, &mut word)?, word),
            byte => {
                word.push(*byte);
                behind
            }
        };
    }
    Some((word, rest))
}

/// A quote must be followed by a blank, or by nothing.
fn closed(behind: &[u8], word: Vec<u8>) -> Option<(Vec<u8>, &[u8])> {
    behind.first().is_none_or(u8::is_ascii_whitespace).then_some((word, behind))
}

fn single_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        match rest {
            [b'\'', behind @ ..] => return Some(behind),
            [b'\\', b'\'', behind @ ..] => {
                word.push(b'\'');
                rest = behind;
            }
            [byte, behind @ ..] => {
                word.push(*byte);
                rest = behind;
            }
            [] => return None,
        }
    }
}

fn double_quoted<'a>(mut rest: &'a [u8], word: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        rest = match rest {
            [b'"', behind @ ..] => return Some(behind),
            [b'\\', b'x', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or(0) as u8;
                word.push(digit(high) * 16 + digit(low));
                behind
            }
            [b'\\', byte, behind @ ..] => {
                word.push(match byte {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    byte => *byte,
                });
                behind
            }
            [byte, behind @ ..] => {
                word.push(*byte);
                behind
            }
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(input: &[u8]) -> Result<Step, ProtocolError> {
        parse(input, Standing::Known, 512 << 20)
    }

    fn inline(line: &str) -> Option<Vec<String>> {
        match known(format!("{line}\r\n").as_bytes()) {
            Ok(Step::Request { arguments: Arguments::Inline(words), .. }) => {
                Some(words.into_iter().map(|word| String::from_utf8(word).unwrap()).collect())
            }
            _ => None,
        }
    }

    #[test]
    fn inline_requests_know_quotes() {
        assert_eq!(inline(r#" set  "a b" 'it\'s' "\x41\n" "#).unwrap(), ["set", "a b", "it's", "A\n"]);
        assert_eq!(inline("").unwrap(), Vec::<String>::new());
        assert_eq!(inline(r#""a"b"#), None);
        assert_eq!(inline("'a"), None);
    }

    #[test]
    fn numbers_have_one_form() {
        for (text, number) in [("0", Some(0)), ("-12", Some(-12)), ("9223372036854775807", Some(i64::MAX))] {
            assert_eq!(integer(text.as_bytes()), number);
        }
        for text in ["", "-", "-0", "01", "+1", " 1", "1 ", "9223372036854775808", "x"] {
            assert_eq!(integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn strangers_may_not_send_much() {
        let stranger = |input: &[u8]| parse(input, Standing::Stranger, 512 << 20);
        assert_eq!(stranger(b"*11\r\n"), Err(ProtocolError::StrangerCount));
        assert_eq!(stranger(b"*1\r\n$16385\r\n"), Err(ProtocolError::StrangerLength));
        assert_eq!(stranger(b"*1\r\n$16384\r\n"), Ok(Step::Incomplete { missing: 16386 }));
        assert_eq!(known(b"*11\r\n"), Ok(INCOMPLETE));
    }

    proptest! {
        #[test]
        fn a_request_is_read_back_however_little_arrives(
            arguments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            cut in 0.0..1.0,
        ) {
            let mut input = format!("*{}\r\n", arguments.len()).into_bytes();
            for argument in &arguments {
                input.extend(format!("${}\r\n", argument.len()).bytes());
                input.extend(argument);
                input.extend(b"\r\n");
            }
            let part = 1 + ((input.len() - 1) as f64 * cut) as usize;
            if part < input.len() {
                let Ok(Step::Incomplete { missing }) = known(&input[..part]) else {
                    panic!("a part is no request");
                };
                prop_assert!(missing <= input.len() - part);
            }
            let Ok(Step::Request { arguments: Arguments::Places(places), taken }) = known(&input) else {
                panic!("the whole is a request");
            };
            prop_assert_eq!(taken, input.len());
            let read: Vec<&[u8]> = places.into_iter().map(|place| &input[place]).collect();
            prop_assert_eq!(read, arguments);
        }

        #[test]
        fn no_bytes_make_it_panic(input in prop::collection::vec(any::<u8>(), 1..200)) {
            let _outcome = known(&input);
        }
    }
}
