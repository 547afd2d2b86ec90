//! The folder: created, found, shared, damaged, expired, mitmproxy's.

use crate::support::{Bench, DAY, mode, now, run};
use millpond_intercept::{Authority, AuthorityError};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const MITMPROXY: &str = include_str!("../fixtures/test-only-mitmproxy-ca.pem");

fn load(dir: &Path) -> Authority {
    Authority::load_or_create(dir, now()).unwrap()
}

fn failure(dir: &Path) -> String {
    Authority::load_or_create(dir, now()).unwrap_err().to_string()
}

#[test]
fn the_first_use_makes_an_authority_and_the_next_finds_it() {
    let parent = TempDir::new().unwrap();
    let dir = parent.path().join("a/ca");
    let first = load(&dir);
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(fs::read_to_string(dir.join(".gitignore")).unwrap(), "*\n");
    assert_eq!(mode(&dir.join("millpond-ca.pem")), 0o600);
    assert_eq!(mode(first.certificate_path()), 0o644);
    assert!(first.certificate_path().is_absolute());
    assert_eq!(fs::read_to_string(first.certificate_path()).unwrap(), first.certificate_pem());
    let key = fs::read_to_string(dir.join("millpond-ca.pem")).unwrap();
    let second = load(&dir);
    assert_eq!(second.certificate_der(), first.certificate_der());
    assert_eq!(fs::read_to_string(dir.join("millpond-ca.pem")).unwrap(), key);
    assert!(!format!("{second:?}").contains("PRIVATE"));
}

#[test]
fn processes_that_start_at_once_get_the_same_authority() {
    for _ in 0..8 {
        let dir = TempDir::new().unwrap();
        let start = std::sync::Barrier::new(8);
        let made: Vec<Vec<u8>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        start.wait();
                        load(dir.path()).certificate_der().to_vec()
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|one| *one == made[0]));
        let left: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".tmp")), "{left:?}");
    }
}

#[test]
fn an_authority_is_what_other_programs_take_for_one() {
    let bench = Bench::new();
    let path = bench.authority.certificate_path().to_str().unwrap();
    let Some((ok, text)) = run("openssl", &["x509", "-in", path, "-noout", "-text", "-nameopt", "RFC2253"])
    else {
        return;
    };
    assert!(ok, "{text}");
    for part in [
        "Issuer: O=millpond,CN=millpond",
        "Subject: O=millpond,CN=millpond",
        "X509v3 Basic Constraints: critical\n                CA:TRUE, pathlen:0",
        "X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
        "X509v3 Subject Key Identifier",
    ] {
        assert!(text.contains(part), "{part:?} not in {text}");
    }
    let (_, fingerprint) =
        run("openssl", &["x509", "-in", path, "-noout", "-fingerprint", "-sha256"]).unwrap();
    let summary = bench.authority.summary();
    assert!(fingerprint.contains(&summary.fingerprint), "{fingerprint} {summary:?}");
    assert_eq!(summary.subject, "CN=millpond, O=millpond");
    assert_eq!(summary.key, "ECDSA P-256");
}

#[test]
fn the_folder_of_a_mitmproxy_is_used_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mitmproxy-ca.pem"), MITMPROXY).unwrap();
    let certificate = &MITMPROXY[MITMPROXY.find("-----BEGIN CERTIFICATE").unwrap()..];
    let theirs = dir.path().join("mitmproxy-ca-cert.pem");
    fs::write(&theirs, certificate).unwrap();
    let authority = load(dir.path());
    assert_eq!(authority.certificate_path(), theirs);
    assert_eq!(authority.summary().subject, "CN=mitmproxy, O=mitmproxy");
    assert_eq!(authority.summary().key, "RSA");
    assert_eq!(authority.certificate_pem(), certificate);
    assert!(!dir.path().join("millpond-ca.pem").exists());
    assert_eq!(fs::read_to_string(dir.path().join("mitmproxy-ca.pem")).unwrap(), MITMPROXY);
    // Where mitmproxy's own copy is that of another authority, it must not be what clients are told.
    fs::write(&theirs, load(TempDir::new().unwrap().path()).certificate_pem()).unwrap();
    let authority = load(dir.path());
    assert_eq!(authority.certificate_path(), dir.path().join("millpond-ca-cert.pem"));
    assert_eq!(fs::read_to_string(authority.certificate_path()).unwrap(), certificate);
}

#[tokio::test]
async fn clients_that_trust_a_mitmproxy_trust_what_its_folder_signs() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mitmproxy-ca.pem"), MITMPROXY).unwrap();
    let authority = load(dir.path());
    let bench = Bench::of(dir, authority, |_| {});
    let (client, server) = bench.shake(bench.client(), "example.com", "example.com").await;
    client.unwrap();
    server.unwrap();
}

#[test]
fn a_key_that_others_may_read_is_used_all_the_same() {
    let dir = TempDir::new().unwrap();
    let first = load(dir.path());
    let path = dir.path().join("millpond-ca.pem");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(load(dir.path()).certificate_der(), first.certificate_der());
}

#[test]
fn a_damaged_file_is_named_with_what_is_wrong_and_never_replaced() {
    let dir = TempDir::new().unwrap();
    load(dir.path());
    let path = dir.path().join("millpond-ca.pem");
    let good = fs::read_to_string(&path).unwrap();
    let key = &good[..good.find("-----BEGIN CERTIFICATE").unwrap()];
    let certificate = &good[key.len()..];
    let other = TempDir::new().unwrap();
    load(other.path());
    let other = fs::read_to_string(other.path().join("millpond-ca.pem")).unwrap();
    let foreign = &other[other.find("-----BEGIN CERTIFICATE").unwrap()..];
    for (text, says) in [
        (String::new(), "holds no private key"),
        ("garbage\u{0}\u{1}".repeat(1000), "holds no private key"),
        (good[..40].to_owned(), "holds no private key"),
        (certificate.to_owned(), "holds no private key"),
        (key.to_owned(), "holds no certificate"),
        (good[..good.len() - 60].to_owned(), "certificate"),
        (format!("{key}{foreign}"), "do not belong together"),
        (key.replace("PRIVATE KEY", "RSA PRIVATE KEY") + certificate, "cannot be used"),
        ("x".repeat(2 << 20), "too large"),
    ] {
        fs::write(&path, &text).unwrap();
        let message = failure(dir.path());
        assert!(message.contains(says), "{says:?} not in {message:?}");
        assert!(message.contains("millpond-ca.pem") && message.contains("delete it"), "{message}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
    fs::write(&path, good).unwrap();
    load(dir.path());
}

#[test]
fn a_certificate_that_is_not_an_authoritys_is_refused() {
    let dir = TempDir::new().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["example.com".to_owned()]).unwrap();
    let text = key.serialize_pem() + &params.self_signed(&key).unwrap().pem();
    fs::write(dir.path().join("mitmproxy-ca.pem"), text).unwrap();
    assert!(failure(dir.path()).contains("CA:TRUE"));
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
    let text = key.serialize_pem() + &params.self_signed(&key).unwrap().pem();
    fs::write(dir.path().join("mitmproxy-ca.pem"), text).unwrap();
    assert!(failure(dir.path()).contains("keyCertSign"));
}

#[test]
fn our_own_expired_authority_is_set_aside_and_a_foreign_one_is_not() {
    let dir = TempDir::new().unwrap();
    let first = load(dir.path());
    let later = now() + Duration::from_secs(3651 * DAY);
    let second = Authority::load_or_create(dir.path(), later).unwrap();
    assert_ne!(second.certificate_der(), first.certificate_der());
    assert!(dir.path().join("millpond-ca.expired.pem").exists());
    assert_eq!(fs::read_to_string(second.certificate_path()).unwrap(), second.certificate_pem());
    let third = Authority::load_or_create(dir.path(), later).unwrap();
    assert_eq!(third.certificate_der(), second.certificate_der());

    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("mitmproxy-ca.pem"), MITMPROXY).unwrap();
    let error = Authority::load_or_create(dir.path(), now() + Duration::from_secs(40_000 * DAY)).unwrap_err();
    assert!(
        matches!(error, AuthorityError::File { .. }) && error.to_string().contains("expired on"),
        "{error}"
    );
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    assert!(failure(&dir.path().join("file/ca")).contains("file/ca"));
}

#[test]
fn the_bundle_ends_with_ours_and_is_written_only_when_it_changes() {
    use std::os::unix::fs::MetadataExt;
    let bench = Bench::new();
    let path = bench.authority.bundle(None).unwrap();
    assert_eq!(path, bench.dir.path().join("millpond-ca-bundle.pem"));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.ends_with(bench.authority.certificate_pem()));
    let inode = fs::metadata(&path).unwrap().ino();
    bench.authority.bundle(None).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);

    let extra = bench.dir.path().join("extra.pem");
    fs::write(&extra, MITMPROXY).unwrap();
    bench.authority.bundle(Some(&extra)).unwrap();
    let more = fs::read_to_string(&path).unwrap();
    let certificate = &MITMPROXY[MITMPROXY.find("-----BEGIN CERTIFICATE").unwrap()..];
    assert!(more.contains(certificate) && !more.contains("PRIVATE KEY"));
    assert_eq!(more.len(), text.len() + certificate.len());
    assert!(more.ends_with(bench.authority.certificate_pem()));

    // Ours is not there twice where the platform trusts it already.
    bench.authority.bundle(Some(bench.authority.certificate_path())).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), text);

    for (content, says) in [("", "no certificate"), ("-----BEGIN CERTIFICATE-----\n!", "extra.pem")] {
        fs::write(&extra, content).unwrap();
        let message = bench.authority.bundle(Some(&extra)).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    assert!(bench.authority.bundle(Some(Path::new("/nonexistent/ca.pem"))).is_err());
}
