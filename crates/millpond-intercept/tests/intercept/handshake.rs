//! Handshakes that succeed, and those that do not: whose fault it is.

use crate::support::{Bench, LIMIT, client, pair};
use millpond_front::Transport;
use millpond_intercept::{AcceptError, Fault, Trust};
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

#[tokio::test]
async fn the_server_name_comes_before_the_host() {
    let bench = Bench::new();
    for (host, name, sni, shown) in [
        ("one.example", "two.example", Some("two.example"), "two.example"),
        ("192.0.2.1", "192.0.2.1", None, "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1", None, "2001:db8::1"),
        ("not a name", "two.example", Some("two.example"), "two.example"),
    ] {
        let (theirs, ours) = bench.shake(bench.client(), host, name).await;
        let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
        assert_eq!(ours.sni.as_deref(), sni);
        assert_eq!(ours.name.to_string(), shown);
        theirs.write_all(b"ping").await.unwrap();
        let mut text = [0; 4];
        ours.io.read_exact(&mut text).await.unwrap();
        ours.io.write_all(b"pong").await.unwrap();
        ours.io.flush().await.unwrap();
        theirs.read_exact(&mut text).await.unwrap();
        assert_eq!(&text, b"pong");
        assert_eq!(ours.trust().trust(), Trust::Accepted);
    }
}

#[tokio::test]
async fn without_any_name_there_is_no_certificate() {
    let bench = Bench::new();
    let (theirs, ours) = bench.shake(bench.client(), "*.example", "192.0.2.1").await;
    assert!(theirs.is_err());
    let error = ours.unwrap_err();
    assert!(matches!(error, AcceptError::Name(_)) && error.fault() == Fault::Client, "{error}");
    assert_eq!(bench.interceptor.minted(), 0);
}

#[tokio::test]
async fn the_application_protocol_is_one_that_the_client_offers() {
    let bench = Bench::new();
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&["http/1.0"], Some("http/1.0")),
        (&[], None),
    ] {
        let mut config = bench.client();
        config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
        let (theirs, ours) = bench.shake(config, "a.example", "a.example").await;
        let (theirs, ours) = (theirs.unwrap(), ours.unwrap());
        assert_eq!(ours.alpn, agreed);
        assert_eq!(ours.h2, agreed == Some("h2"));
        assert_eq!(theirs.get_ref().1.alpn_protocol(), agreed.map(str::as_bytes));
    }
    let mut config = bench.client();
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let (_, ours) = bench.shake(config, "a.example", "a.example").await;
    let error = ours.unwrap_err();
    assert!(matches!(error, AcceptError::NoCommonProtocol) && error.fault() == Fault::Client, "{error}");

    let bench = Bench::with(|options| options.http2 = false);
    let mut config = bench.client();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let (_, ours) = bench.shake(config, "a.example", "a.example").await;
    assert_eq!(ours.unwrap().alpn, Some("http/1.1"));
}

#[tokio::test]
async fn version_and_cipher_are_told_by_their_usual_names() {
    let bench = Bench::new();
    for (version, name, prefix) in [(&TLS12, "TLSv1.2", "TLS_ECDHE_ECDSA_"), (&TLS13, "TLSv1.3", "TLS_AES_")]
    {
        let root = bench.authority.certificate_der().to_vec().into();
        let (theirs, ours) = bench.shake(client(&[root], &[version]), "a.example", "a.example").await;
        theirs.unwrap();
        let ours = ours.unwrap();
        assert_eq!(ours.tls_version, name);
        assert!(ours.cipher.starts_with(prefix), "{}", ours.cipher);
    }
}

#[tokio::test]
async fn the_next_connection_of_a_client_needs_no_new_signature() {
    let bench = Bench::new();
    for version in [&TLS12, &TLS13] {
        let root = bench.authority.certificate_der().to_vec().into();
        let config = Arc::new(client(&[root], &[version]));
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (theirs, ours) = bench.shake_with(&config, "a.example", "a.example").await;
            let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
            assert_eq!(theirs.get_ref().1.handshake_kind(), Some(expected));
            // In TLS 1.3 the ticket comes behind the handshake, and is seen with what comes next.
            ours.io.write_all(b"x").await.unwrap();
            ours.io.flush().await.unwrap();
            theirs.read_exact(&mut [0]).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_trust_us_is_recognised() {
    let bench = Bench::new();
    for version in [&TLS12, &TLS13] {
        let (theirs, ours) = bench.shake(client(&[], &[version]), "pinned.example", "pinned.example").await;
        assert!(theirs.is_err());
        let error = ours.unwrap_err();
        let AcceptError::Refused { name, alert } = &error else { panic!("{error:?}") };
        assert_eq!((name.to_string().as_str(), *alert), ("pinned.example", "unknown_ca"));
        assert_eq!(error.fault(), Fault::Trust);
        assert!(error.to_string().contains("pinned.example"));
    }
}

#[tokio::test]
async fn a_client_that_leaves_with_our_certificate_in_hand_is_suspected() {
    let bench = Bench::new();
    // It says hello, and closes when the answer is there.
    let (mut theirs, ours) = pair().await;
    let mut session = rustls::ClientConnection::new(
        Arc::new(bench.client()),
        rustls::pki_types::ServerName::try_from("a.example").unwrap(),
    )
    .unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let leave = async {
        theirs.write_all(&hello).await.unwrap();
        theirs.read_exact(&mut [0; 5]).await.unwrap();
        drop(theirs);
    };
    let ((), ours) = tokio::join!(leave, bench.interceptor.accept(ours, "a.example", LIMIT));
    let error = ours.unwrap_err();
    assert!(matches!(error, AcceptError::Left { .. }) && error.fault() == Fault::Connection, "{error:?}");
}

#[tokio::test]
async fn a_client_that_looks_at_the_certificate_after_the_handshake_is_followed() {
    let bench = Bench::new();
    for orderly in [true, false] {
        let (theirs, ours) = bench.shake(bench.client(), "a.example", "a.example").await;
        let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
        let trust = ours.trust();
        assert_eq!(trust.trust(), Trust::Unknown);
        if orderly {
            theirs.shutdown().await.unwrap();
        }
        drop(theirs);
        let _ = ours.io.read(&mut [0; 16]).await;
        drop(ours);
        assert_eq!(trust.trust(), Trust::Left);
    }
    // One that has said something has accepted, however it ends.
    let (theirs, ours) = bench.shake(bench.client(), "a.example", "a.example").await;
    let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
    theirs.write_all(b"GET").await.unwrap();
    ours.io.read_exact(&mut [0; 3]).await.unwrap();
    drop(theirs);
    let _ = ours.io.read(&mut [0; 16]).await;
    assert_eq!(ours.trust().trust(), Trust::Accepted);
}

#[tokio::test]
async fn a_client_that_closes_without_a_closure_alert_has_ended_and_not_failed() {
    let bench = Bench::new();
    let (theirs, ours) = bench.shake(bench.client(), "a.example", "a.example").await;
    let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
    theirs.write_all(b"last").await.unwrap();
    theirs.get_mut().0.shutdown().await.unwrap();
    let mut text = Vec::new();
    ours.io.read_to_end(&mut text).await.unwrap();
    assert_eq!(text, b"last");
    assert_eq!(ours.io.read(&mut [0; 16]).await.unwrap(), 0);
}

#[tokio::test]
async fn an_alert_that_comes_after_the_handshake_is_recognised() {
    let bench = Bench::new();
    for (alert, expected) in
        [(48, Trust::Refused("unknown_ca")), (42, Trust::Refused("bad_certificate")), (80, Trust::Left)]
    {
        let mut config = client(&[bench.authority.certificate_der().to_vec().into()], &[&TLS13]);
        config.enable_secret_extraction = true;
        let (theirs, ours) = bench.shake(config, "a.example", "a.example").await;
        let (mut socket, session) = theirs.unwrap().into_inner();
        let mut ours = ours.unwrap();
        socket.write_all(&sealed_alert(session, alert)).await.unwrap();
        assert!(ours.io.read(&mut [0; 16]).await.is_err());
        assert_eq!(ours.trust().trust(), expected);
    }
}

/// A fatal alert, sealed as the client's next record: rustls itself would send it during the handshake only.
fn sealed_alert(session: rustls::ClientConnection, alert: u8) -> Vec<u8> {
    use rustls::ConnectionTrafficSecrets::{Aes128Gcm, Aes256Gcm, Chacha20Poly1305};
    use rustls::crypto::cipher::{OutboundChunks, OutboundPlainMessage};
    let suite = session.negotiated_cipher_suite().unwrap().tls13().unwrap();
    let (number, secrets) = session.dangerous_extract_secrets().unwrap().tx;
    let (Aes128Gcm { key, iv } | Aes256Gcm { key, iv } | Chacha20Poly1305 { key, iv }) = secrets else {
        panic!("another cipher")
    };
    let message = OutboundPlainMessage {
        typ: rustls::ContentType::Alert,
        version: rustls::ProtocolVersion::TLSv1_2,
        payload: OutboundChunks::Single(&[2, alert]),
    };
    suite.aead_alg.encrypter(key, iv).encrypt(message, number).unwrap().encode()
}

#[tokio::test]
async fn a_close_that_must_be_a_reset_sends_no_closure_alert() {
    let bench = Bench::new();
    for reset in [false, true] {
        let (theirs, ours) = bench.shake(bench.client(), "a.example", "a.example").await;
        let (mut theirs, mut ours) = (theirs.unwrap(), ours.unwrap());
        ours.io.write_all(b"half").await.unwrap();
        ours.io.flush().await.unwrap();
        theirs.read_exact(&mut [0; 4]).await.unwrap();
        ours.io.reset_on_close(reset);
        ours.io.shutdown().await.unwrap();
        drop(ours);
        let end = theirs.read(&mut [0; 16]).await;
        assert_eq!(end.is_err(), reset, "{end:?}");
    }
}

#[tokio::test]
async fn what_is_not_tls_is_the_clients_fault() {
    let bench = Bench::new();
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"[..],
        b"\x16\x03\x01\x00\x05garbage garbage garbage",
        b"\x16\x03\x01\x40\x00",
        &[0xff; 2000],
        &[0; 2000],
    ] {
        let (mut theirs, ours) = pair().await;
        theirs.write_all(garbage).await.unwrap();
        theirs.shutdown().await.unwrap();
        let error = bench.interceptor.accept(ours, "a.example", LIMIT).await.unwrap_err();
        assert!(matches!(error, AcceptError::Protocol(_) | AcceptError::Closed), "{error:?}");
    }
    let (theirs, ours) = pair().await;
    drop(theirs);
    let error = bench.interceptor.accept(ours, "a.example", LIMIT).await.unwrap_err();
    assert!(matches!(error, AcceptError::Closed) && error.fault() == Fault::Connection, "{error:?}");
    assert_eq!(bench.interceptor.minted(), 0);
}

#[tokio::test(start_paused = true)]
async fn slow_handshakes_end_in_time() {
    let bench = Bench::new();
    // Nothing at all.
    let (theirs, ours) = duplex(4096);
    let limit = Duration::from_secs(10);
    let error = bench.interceptor.accept(ours, "a.example", limit).await.unwrap_err();
    assert!(matches!(error, AcceptError::Timeout(_)), "{error:?}");
    drop(theirs);
    // One byte a second: the limit is for the whole, not for each read.
    let (mut theirs, ours) = duplex(4096);
    let start = tokio::time::Instant::now();
    let trickle = async {
        for byte in [0x16, 3, 1, 1, 0].into_iter().chain([1; 200]) {
            if theirs.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    };
    let (error, ()) = tokio::join!(bench.interceptor.accept(ours, "a.example", limit), trickle);
    assert!(matches!(error.unwrap_err(), AcceptError::Timeout(_)));
    assert!(start.elapsed() >= limit);
    // Half a handshake: our flight is never answered.
    let (mut theirs, ours) = duplex(16 * 1024);
    let mut session = rustls::ClientConnection::new(
        Arc::new(bench.client()),
        rustls::pki_types::ServerName::try_from("a.example").unwrap(),
    )
    .unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    let start = tokio::time::Instant::now();
    let late = async {
        tokio::time::advance(limit / 2).await;
        theirs.write_all(&hello).await.unwrap();
    };
    let (error, ()) = tokio::join!(bench.interceptor.accept(ours, "a.example", limit), late);
    assert!(matches!(error.unwrap_err(), AcceptError::Timeout(_)));
    assert_eq!(start.elapsed(), limit, "one limit for both halves");
}
