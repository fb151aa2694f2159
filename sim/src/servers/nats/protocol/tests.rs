use proptest::prelude::*;

use super::*;

const LIMITS: ParseLimits = ParseLimits { control_line: 64, payload: 128 };

/// Every operation of a stream that arrives in these pieces, as text, and the error that ends it.
fn parse_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Option<ProtocolError>, usize) {
    let mut buffer = Vec::new();
    let mut ops = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match parse(&buffer, &LIMITS) {
                Ok(Step::Op(op, taken)) => {
                    ops.push(format!("{op:?}"));
                    buffer.drain(..taken);
                }
                Ok(Step::Incomplete(missing)) => {
                    assert!(missing > 0);
                    break;
                }
                Err(error) => return (ops, Some(error), 0),
            }
        }
    }
    (ops, None, buffer.len())
}

fn parse_all(input: &[u8]) -> (Vec<String>, Option<ProtocolError>, usize) {
    parse_pieces([input])
}

fn only_op(input: &[u8]) -> ClientOp<'_> {
    match parse(input, &LIMITS) {
        Ok(Step::Op(op, taken)) if taken == input.len() => op,
        other => panic!("{other:?}"),
    }
}

#[test]
fn operations_of_the_documentation_are_understood() {
    assert_eq!(only_op(b"CONNECT {}\r\n"), ClientOp::Connect(b"{}"));
    assert_eq!(only_op(b"ping\r\n"), ClientOp::Ping);
    assert_eq!(only_op(b"PONG\n"), ClientOp::Pong);
    assert_eq!(only_op(b"SUB a.* 1\r\n"), ClientOp::Subscribe { pattern: b"a.*", queue: None, sid: b"1" });
    assert_eq!(only_op(b"sub\ta  q 7\r\n"), ClientOp::Subscribe { pattern: b"a", queue: Some(b"q"), sid: b"7" });
    assert_eq!(only_op(b"UNSUB 1\r\n"), ClientOp::Unsubscribe { sid: b"1", max: None });
    assert_eq!(only_op(b"UNSUB 1 5\r\n"), ClientOp::Unsubscribe { sid: b"1", max: Some(5) });
}

#[test]
fn a_message_keeps_reply_headers_and_body() {
    let ClientOp::Publish(message) = only_op(b"HPUB a.b r 12 15\r\nNATS/1.0\r\n\r\nabc\r\n") else {
        panic!("a message")
    };
    assert_eq!((message.subject, message.reply), (&b"a.b"[..], Some(&b"r"[..])));
    assert_eq!(body(&message, HeaderSupport::Full), b"NATS/1.0\r\n\r\nabc\r\n");
    assert_eq!(body(&message, HeaderSupport::None), b"abc\r\n");
    let mut line = MessageLine::default();
    line.prepare(&message, HeaderSupport::Full);
    assert_eq!(line.parts(b"9").concat(), b"HMSG a.b 9 r 12 15\r\n");
    line.prepare(&message, HeaderSupport::None);
    assert_eq!(line.parts(b"9").concat(), b"MSG a.b 9 r 3\r\n");
}

#[test]
fn a_message_without_reply_has_none_in_its_line() {
    let ClientOp::Publish(message) = only_op(b"PUB a 003\r\nabc\r\n") else { panic!("a message") };
    let mut line = MessageLine::default();
    line.prepare(&message, HeaderSupport::Full);
    assert_eq!(line.parts(b"1").concat(), b"MSG a 1 003\r\n");
}

#[test]
fn unknown_operations_show_at_their_first_wrong_byte() {
    for bad in [&b"X"[..], b"PX", b"PUBX", b"SUBJECT", b"HM", b"\r\n", b"PUB a 1\r\nab"] {
        assert_eq!(parse(bad, &LIMITS), Err(ProtocolError::UnknownOperation), "{bad:?}");
    }
}

#[test]
fn malformed_arguments_are_told_apart() {
    let lines: [&[u8]; 8] = [
        b"PUB a\r\n",
        b"PUB a b c d\r\n",
        b"PUB a x\r\n",
        b"PUB a 1234567890\r\n",
        b"HPUB a 5\r\n",
        b"HPUB a 6 5\r\n",
        b"SUB a\r\n",
        b"UNSUB\t\r\n",
    ];
    for line in lines {
        assert_eq!(parse(line, &LIMITS), Err(ProtocolError::BadArguments), "{line:?}");
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let line = |size: usize| format!("SUB {} 1\r\n", "a".repeat(size - 2)).into_bytes();
    assert!(matches!(parse(&line(64), &LIMITS), Ok(Step::Op(..))));
    assert_eq!(parse(&line(65), &LIMITS), Err(ProtocolError::ControlLineTooLong));
    assert_eq!(parse(b"PUB a 128\r\n", &LIMITS), Ok(Step::Incomplete(130)));
    assert_eq!(parse(b"PUB a 129\r\n", &LIMITS), Err(ProtocolError::PayloadTooLarge));
}

fn operation() -> impl Strategy<Value = Vec<u8>> {
    let message = ("[a-c]{1,3}", prop::option::of("[r-t]{1,3}"), prop::collection::vec(any::<u8>(), 0..140));
    let with_headers = message.clone();
    prop_oneof![
        Just(b"PING\r\n".to_vec()),
        Just(b"Pong\n".to_vec()),
        Just(b"+OK\r\n".to_vec()),
        Just(b"CONNECT {\"verbose\":true}\r\n".to_vec()),
        "SUB [a-c*>.]{1,80} [0-9]\r\n".prop_map(String::into_bytes),
        "UNSUB [0-9]( [0-9]{1,11})?\r\n".prop_map(String::into_bytes),
        message.prop_map(|(subject, reply, body)| {
            let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
            [format!("PUB {subject} {reply}{}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat()
        }),
        with_headers.prop_map(|(subject, reply, body)| {
            let reply = reply.map(|reply| format!("{reply} ")).unwrap_or_default();
            let sizes = format!("{} {}", body.len() / 2, body.len());
            [format!("HPUB {subject} {reply}{sizes}\r\n").as_bytes(), &body, b"\r\n"].concat()
        }),
    ]
}

fn split_at<'a>(input: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(input.len() + 1)).collect();
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([input.len()]) {
        pieces.push(&input[from..to]);
        from = to;
    }
    pieces
}

proptest! {
    #[test]
    fn any_split_of_the_stream_gives_the_same_operations(
        ops in prop::collection::vec(operation(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let input = ops.concat();
        prop_assert_eq!(parse_pieces(split_at(&input, &cuts)), parse_all(&input));
        prop_assert_eq!(parse_pieces(input.chunks(1)), parse_all(&input));
    }

    #[test]
    fn any_split_of_damaged_bytes_gives_the_same_error(
        ops in prop::collection::vec(operation(), 1..6),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let mut input = ops.concat();
        for (at, byte) in damage {
            let at = at.index(input.len());
            input[at] = byte;
        }
        prop_assert_eq!(parse_pieces(split_at(&input, &cuts)), parse_all(&input));
    }

    #[test]
    fn noise_never_panics(input in prop::collection::vec(any::<u8>(), 0..300)) {
        parse_all(&input);
    }
}
