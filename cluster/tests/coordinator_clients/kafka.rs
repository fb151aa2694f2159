//! What the Kafka adapter makes of brokers that fail.

use crate::watched::Watched;
use squall_cluster::coordinator::{Event, PublishError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

fn impatient(address: impl std::fmt::Display) -> Watched {
    Watched::start(&format!("type = 'kafka'\nbrokers = '{address}'\ngroup-id = 'g'\ntimeout.session = '400ms'"))
}

#[tokio::test]
async fn a_broker_that_never_answers_is_given_up_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut node = impatient(listener.local_addr().unwrap());
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(timeout(Duration::from_secs(30), listener.accept()).await.unwrap().unwrap());
        assert!(
            matches!(node.next().await, Event::Error(reason) if reason.contains("no answer of a broker within 400ms"))
        );
        assert_eq!(node.next().await, Event::Disconnected);
        assert_eq!(node.coordinator.publish("a".into()).await, Err(PublishError::NotConnected));
    }
}

#[tokio::test]
async fn brokers_that_are_down_are_tried_again_for_ever() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut node = impatient(closed);
    for _ in 0..3 {
        assert!(matches!(node.next().await, Event::Error(_)));
        assert_eq!(node.next().await, Event::Disconnected);
    }
}
