//! Endpoints by address, without scouting: what faults do to events, with zenoh's lease of 10 s.

use crate::support::{Log, endpoints, every_pair, with_peers};
use squall_sim::World;
use squall_sim::fault::Fault;
use std::time::Duration;
use tokio::time::sleep;

const PEERS: usize = 3;

/// Peers that run for 20 s; then `strike`; then they run for as long again as they need.
fn with_fault<F: Future<Output = ()>>(strike: impl FnOnce(World) -> F + Send) -> Log {
    let (_, log) = with_peers(1, (0..PEERS).map(endpoints), |world| async move {
        sleep(Duration::from_secs(20)).await;
        strike(world).await;
        sleep(Duration::from_secs(40)).await;
    });
    assert_eq!(log.pairs(10_000..18_000), every_pair(PEERS), "before the fault");
    log
}

async fn cut_off(world: World, host: &str, duration: Duration) {
    let rest: Vec<String> = (0..PEERS).map(|peer| format!("p{peer}")).filter(|name| name != host).collect();
    for (from, to) in [(vec![host.to_owned()], rest.clone()), (rest.clone(), vec![host.to_owned()])] {
        world.apply(&Fault::Cut { from, to }).unwrap();
    }
    sleep(duration).await;
    for (from, to) in [(vec![host.to_owned()], rest.clone()), (rest, vec![host.to_owned()])] {
        world.apply(&Fault::Mend { from, to }).unwrap();
    }
}

#[test]
fn a_cut_shorter_than_the_lease_loses_nothing() {
    let log = with_fault(|world| async move { cut_off(world, "p2", Duration::from_secs(4)).await });
    for (from, at) in every_pair(PEERS) {
        let sent = log.sent_between(from, at, 10_000..50_000);
        assert_eq!(sent.len(), 40, "from {from} at {at}: {sent:?}");
    }
}

#[test]
fn a_cut_longer_than_the_lease_loses_everything_since_it_began_and_heals_by_itself() {
    let log = with_fault(|world| async move { cut_off(world, "p2", Duration::from_secs(25)).await });
    for (from, at) in [(0, 2), (2, 0), (1, 2), (2, 1)] {
        let lost = log.sent_between(from, at, 20_010..44_000);
        assert_eq!(lost, [0_u64; 0], "from {from} at {at}");
    }
    assert_eq!(log.sent_between(0, 1, 10_000..70_000).len(), 60, "the others never noticed");
    assert_eq!(log.pairs(60_000..80_000), every_pair(PEERS));
}

#[test]
fn a_killed_peer_is_dialled_again_when_it_is_back() {
    let log = with_fault(|world| async move {
        world.apply(&Fault::Kill { host: "p0".into() }).unwrap();
        sleep(Duration::from_secs(10)).await;
        world.apply(&Fault::Start { host: "p0".into() }).unwrap();
    });
    assert_eq!(log.pairs(21_000..29_000), [(1, 2), (2, 1)].into());
    assert_eq!(log.pairs(50_000..65_000), every_pair(PEERS));
}

#[test]
fn a_peer_that_lost_power_is_dialled_again_when_it_is_back() {
    let log = with_fault(|world| async move {
        world.apply(&Fault::PowerLoss { host: "p0".into() }).unwrap();
        sleep(Duration::from_secs(10)).await;
        world.apply(&Fault::Start { host: "p0".into() }).unwrap();
    });
    assert_eq!(log.pairs(21_000..29_000), [(1, 2), (2, 1)].into());
    assert_eq!(log.pairs(50_000..65_000), every_pair(PEERS));
}

#[test]
fn a_short_pause_delays_events_and_a_long_one_heals_by_itself() {
    for pause_s in [4, 20] {
        let log = with_fault(|world| async move {
            world.apply(&Fault::Pause { host: "p1".into() }).unwrap();
            sleep(Duration::from_secs(pause_s)).await;
            world.apply(&Fault::Resume { host: "p1".into() }).unwrap();
        });
        assert_eq!(log.pairs(50_000..58_000), every_pair(PEERS), "after {pause_s} s");
        if pause_s == 4 {
            assert_eq!(log.sent_between(0, 1, 15_000..35_000).len(), 20);
        }
    }
}
