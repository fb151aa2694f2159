//! Conversations recorded with a real `nats-server` (2.9.10), which this server must repeat to the byte.

use super::*;

/// What the client sent at once, and what it read then.
type Turn = (&'static str, &'static str);

/// Whether the server closed the connection after the last turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

const CONVERSATIONS: &[(&str, &[Turn], End)] = &[
    (
        "a bare connection",
        &[
            ("SUB a 1\r\nPUB a 1\r\nx\r\nPING\r\n", "+OK\r\n+OK\r\nMSG a 1 1\r\nx\r\nPONG\r\n"),
            ("PUB a.* 0\r\n\r\n", "-ERR 'Invalid Publish Subject'\r\n+OK\r\n"),
            ("SUB a..b 2\r\n", "-ERR 'Invalid Subject'\r\n"),
            ("SUB a.>.b 3\r\n", "-ERR 'Invalid Subject'\r\n"),
            ("UNSUB 77\r\n", "+OK\r\n"),
            ("SUB b 1\r\nPUB b 1\r\nz\r\n", "+OK\r\n+OK\r\n"),
        ],
        End::Open,
    ),
    ("no verb", &[("X", "-ERR 'Unknown Protocol Operation'\r\n")], End::Closed),
    ("half a verb", &[("PX", "-ERR 'Unknown Protocol Operation'\r\n")], End::Closed),
    ("a message without size", &[("PUB a\r\n", "")], End::Closed),
    ("an introduction that is not JSON", &[("CONNECT x\r\n", "")], End::Closed),
    ("headers nobody announced", &[("HPUB a 0 0\r\n\r\n", "")], End::Closed),
    ("a payload too large", &[("PUB a 1048577\r\n", "-ERR 'Maximum Payload Violation'\r\n")], End::Closed),
    (
        "a protocol from the future",
        &[("CONNECT {\"protocol\":2}\r\n", "-ERR 'invalid client protocol'\r\n")],
        End::Closed,
    ),
    (
        "no responders without headers",
        &[("CONNECT {\"no_responders\":true}\r\n", "-ERR 'no responders requires headers support'\r\n")],
        End::Closed,
    ),
    ("a message that is too long", &[("PUB a 1\r\nabc\r\n", "-ERR 'Unknown Protocol Operation'\r\n")], End::Closed),
    (
        "requests nobody hears",
        &[
            ("CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\nSUB in.* 5\r\n", ""),
            ("PUB a in.1 0\r\n\r\n", "HMSG in.1 5 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"),
            ("PUB a 0\r\n\r\n", ""),
            ("HPUB in.x r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n", "HMSG in.x 5 r 12 14\r\nNATS/1.0\r\n\r\nhi\r\n"),
        ],
        End::Open,
    ),
    (
        "a maximum",
        &[
            ("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 3\r\n", "MSG a 1 1\r\n1\r\n"),
            ("PUB a 1\r\n2\r\nPUB a 1\r\n3\r\nPUB a 1\r\n4\r\n", "MSG a 1 1\r\n2\r\nMSG a 1 1\r\n3\r\n"),
        ],
        End::Open,
    ),
    (
        "a maximum already reached",
        &[
            ("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 1\r\n1\r\nUNSUB 1 1\r\n", "MSG a 1 1\r\n1\r\n"),
            ("PUB a 1\r\n2\r\n", ""),
        ],
        End::Open,
    ),
    (
        "a request only the asker itself would hear",
        &[(
            "CONNECT {\"verbose\":false,\"echo\":false,\"headers\":true,\"no_responders\":true}\r\nSUB a 1\r\nSUB in 2\r\nPUB a in 1\r\n1\r\n",
            "HMSG in 2 16 16\r\nNATS/1.0 503\r\n\r\n\r\n",
        )],
        End::Open,
    ),
    (
        "a size with zeros in front",
        &[("CONNECT {\"verbose\":false}\r\nSUB a 1\r\nPUB a 003\r\nabc\r\n", "MSG a 1 003\r\nabc\r\n")],
        End::Open,
    ),
    (
        "small letters and bare line feeds",
        &[("connect {\"verbose\":false}\r\nsub a 1\npub a 1\nx\r\nping\r\n", "MSG a 1 1\r\nx\r\nPONG\r\n")],
        End::Open,
    ),
    ("an acknowledgement", &[("+OK\r\nPING\r\n", "PONG\r\n")], End::Open),
    ("an error of the client", &[("-ERR 'x'\r\nPING\r\n", "")], End::Closed),
    ("an INFO of the client", &[("INFO {}\r\nPING\r\n", "PONG\r\n")], End::Open),
    ("an account", &[("CONNECT {\"account\":\"x\"}\r\n", "-ERR 'Authorization Violation'\r\n")], End::Closed),
    ("a subscription without name", &[("SUB a\r\nPING\r\n", "")], End::Closed),
    (
        "empty tokens and wildcards in a message's subject",
        &[(
            "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB > 1\r\nPUB a..b 1\r\nx\r\nPUB a.> 1\r\ny\r\nPUB .a 0\r\n\r\n",
            "MSG a.> 1 1\r\ny\r\n",
        )],
        End::Open,
    ),
    (
        "blanks between arguments",
        &[(
            "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB a 1\r\nPUB  a   r\t 1\r\nx\r\n",
            "MSG a 1 r 1\r\nx\r\n",
        )],
        End::Open,
    ),
    ("an operation of servers", &[("MSG a 1 1\r\nx\r\n", "-ERR 'Unknown Protocol Operation'\r\n")], End::Closed),
    ("a ping with more on its line", &[("PINGjunk\r\n", "PONG\r\n")], End::Open),
    (
        "headers larger than the message",
        &[("CONNECT {\"verbose\":false,\"headers\":true}\r\nHPUB a 6 5\r\n", "")],
        End::Closed,
    ),
];

#[test]
fn conversations_go_as_with_the_real_server() {
    for (name, turns, end) in CONVERSATIONS {
        let mut bench = bench();
        let key = bench.attach();
        for (sent, expected) in *turns {
            bench.engine.receive(key, sent.as_bytes(), bench.now);
            assert_eq!(bench.read(key), *expected, "{name}: {sent:?}");
        }
        let closed = if bench.engine.is_gone(key) { End::Closed } else { End::Open };
        assert_eq!(closed, *end, "{name}");
    }
}
