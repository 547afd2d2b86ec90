//! A thousand clients at once on one cold, slow URL, against the real binary: one request to the origin, every byte right,
//! everyone's first byte long before the last, and memory that does not grow with the crowd.

mod client;
mod origin;
mod server;

use client::{Client, all_get};
use origin::{BODY, Origin, Script, body};
use server::Server;
use std::sync::Arc;

const CROWD: usize = 1000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_makes_one_request_and_streams_it() {
    let origin = Origin::start(Script::cacheable()).await;
    let server = Server::start(&origin);
    let before = server.resident();
    let mut crowd = Client::crowd(&server, CROWD, |_| String::new()).await;
    for client in &mut crowd {
        client.first_byte().await;
    }
    assert!(!origin.finished(), "everyone has a first byte before the origin has sent the last");
    origin.go_on();
    let expected = Arc::new(body("", BODY));
    assert!(all_get(crowd, |_| Arc::clone(&expected)).await, "every byte right");
    assert_eq!(origin.requests(), 1);
    let allowed = 3 * BODY as u64 + CROWD as u64 * 64 * 1024;
    let grown = server.peak().saturating_sub(before);
    println!("resident memory grew by {grown} bytes, {allowed} allowed");
    assert!(grown < allowed, "resident memory grew by {grown} bytes, {allowed} allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crowd_goes_on_when_its_leader_leaves_half_way() {
    let origin = Origin::start(Script::cacheable()).await;
    let server = Server::start(&origin);
    let mut leader = Client::connect(&server, "").await;
    leader.first_byte().await;
    let mut crowd = Client::crowd(&server, CROWD, |_| String::new()).await;
    for client in &mut crowd {
        client.first_byte().await;
    }
    drop(leader);
    origin.go_on();
    let expected = Arc::new(body("", BODY));
    assert!(all_get(crowd, |_| Arc::clone(&expected)).await, "every byte right");
    assert_eq!(origin.requests(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_waits_for_the_end_of_an_answer_that_turns_out_uncacheable() {
    let origin = Origin::start(Script { cache_control: "no-store", ..Script::cacheable() }).await;
    let server = Server::start(&origin);
    let mut crowd = Client::crowd(&server, CROWD, |_| String::new()).await;
    for client in &mut crowd {
        client.first_byte().await;
    }
    assert!(!origin.finished(), "everyone has a first byte while no body has ended");
    assert_eq!(origin.requests(), CROWD, "each has a response of its own");
    origin.go_on();
    let expected = Arc::new(body("", BODY));
    assert!(all_get(crowd, |_| Arc::clone(&expected)).await, "every byte right");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn vary_splits_the_crowd_into_as_many_requests_as_values() {
    const KINDS: usize = 4;
    let origin = Origin::start(Script { vary: Some("X-Kind"), ..Script::cacheable() }).await;
    let server = Server::start(&origin);
    let kind = |index: usize| format!("kind-{}", index % KINDS);
    let mut crowd = Client::crowd(&server, CROWD, |index| format!("X-Kind: {}\r\n", kind(index))).await;
    for client in &mut crowd {
        client.first_byte().await;
    }
    origin.go_on();
    let expected: Vec<_> = (0..KINDS).map(|index| Arc::new(body(&kind(index), BODY))).collect();
    assert!(
        all_get(crowd, |index| Arc::clone(&expected[index % KINDS])).await,
        "the bytes of its kind, and of no other"
    );
    assert_eq!(origin.requests(), KINDS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_with_credentials_shares_nothing_it_may_not() {
    const LENGTH: usize = 64 * 1024;
    let origin =
        Origin::start(Script { echo_authorization: true, length: LENGTH, ..Script::cacheable() }).await;
    let server = Server::start(&origin);
    let user = |index: usize| format!("user-{index}");
    let mut crowd =
        Client::crowd(&server, CROWD, |index| format!("Authorization: {}\r\n", user(index))).await;
    origin.go_on();
    for client in &mut crowd {
        client.first_byte().await;
    }
    let expected = |index| Arc::new(body(&user(index), LENGTH));
    assert!(all_get(crowd, expected).await, "the bytes of its user, and of no other");
    assert_eq!(origin.requests(), CROWD, "RFC 9111 section 3.5: max-age alone does not let them share");
}
