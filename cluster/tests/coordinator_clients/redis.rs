//! What the Redis adapter makes of servers that fail.

use crate::redis_server::{Mood, Server};
use crate::watched::Watched;
use bytes::Bytes;
use squall_cluster::coordinator::{Event, PublishError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Connects, and is patient.
fn patient(address: impl std::fmt::Display) -> Watched {
    Watched::start(&format!("type = 'redis'\nurls = 'redis://{address}'"))
}

/// Gives up a silent connection soon.
fn impatient(address: impl std::fmt::Display) -> Watched {
    Watched::start(&format!("type = 'redis'\nurls = 'redis://{address}'\ntimeout = '400ms'"))
}

fn message(text: &'static str) -> Event {
    Event::Message(Bytes::from_static(text.as_bytes()))
}

#[tokio::test]
async fn who_is_connected_hears_everybody_in_order() {
    let (_server, address) = Server::start().await;
    let (mut one, mut other) = (patient(address), patient(address));
    assert_eq!(one.next().await, Event::Connected);
    assert_eq!(other.next().await, Event::Connected);
    for text in ["a", "b", "c"] {
        one.coordinator.publish(text.into()).await.unwrap();
    }
    for node in [&mut one, &mut other] {
        for text in ["a", "b", "c"] {
            assert_eq!(node.next().await, message(text));
        }
    }
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut node = impatient(listener.local_addr().unwrap());
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(timeout(Duration::from_secs(30), listener.accept()).await.unwrap().unwrap());
        assert!(matches!(node.next().await, Event::Error(reason) if reason.contains("no answer within 400ms")));
        assert_eq!(node.next().await, Event::Disconnected);
        assert_eq!(node.coordinator.publish("a".into()).await, Err(PublishError::NotConnected));
    }
}

#[tokio::test]
async fn a_connection_that_goes_silent_is_replaced() {
    let (server, address) = Server::start().await;
    let mut node = impatient(address);
    node.until(&Event::Connected).await;
    server.set(Mood::Silent);
    let told = node.until(&Event::Disconnected).await;
    assert!(matches!(&told[..], [Event::Error(_)]), "{told:?}");
    server.set(Mood::Fine);
    node.until(&Event::Connected).await;
    node.coordinator.publish("again".into()).await.unwrap();
    node.until(&message("again")).await;
}

#[tokio::test]
async fn a_closed_connection_is_replaced_at_once() {
    let (server, address) = Server::start().await;
    let mut node = patient(address);
    assert_eq!(node.next().await, Event::Connected);
    server.close_all_connections();
    assert!(matches!(node.next().await, Event::Error(_)));
    for expected in [Event::Disconnected, Event::Rebuilt, Event::Connected] {
        assert_eq!(node.next().await, expected);
    }
}

#[tokio::test]
async fn an_unanswered_message_has_an_unknown_outcome_and_costs_the_connection() {
    let (server, address) = Server::start().await;
    let mut node = impatient(address);
    node.until(&Event::Connected).await;
    server.set(Mood::StallsAtMessages);
    let outcome = node.coordinator.publish("lost".into()).await;
    assert!(matches!(outcome, Err(PublishError::OutcomeUnknown(_))), "{outcome:?}");
    node.until(&Event::Disconnected).await;
    server.set(Mood::Fine);
    node.until(&Event::Connected).await;
}

#[tokio::test]
async fn a_refused_message_certainly_was_not_published_and_the_connection_stays() {
    let (server, address) = Server::start().await;
    let mut node = patient(address);
    node.until(&Event::Connected).await;
    server.set(Mood::RefusesMessages);
    let outcome = node.coordinator.publish("no".into()).await;
    assert!(matches!(outcome, Err(PublishError::Refused(_))), "{outcome:?}");
    server.set(Mood::Fine);
    node.coordinator.publish("yes".into()).await.unwrap();
    assert_eq!(node.next().await, message("yes"));
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn urls_are_tried_in_order() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let ((first, first_address), (second, second_address)) = (Server::start().await, Server::start().await);
    let urls = format!("'redis://{closed}', 'redis://{first_address}', 'redis://{second_address}'");
    let mut node = Watched::start(&format!("type = 'redis'\nurls = [{urls}]"));
    assert_eq!(node.next().await, Event::Connected);
    assert_eq!((first.accepted(), second.accepted()), (2, 0));
}

#[tokio::test]
async fn nothing_is_published_after_shutdown() {
    let (_server, address) = Server::start().await;
    let mut node = patient(address);
    node.until(&Event::Connected).await;
    node.coordinator.shutdown().await;
    assert_eq!(node.coordinator.publish("a".into()).await, Err(PublishError::NotConnected));
}
