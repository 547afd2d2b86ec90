//! What mitmproxy would drop without a word is written so that it does not.

use crate::{exchanges, written};
use millpond_tape::{ConnectionFacts, Recorded};

#[test]
fn nothing_is_written_that_mitmproxy_drops() {
    let odd = ConnectionFacts {
        transport: "quic".to_owned(),
        proxy_mode: "forward".to_owned(),
        tls_version: Some("TLSv1.4".to_owned()),
        certificates: vec![b"none".to_vec()],
        via: Some(("socks".to_owned(), "proxy".to_owned(), 1080)),
        shown_certificate: Some(b"none either".to_vec()),
        ..Default::default()
    };
    let exchange = Recorded {
        client: odd.clone(),
        server: odd,
        is_replay: Some("both".to_owned()),
        ..Default::default()
    };
    let read = &exchanges(written(&[exchange])).unwrap()[0];
    for facts in [&read.client, &read.server] {
        assert_eq!((facts.transport.as_str(), &facts.tls_version), ("tcp", &None));
        assert!(facts.via.is_none() && facts.certificates.is_empty() && facts.shown_certificate.is_none());
    }
    assert_eq!((read.client.proxy_mode.as_str(), &read.is_replay), ("regular", &None));
}

#[test]
fn what_has_no_name_gets_one_of_its_own() {
    let read = exchanges(written(&[Recorded::default(), Recorded::default()])).unwrap();
    let names: Vec<&str> = read.iter().flat_map(|one| [&*one.id, &*one.client.id, &*one.server.id]).collect();
    let mut different = names.clone();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), 6, "{names:?}");
}
