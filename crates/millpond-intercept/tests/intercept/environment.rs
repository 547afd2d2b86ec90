//! What clients are told.

use crate::support::run;
use millpond_intercept::environment::{Container, Shell, docker_args, exports, java_note, variables};
use std::collections::HashMap;
use std::path::Path;

fn told(no_proxy: &str) -> Vec<(&'static str, String)> {
    variables("http://127.0.0.1:3142", Path::new("/ca/bundle.pem"), Path::new("/ca/cert.pem"), no_proxy)
}

#[test]
fn every_client_is_told_in_its_own_words() {
    let list = told("");
    let all: HashMap<&str, &str> = list.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(all.len(), list.len(), "no variable twice");
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        assert_eq!(all[name], "http://127.0.0.1:3142");
    }
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "GIT_SSL_CAINFO",
        "CARGO_HTTP_CAINFO",
        "PIP_CERT",
        "AWS_CA_BUNDLE",
    ] {
        assert_eq!(all[name], "/ca/bundle.pem", "{name} replaces what is trusted");
    }
    assert_eq!(all["NODE_EXTRA_CA_CERTS"], "/ca/cert.pem");
    // Set although empty: one from outside would lead around the proxy.
    assert_eq!((all["NO_PROXY"], all["no_proxy"]), ("", ""));
    assert!(told("a,b").contains(&("NO_PROXY", "a,b".to_owned())));
}

#[test]
fn shells_get_back_exactly_what_was_put_in() {
    let nasty = "a'b \"c\" $HOME `id` \\ !x\nnext";
    let list = [("MILLPOND_TEST", nasty.to_owned())];
    let script = exports(&list, Shell::Posix) + "printf %s \"$MILLPOND_TEST\"";
    let (ok, text) = run("sh", &["-c", &script]).unwrap();
    assert!(ok);
    assert_eq!(text, nasty);
    let list = [("X", r"it's \ here".to_owned())];
    assert_eq!(exports(&list, Shell::Fish), "set -gx X 'it\\'s \\\\ here'\n");
    assert_eq!(exports(&list, Shell::PowerShell), "$env:X = 'it''s \\ here'\n");
}

#[test]
fn containers_get_variables_files_and_a_way_to_the_host() {
    let over = ["/usr/lib/python3/certifi/cacert.pem".to_owned()];
    let mut container = Container {
        proxy_port: 4000,
        host_network: false,
        bundle: Path::new("/ca/bundle.pem"),
        ca_cert: Path::new("/ca/cert.pem"),
        no_proxy: "localhost",
        bundle_over: &[],
    };
    let args = docker_args(&container).join(" ");
    for part in [
        "-e HTTPS_PROXY=http://host.docker.internal:4000 ",
        "-e https_proxy=http://host.docker.internal:4000 ",
        "-e NO_PROXY=localhost ",
        "-e SSL_CERT_FILE=/etc/millpond/ca-bundle.pem ",
        "-e NODE_EXTRA_CA_CERTS=/etc/millpond/ca-cert.pem ",
        "-v /ca/bundle.pem:/etc/millpond/ca-bundle.pem:ro ",
        "-v /ca/cert.pem:/etc/millpond/ca-cert.pem:ro ",
    ] {
        assert!(args.contains(part), "{part:?} not in {args}");
    }
    assert!(args.ends_with(" --add-host=host.docker.internal:host-gateway"), "{args}");
    assert!(!args.contains("certifi") && !args.contains("--network"));

    container.host_network = true;
    container.bundle_over = &over;
    container.ca_cert = Path::new("/c:a/cert.pem");
    let args = docker_args(&container).join(" ");
    assert!(args.contains("-e HTTP_PROXY=http://127.0.0.1:4000 "), "{args}");
    assert!(args.contains("-v /ca/bundle.pem:/usr/lib/python3/certifi/cacert.pem:ro "), "{args}");
    assert!(
        args.contains("--mount type=bind,\"source=/c:a/cert.pem\",target=/etc/millpond/ca-cert.pem,readonly")
    );
    assert!(args.ends_with(" --network host") && !args.contains("--add-host"), "{args}");
}

#[test]
fn java_is_told_what_no_variable_tells_it() {
    assert!(java_note(Path::new("/ca/cert.pem")).contains("-file /ca/cert.pem"));
}
