use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use super::*;

fn router(clients: u32) -> Router {
    let mut router = Router::default();
    for client in 0..clients {
        router.attach(ClientKey(client));
    }
    router
}

fn publish_with(router: &mut Router, rng: &mut ChaCha8Rng, from: u32, echo: Echo, subject: &str) -> Vec<(u32, String)> {
    let mut deliveries = Vec::new();
    let interest = router.publish(Origin::Client(ClientKey(from), echo), subject.as_bytes(), rng, |client, sid| {
        deliveries.push((client.0, String::from_utf8_lossy(sid.as_bytes()).into_owned()));
        Outcome::Accepted
    });
    assert_eq!(interest == Interest::Some, !deliveries.is_empty());
    deliveries
}

fn publish(router: &mut Router, from: u32, subject: &str) -> Vec<(u32, String)> {
    publish_with(router, &mut ChaCha8Rng::seed_from_u64(1), from, Echo::On, subject)
}

fn subscribe(router: &mut Router, client: u32, pattern: &str, queue: Option<&str>, sid: &str) {
    router.subscribe(ClientKey(client), pattern.as_bytes(), queue.map(str::as_bytes), sid.as_bytes()).unwrap();
}

#[test]
fn deliveries_come_in_the_order_of_subscription() {
    let mut router = router(4);
    for (client, pattern) in [(2, "a.b"), (0, "a.>"), (1, "a.b"), (3, "a.*")] {
        subscribe(&mut router, client, pattern, None, "1");
    }
    let clients: Vec<u32> = publish(&mut router, 0, "a.b").into_iter().map(|(client, _)| client).collect();
    assert_eq!(clients, [2, 1, 0, 3]);
}

#[test]
fn a_publisher_without_echo_does_not_hear_itself() {
    let mut router = router(2);
    subscribe(&mut router, 0, "a", None, "1");
    subscribe(&mut router, 1, "a", None, "1");
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let heard = publish_with(&mut router, &mut rng, 0, Echo::Off, "a");
    assert_eq!(heard, [(1, "1".to_owned())]);
    assert_eq!(publish(&mut router, 0, "a").len(), 2);
}

#[test]
fn a_queue_group_gets_each_message_once_and_shares_the_load() {
    let mut router = router(4);
    for client in 0..3 {
        subscribe(&mut router, client, if client == 2 { "a.*" } else { "a.b" }, Some("workers"), "7");
    }
    subscribe(&mut router, 3, "a.b", Some("others"), "8");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut counts = [0; 4];
    for _ in 0..300 {
        let deliveries = publish_with(&mut router, &mut rng, 0, Echo::On, "a.b");
        assert_eq!(deliveries.len(), 2);
        for (client, _) in deliveries {
            counts[client as usize] += 1;
        }
    }
    assert_eq!(counts[3], 300);
    assert!(counts[..3].iter().all(|count| (60..140).contains(count)), "{counts:?}");
}

#[test]
fn the_seed_alone_picks_the_members() {
    let picks = |seed| {
        let mut router = router(8);
        for client in 0..8 {
            subscribe(&mut router, client, "a", Some("q"), "1");
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..20).map(|_| publish_with(&mut router, &mut rng, 0, Echo::On, "a")[0].0).collect::<Vec<u32>>()
    };
    assert_eq!(picks(3), picks(3));
    assert_ne!(picks(3), picks(4));
}

#[test]
fn a_queue_group_passes_over_members_that_refuse() {
    let mut router = router(3);
    for client in 0..3 {
        subscribe(&mut router, client, "a", Some("q"), "1");
    }
    for seed in 0..20 {
        let mut asked = Vec::new();
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let interest = router.publish(Origin::Client(ClientKey(0), Echo::Off), b"a", &mut rng, |client, _| {
            asked.push(client.0);
            if client.0 == 2 { Outcome::Accepted } else { Outcome::Refused }
        });
        assert_eq!(interest, Interest::Some);
        assert_eq!(asked.last(), Some(&2));
        assert!(!asked.contains(&0), "no echo, so not the publisher itself");
    }
}

#[test]
fn a_subscription_ends_after_its_last_delivery() {
    let mut router = router(1);
    subscribe(&mut router, 0, "a", None, "1");
    publish(&mut router, 0, "a");
    router.unsubscribe(ClientKey(0), b"1", Some(3));
    assert_eq!((0..4).map(|_| publish(&mut router, 0, "a").len()).collect::<Vec<_>>(), [1, 1, 0, 0]);
    assert_eq!(router.subscription_count(), 0);
}

#[test]
fn a_maximum_already_reached_ends_the_subscription_at_once() {
    let mut router = router(1);
    subscribe(&mut router, 0, "a", None, "1");
    publish(&mut router, 0, "a");
    router.unsubscribe(ClientKey(0), b"1", Some(1));
    assert!(publish(&mut router, 0, "a").is_empty());
}

#[test]
fn a_name_in_use_keeps_its_first_subject() {
    let mut router = router(1);
    subscribe(&mut router, 0, "a", None, "1");
    subscribe(&mut router, 0, "b", None, "1");
    assert_eq!(publish(&mut router, 0, "a").len(), 1);
    assert!(publish(&mut router, 0, "b").is_empty());
}

#[test]
fn invalid_subjects_are_refused() {
    let mut router = router(1);
    assert_eq!(router.subscribe(ClientKey(0), b"a..b", None, b"1"), Err(InvalidSubject));
    assert_eq!(router.subscription_count(), 0);
}

#[test]
fn a_client_that_leaves_takes_its_subscriptions_along() {
    let mut router = router(2);
    subscribe(&mut router, 0, "a", None, "1");
    subscribe(&mut router, 0, "a.*", Some("q"), &"long".repeat(20));
    subscribe(&mut router, 1, "a", None, "1");
    router.detach(ClientKey(0));
    router.attach(ClientKey(0));
    assert_eq!(publish(&mut router, 1, "a"), [(1, "1".to_owned())]);
    assert!(publish(&mut router, 1, "a.b").is_empty());
    assert_eq!((router.subscription_count(), router.groups.is_empty()), (1, true));
}

fn forwards(router: &Router) -> Vec<(u32, String)> {
    router.forwards().map(|(route, queues)| (route.0, String::from_utf8_lossy(queues).into_owned())).collect()
}

#[test]
fn each_route_is_named_once_with_the_groups_chosen_there() {
    let mut router = router(3);
    for (route, pattern, queue) in [(1, "a", None), (1, "a", Some("g")), (1, "*", Some("h")), (2, ">", None)] {
        router.add_remote(ClientKey(route), pattern.as_bytes(), queue.map(str::as_bytes), 1).unwrap();
    }
    let interest =
        router.publish(Origin::Client(ClientKey(0), Echo::On), b"a", &mut ChaCha8Rng::seed_from_u64(1), |_, _| {
            unreachable!("there is no client here")
        });
    assert_eq!(interest, Interest::Some);
    assert_eq!(forwards(&router), [(1, "g h".to_owned()), (2, String::new())]);
    router.detach(ClientKey(1));
    router.remove_remote(ClientKey(2), b">", None);
    assert!(publish(&mut router, 0, "a").is_empty());
    assert!(forwards(&router).is_empty());
    assert_eq!(router.subscription_count(), 0);
}

#[test]
fn what_came_over_a_route_goes_to_clients_and_chosen_groups_only() {
    let mut router = router(3);
    subscribe(&mut router, 0, "a", None, "1");
    subscribe(&mut router, 0, "a", Some("g"), "2");
    subscribe(&mut router, 0, "a", Some("h"), "3");
    for queue in [None, Some(&b"g"[..])] {
        router.add_remote(ClientKey(1), b"a", queue, 9).unwrap();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..20 {
        let mut sids = Vec::new();
        router.publish(Origin::Route(b"g"), b"a", &mut rng, |_, sid| {
            sids.push(sid.as_bytes().to_vec());
            Outcome::Accepted
        });
        assert_eq!(sids, [b"1", b"2"]);
        assert!(forwards(&router).is_empty());
    }
}

#[test]
fn only_the_first_and_the_last_subscription_change_interest_outside_groups() {
    let mut router = router(2);
    router.track_interest();
    let interest = |pattern: &str, queue: Option<&str>| LocalInterest {
        pattern: pattern.as_bytes().into(),
        queue: queue.map(|queue| queue.as_bytes().into()),
    };
    subscribe(&mut router, 0, "a", None, "1");
    subscribe(&mut router, 1, "a", None, "1");
    subscribe(&mut router, 1, "a", Some("g"), "2");
    subscribe(&mut router, 1, "a", Some("g"), "3");
    let (plain, queued) = (interest("a", None), interest("a", Some("g")));
    assert_eq!(router.take_changes(), [(plain.clone(), 1), (queued.clone(), 1), (queued.clone(), 2)]);
    router.unsubscribe(ClientKey(0), b"1", None);
    assert!(!router.has_changes());
    router.detach(ClientKey(1));
    assert_eq!(router.take_changes(), [(plain, 0), (queued.clone(), 1), (queued, 0)]);
}
