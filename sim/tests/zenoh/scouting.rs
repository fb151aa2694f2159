//! The documented configuration: multicast scouting on 224.0.0.224:7446.

use crate::support::{DOCUMENTED, every_pair, with_peers};
use squall_sim::fault::Fault;
use std::iter::repeat_n;
use std::time::Duration;
use tokio::time::sleep;

fn documented(peers: usize) -> impl Iterator<Item = String> {
    repeat_n(DOCUMENTED.to_owned(), peers)
}

#[test]
fn documented_peers_find_each_other_by_multicast_and_hear_each_other() {
    for peers in [2, 3, 5] {
        let (_, log) = with_peers(1, documented(peers), |_world| sleep(Duration::from_secs(20)));
        assert_eq!(log.pairs(10_000..15_000), every_pair(peers), "{peers} peers");
    }
}

#[test]
fn every_event_reaches_every_peer_once_and_in_order() {
    let (_, log) = with_peers(1, documented(3), |_world| sleep(Duration::from_secs(20)));
    for (from, at) in every_pair(3) {
        let sent = log.sent_between(from, at, 8_000..18_000);
        assert_eq!(sent.len(), 10, "from {from} at {at}: {sent:?}");
        assert!(sent.is_sorted(), "from {from} at {at}: {sent:?}");
    }
}

#[test]
fn a_peer_that_was_killed_and_started_again_is_found_again() {
    let host = || "p1".to_owned();
    let (_, log) = with_peers(1, documented(3), |world| async move {
        sleep(Duration::from_secs(10)).await;
        world.apply(&Fault::Kill { host: host() }).unwrap();
        sleep(Duration::from_secs(10)).await;
        world.apply(&Fault::Start { host: host() }).unwrap();
        sleep(Duration::from_secs(30)).await;
    });
    assert_eq!(log.pairs(12_000..19_000), [(0, 2), (2, 0)].into());
    assert_eq!(log.pairs(40_000..49_000), every_pair(3));
    let second_life = log.all().into_iter().filter(|heard| heard.from == 1 && heard.boot == 1).count();
    assert!(second_life > 20, "{second_life} events of the second life were heard");
}
