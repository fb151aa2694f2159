//! The mesh under a clock of its own.

use super::*;
use proptest::prelude::*;

const A: Peer = Peer(1);
const B: Peer = Peer(2);

/// A mesh, its clock, and what it asked for.
struct Played {
    mesh: Mesh,
    now: Instant,
    greetings: Vec<Greeting>,
    events: Vec<Event>,
}

impl Played {
    fn new() -> Self {
        let now = Instant::now();
        Self { mesh: Mesh::new(now), now, greetings: vec![], events: vec![] }
    }

    fn hear(&mut self, heard: Heard) {
        self.mesh.on_heard(heard, self.now);
        self.collect();
    }

    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.mesh.deadline().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.mesh.on_time(self.now);
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        for action in self.mesh.take_actions() {
            match action {
                Action::Greet(greeting) => self.greetings.push(greeting),
                Action::Report(event) => self.events.push(event),
            }
        }
    }

    fn answer(&mut self) {
        for greeting in std::mem::take(&mut self.greetings) {
            self.hear(Heard::Answered(greeting));
        }
    }

    fn join(&mut self, peer: Peer) {
        self.hear(Heard::Appeared(peer));
        self.answer();
    }

    fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }
}

#[test]
fn a_node_without_peers_works_alone_after_a_while() {
    let mut played = Played::new();
    played.pass(ALONE_AFTER - Duration::from_millis(1));
    assert_eq!(played.take_events(), []);
    played.pass(Duration::from_secs(3600));
    assert_eq!(played.take_events(), [Event::Connected]);
}

#[test]
fn peers_that_join_together_are_reported_once() {
    let mut played = Played::new();
    played.join(A);
    played.pass(SETTLE / 2);
    played.join(B);
    played.pass(ALONE_AFTER * 2);
    assert_eq!(played.take_events(), [Event::Connected]);
}

#[test]
fn a_stream_of_joining_peers_does_not_put_off_the_report_for_ever() {
    let mut played = Played::new();
    for peer in 1..=20 {
        played.join(Peer(peer));
        played.pass(SETTLE - Duration::from_millis(1));
    }
    assert_eq!(played.take_events().first(), Some(&Event::Connected));
}

#[test]
fn a_peer_that_joins_a_connected_node_is_a_gap() {
    let mut played = Played::new();
    played.pass(ALONE_AFTER);
    played.take_events();
    played.join(A);
    assert_eq!(played.take_events(), []);
    played.pass(SETTLE);
    assert_eq!(played.take_events(), [Event::Gap]);
}

#[test]
fn a_peer_that_has_not_answered_is_not_reported() {
    let mut played = Played::new();
    played.hear(Heard::Appeared(A));
    played.pass(Duration::from_secs(3600));
    assert_eq!(played.take_events(), []);
    played.answer();
    played.pass(SETTLE);
    assert_eq!(played.take_events(), [Event::Connected]);
}

#[test]
fn a_peer_that_never_answers_is_greeted_a_few_times_and_then_taken_as_joined() {
    let mut played = Played::new();
    played.hear(Heard::Appeared(A));
    let mut greeted = 0;
    while let Some(greeting) = played.greetings.pop() {
        greeted += 1;
        assert_eq!(played.take_events(), []);
        played.hear(Heard::Unanswered(greeting));
        played.pass(GREET_AGAIN_AFTER);
    }
    assert_eq!((greeted, played.take_events()), (GREETINGS, vec![Event::Connected]));
}

#[test]
fn only_the_last_peer_takes_the_link_with_it_and_its_return_brings_it_back() {
    let mut played = Played::new();
    played.join(A);
    played.join(B);
    played.pass(SETTLE);
    assert_eq!(played.take_events(), [Event::Connected]);
    played.hear(Heard::Vanished(A));
    assert_eq!(played.take_events(), []);
    played.hear(Heard::Vanished(B));
    assert_eq!(played.take_events(), [Event::Disconnected]);
    played.pass(Duration::from_secs(3600));
    assert_eq!(played.take_events(), []);
    played.join(B);
    played.pass(SETTLE);
    assert_eq!(played.take_events(), [Event::Connected]);
}

#[test]
fn an_answer_from_before_a_cut_proves_nothing_after_it() {
    let mut played = Played::new();
    played.hear(Heard::Appeared(A));
    let before = played.greetings[0];
    played.hear(Heard::Vanished(A));
    played.hear(Heard::Appeared(A));
    played.hear(Heard::Answered(before));
    played.pass(ALONE_AFTER * 2);
    assert_eq!(played.take_events(), []);
}

#[test]
fn a_peer_that_is_greeted_anew_and_then_lost_takes_the_link_with_it() {
    let mut played = Played::new();
    played.join(A);
    played.pass(SETTLE);
    played.hear(Heard::Appeared(A));
    played.hear(Heard::Vanished(A));
    assert_eq!(played.take_events(), [Event::Connected, Event::Disconnected]);
}

#[test]
fn a_token_that_appears_twice_is_a_peer_that_was_away() {
    let mut played = Played::new();
    played.join(A);
    played.pass(SETTLE);
    played.take_events();
    played.join(A);
    played.pass(SETTLE);
    assert_eq!(played.take_events(), [Event::Gap]);
}

fn step() -> impl Strategy<Value = (u8, u64)> {
    (0..5_u8, 1..4_u64)
}

proptest! {
    /// Whatever happens: links are reported by turns, a gap only while connected, and a node with a joined peer is connected.
    #[test]
    fn reports_make_sense_in_any_order_of_events(steps in prop::collection::vec(step(), 0..60)) {
        let mut played = Played::new();
        for (kind, which) in steps {
            match kind {
                0 => played.hear(Heard::Appeared(Peer(which))),
                1 => played.hear(Heard::Vanished(Peer(which))),
                2 => played.answer(),
                3 => {
                    if let Some(greeting) = played.greetings.pop() {
                        played.hear(Heard::Unanswered(greeting));
                    }
                }
                _ => played.pass(Duration::from_millis(which * 300)),
            }
        }
        played.pass(SETTLE_AT_MOST);
        let mut up = false;
        for event in &played.events {
            let expected = match event {
                Event::Gap | Event::Disconnected => up,
                other => !up && *other == Event::Connected,
            };
            prop_assert!(expected, "{:?}", played.events);
            up = *event != Event::Disconnected;
        }
        if up && played.mesh.peers.is_empty() {
            prop_assert!(!played.mesh.accompanied);
        }
        let joined = played.mesh.peers.values().any(|standing| *standing == Standing::Joined);
        prop_assert!(up || !joined);
    }
}
