//! Conversations that this server must repeat to the byte.

use super::*;

const RECORDED: &str = include_str!("recorded.txt");

/// Something a client did.
#[derive(Debug)]
enum Turn {
    Sends(usize, String),
    Reads(usize, String),
    Closed,
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars();
    while let Some(letter) = rest.next() {
        plain.push(match letter {
            '\\' => match rest.next() {
                Some('r') => '\r',
                Some('n') => '\n',
                Some('\\') => '\\',
                other => panic!("unknown escape {other:?} in {text}"),
            },
            letter => letter,
        });
    }
    plain
}

fn turn(line: &str) -> Turn {
    if line == "closed" {
        return Turn::Closed;
    }
    let (head, text) = line.split_at(2);
    let text = unescape(text.strip_prefix(' ').unwrap_or_default());
    let who = usize::from(head.as_bytes()[0] - b'0');
    match &head[1..] {
        ">" => Turn::Sends(who, text),
        "<" => Turn::Reads(who, text),
        _ => panic!("unknown turn {line}"),
    }
}

/// Plays one conversation, and tells where it differs from the recorded one.
fn play(conversation: &str) -> Vec<String> {
    let mut lines = conversation.lines();
    let name = lines.next().unwrap();
    let password = name.ends_with("[requirepass secret]").then(|| "secret".to_owned());
    let mut bench = Bench::new(ServerConfig { password, ..ServerConfig::default() });
    let mut clients: Vec<ClientKey> = Vec::new();
    let mut inputs: Vec<BytesMut> = Vec::new();
    let mut closed = false;
    let mut differences = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        match turn(line) {
            Turn::Sends(who, text) => {
                if clients.len() <= who {
                    clients.push(bench.attach());
                    inputs.push(BytesMut::new());
                }
                inputs[who].extend_from_slice(text.as_bytes());
                bench.engine.receive(clients[who], &mut inputs[who], bench.now);
            }
            Turn::Reads(who, wanted) => {
                let text = bench.read(clients[who]);
                if text != wanted {
                    differences.push(format!("{name}: {text:?} instead of {wanted:?}"));
                }
            }
            Turn::Closed => closed = true,
        }
    }
    if bench.is_open(clients[0]) == closed {
        differences.push(format!("{name}: the real server closed: {closed}"));
    }
    differences
}

#[test]
fn conversations_go_as_with_the_real_server() {
    let mut conversations = RECORDED.split("== ");
    assert!(conversations.next().unwrap().starts_with("Conversations recorded"));
    let played: Vec<Vec<String>> = conversations.map(play).collect();
    assert!(played.len() > 40, "the recording is not all there");
    let differences = played.concat();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
