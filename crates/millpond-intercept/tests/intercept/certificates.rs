//! Leaf certificates: what is in them, how many are made, when they are renewed.

use crate::support::{Bench, DAY, now, run};
use millpond_intercept::{AcceptError, Authority, CertName, Fault, MintError};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

#[tokio::test]
async fn a_certificate_has_what_clients_look_at() {
    let bench = Bench::new();
    let der = bench.certificate("Host.Example.COM").await;
    let (_, leaf) = X509Certificate::from_der(&der).unwrap();
    let (_, authority) = X509Certificate::from_der(bench.authority.certificate_der()).unwrap();
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::DNSName("host.example.com")]);
    assert!(!names.critical);
    assert_eq!(leaf.subject().iter_common_name().count(), 0);
    assert_eq!(leaf.issuer().as_raw(), authority.subject().as_raw());
    let validity = leaf.validity();
    let days = (validity.not_after.timestamp() - validity.not_before.timestamp()) / 86_400;
    assert!((360..=398).contains(&days), "{days} days");
    assert!(validity.not_before >= authority.validity().not_before);
    assert!(validity.is_valid());
    assert!(leaf.serial.bits() <= 128 && leaf.serial.bits() > 64, "{}", leaf.serial);
}

#[tokio::test]
async fn openssl_verifies_a_certificate() {
    let bench = Bench::new();
    for host in ["a.example", "_dmarc.a.example", "xn--bcher-kva.example", "192.0.2.7", "2001:db8::7"] {
        let der = bench.certificate(host).await;
        let path = bench.dir.path().join("leaf.der");
        std::fs::write(&path, &der).unwrap();
        let path = path.to_str().unwrap();
        let root = bench.authority.certificate_path().to_str().unwrap();
        let check = if host.parse::<std::net::IpAddr>().is_ok() { "-verify_ip" } else { "-verify_hostname" };
        let args = ["verify", "-x509_strict", "-purpose", "sslserver", check, host, "-CAfile", root, path];
        let Some((ok, text)) = run("openssl", &args) else { return };
        assert!(ok, "{host}: {text}");
        let (_, text) = run("openssl", &["x509", "-in", path, "-noout", "-text"]).unwrap();
        for part in [
            "X509v3 Extended Key Usage: \n                TLS Web Server Authentication",
            "X509v3 Key Usage: critical\n                Digital Signature",
            "X509v3 Authority Key Identifier",
            "X509v3 Subject Key Identifier",
            "CA:FALSE",
        ] {
            assert!(text.contains(part), "{part:?} not in {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn none_is_made_twice_under_many_clients() {
    let bench = Arc::new(Bench::new());
    let config = Arc::new(bench.client());
    let start = Arc::new(tokio::sync::Barrier::new(64));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..64 {
        let (bench, config, start) = (Arc::clone(&bench), Arc::clone(&config), Arc::clone(&start));
        clients.spawn(async move {
            start.wait().await;
            let mut serials = Vec::new();
            // Each begins elsewhere, pairs of them at the same place.
            for step in 0..25 {
                let host = format!("h{}.example", (client / 2 * 13 + step * 7) % 200);
                let (theirs, ours) = bench.shake_with(&config, &host, &host).await;
                ours.unwrap();
                let theirs = theirs.unwrap();
                let der = theirs.get_ref().1.peer_certificates().unwrap()[0].clone();
                let (_, leaf) = X509Certificate::from_der(&der).unwrap();
                serials.push((host, leaf.raw_serial().to_vec()));
            }
            serials
        });
    }
    let shown: HashSet<(String, Vec<u8>)> = clients.join_all().await.into_iter().flatten().collect();
    let hosts: HashSet<&String> = shown.iter().map(|(host, _)| host).collect();
    let serials: HashSet<&Vec<u8>> = shown.iter().map(|(_, serial)| serial).collect();
    assert_eq!(hosts.len(), 200);
    assert_eq!(shown.len(), 200, "a host was shown two certificates");
    assert_eq!(serials.len(), 200);
    assert_eq!(bench.interceptor.minted(), 200);
    assert_eq!(bench.interceptor.kept(), 200);
}

#[tokio::test]
async fn only_so_many_are_kept() {
    let bench = Bench::with(|options| options.certificates = 8);
    for host in 0..40 {
        bench.certificate(&format!("h{host}.example")).await;
    }
    assert!(bench.interceptor.kept() <= 8);
    assert_eq!(bench.interceptor.minted(), 40);
}

#[tokio::test]
async fn a_certificate_is_renewed_before_it_ends() {
    let bench = Bench::new();
    let first = bench.certificate("a.example").await;
    bench.advance(330);
    assert_eq!(bench.certificate("a.example").await, first);
    bench.advance(10);
    let (_, server) = bench.shake(bench.client(), "a.example", "a.example").await;
    assert!(server.is_err(), "the client's clock stands before the new one begins");
    assert_eq!(bench.interceptor.minted(), 2);
}

#[tokio::test]
async fn none_outlives_its_authority() {
    let dir = tempfile::TempDir::new().unwrap();
    let made = now() - Duration::from_secs(3600 * DAY);
    let authority = Authority::load_or_create(dir.path(), made).unwrap();
    let end = X509Certificate::from_der(authority.certificate_der()).unwrap().1.validity().not_after;
    let bench = Bench::of(dir, authority, |_| {});
    let der = bench.certificate("a.example").await;
    assert_eq!(X509Certificate::from_der(&der).unwrap().1.validity().not_after, end);
    bench.advance(30);
    assert_eq!(bench.certificate("a.example").await, der, "another one would end no later");
    bench.advance(30);
    let (_, server) = bench.shake(bench.client(), "a.example", "a.example").await;
    let error = server.unwrap_err();
    assert!(matches!(error, AcceptError::Mint(MintError::AuthorityExpired)), "{error}");
    assert_eq!(error.fault(), Fault::Ours);
}

#[test]
fn names_are_told_from_what_is_none() {
    let long = format!("{}.example", "a".repeat(64));
    let longer = format!("{}example", "a.".repeat(130));
    for (host, name) in [
        ("example.com", Some("example.com")),
        ("EXAMPLE.com.", Some("example.com")),
        ("localhost", Some("localhost")),
        ("under_score.example", Some("under_score.example")),
        ("xn--bcher-kva.example", Some("xn--bcher-kva.example")),
        ("192.0.2.1", Some("192.0.2.1")),
        ("[2001:DB8::1]", Some("2001:db8::1")),
        ("2001:db8::1", Some("2001:db8::1")),
        ("", None),
        (".", None),
        ("a..example", None),
        ("example.com..", None),
        ("*.example.com", None),
        ("bücher.example", None),
        ("a b", None),
        ("a\0b", None),
        ("-a.example", None),
        ("1.2.3", None),
        ("[192.0.2.1]", None),
        ("[::1", None),
        ("example.com:443", None),
        (&long, None),
        (&longer, None),
    ] {
        assert_eq!(CertName::parse(host).ok().map(|name| name.to_string()).as_deref(), name, "{host:?}");
    }
    assert!(matches!(CertName::parse("127.0.0.1"), Ok(CertName::Ip(_))));
    assert!(CertName::parse(&"é".repeat(10_000)).unwrap_err().to_string().len() < 400);
}
