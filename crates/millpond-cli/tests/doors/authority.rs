//! `millpond ca`.

use crate::home::{Home, ended};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

#[test]
fn the_path_is_that_of_a_certificate_which_is_made_once() {
    let home = Home::new();
    let path = home.stdout_of(&["ca", "path"]);
    let path = path.strip_suffix('\n').unwrap();
    assert!(Path::new(path).starts_with(home.path(".cache/millpond/ca")), "{path}");
    let first = std::fs::read_to_string(path).unwrap();
    assert!(first.starts_with("-----BEGIN CERTIFICATE-----"), "{first}");
    assert!(!first.contains("PRIVATE KEY"));
    assert_eq!(home.stdout_of(&["ca", "path"]).trim_end(), path);
    assert_eq!(std::fs::read_to_string(path).unwrap(), first, "the authority is made once");
    for file in std::fs::read_dir(home.path(".cache/millpond/ca")).unwrap() {
        let file = file.unwrap().path();
        if std::fs::read_to_string(&file).unwrap_or_default().contains("PRIVATE KEY") {
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.display());
        }
    }
    let bundle = home.stdout_of(&["ca", "path", "--bundle"]);
    assert!(std::fs::read_to_string(bundle.trim_end()).unwrap().contains(first.trim_end()));
}

#[test]
fn another_directory_may_be_named() {
    let home = Home::new();
    for arguments in [
        &["ca", "path", "--cache-dir", "elsewhere"][..],
        &["ca", "path", "--set", "intercept.ca_dir=elsewhere/ca"],
        &["ca", "path", "--set", "store=memory", "--set", "intercept.ca_dir=~/elsewhere/ca"],
    ] {
        let path = home.stdout_of(arguments);
        assert!(Path::new(path.trim_end()).starts_with(home.path("elsewhere/ca")), "{arguments:?}: {path}");
    }
    let path = home.stdout_of(&["ca", "path", "--set", "store=memory"]);
    assert!(path.contains(".cache/millpond/ca"), "the authority is kept although responses are not: {path}");
}

#[test]
fn without_any_directory_it_says_what_to_name() {
    let home = Home::new();
    let output = home.millpond(&["ca", "path"]).env_remove("HOME").output().unwrap();
    let told = ended(&output);
    assert_eq!((told.code, &*told.stdout), (Some(78), ""));
    for part in ["intercept.ca_dir", "--cache-dir", "HOME"] {
        assert!(told.stderr.contains(part), "no {part} in {}", told.stderr);
    }
    for arguments in [&["proxy", "--intercept-all"][..], &["replay", "--tape", "."]] {
        let mut command = home.millpond(arguments);
        let told = ended(&command.args(["--listen", "127.0.0.1:0"]).env_remove("HOME").output().unwrap());
        assert_eq!((told.code, &*told.stdout), (Some(78), ""), "{}", told.stderr);
        assert!(told.stderr.contains("intercept.ca_dir"), "{}", told.stderr);
    }
}

#[test]
fn openssl_sees_what_show_says() {
    let home = Home::new();
    let path = home.stdout_of(&["ca", "path"]);
    let shown: Value = serde_json::from_str(&home.stdout_of(&["ca", "show", "--json"])).unwrap();
    let output = home
        .program("openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", path.trim_end()])
        .output()
        .unwrap();
    let fingerprint = ended(&output).stdout;
    let (_, fingerprint) = fingerprint.trim_end().split_once('=').unwrap();
    assert_eq!(shown["sha256_fingerprint"], fingerprint);
    assert_eq!(shown["certificate"], path.trim_end());
    let text = home.stdout_of(&["ca", "show"]);
    for part in [fingerprint, shown["subject"].as_str().unwrap(), shown["not_after"].as_str().unwrap()] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn a_shell_reads_the_lines_whatever_the_paths_are() {
    let home = Home::new();
    let odd = "it's a \"$HOME\" `dir`; exit 3";
    let script = r#"lines=$("$@") || exit; eval "$lines"
        printf '%s\n' "$HTTP_PROXY" "$https_proxy" "${NO_PROXY?}" "$CURL_CA_BUNDLE" "$NODE_EXTRA_CA_CERTS""#;
    let mut shell = home.program("sh");
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_millpond"), "ca", "env", "--cache-dir", odd]);
    shell.args(["--proxy", "http://127.0.0.1:4000", "--no-proxy", "localhost,db"]);
    let ended = ended(&shell.output().unwrap());
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[..3], ["http://127.0.0.1:4000", "http://127.0.0.1:4000", "localhost,db"]);
    for file in &lines[3..] {
        assert!(file.contains(odd), "{file}");
        assert!(std::fs::read_to_string(file).unwrap().contains("BEGIN CERTIFICATE"), "{file}");
    }
}

#[test]
fn the_variables_are_there_as_json_too() {
    let home = Home::new();
    let all: Value = serde_json::from_str(&home.stdout_of(&["ca", "env", "--json"])).unwrap();
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"] {
        assert_eq!(all[name], "http://127.0.0.1:3142", "{name}");
    }
    assert_eq!((&all["NO_PROXY"], &all["no_proxy"]), (&"".into(), &"".into()));
    for name in [
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "GIT_SSL_CAINFO",
        "CARGO_HTTP_CAINFO",
        "PIP_CERT",
        "AWS_CA_BUNDLE",
    ] {
        assert!(Path::new(all[name].as_str().unwrap()).is_file(), "{name}: {}", all[name]);
    }
}

#[test]
fn a_proxy_that_is_none_is_refused() {
    let home = Home::new();
    for proxy in ["3142", "https://127.0.0.1:3142", "http://127.0.0.1:3142/path", "http://127.0.0.1:99999"] {
        let ended = home.run(&["ca", "env", "--proxy", proxy]);
        assert_eq!((ended.code, &*ended.stdout), (Some(2), ""), "{proxy}");
        assert!(ended.stderr.contains("http://127.0.0.1:3142"), "{}", ended.stderr);
    }
}

#[test]
fn docker_arguments_fit_the_network() {
    let home = Home::new();
    let words = |more: &[&str]| -> Vec<String> {
        let text =
            home.stdout_of(&[&["ca", "docker-args", "--proxy", "http://127.0.0.1:4000"], more].concat());
        text.split_whitespace().map(str::to_owned).collect()
    };
    let bridge = words(&[]);
    assert!(bridge.contains(&"HTTPS_PROXY=http://host.docker.internal:4000".to_owned()), "{bridge:?}");
    assert!(bridge.contains(&"--add-host=host.docker.internal:host-gateway".to_owned()), "{bridge:?}");
    let host = words(&["--network", "host"]);
    assert!(host.contains(&"HTTPS_PROXY=http://127.0.0.1:4000".to_owned()), "{host:?}");
    assert!(host.windows(2).any(|pair| pair == ["--network", "host"]), "{host:?}");
    assert!(host.iter().all(|word| !word.contains("add-host")), "{host:?}");
    let over = words(&["--over", "/usr/lib/certifi/cacert.pem"]);
    assert!(over.iter().any(|word| word.ends_with(":/usr/lib/certifi/cacert.pem:ro")), "{over:?}");
}

#[test]
fn docker_arguments_are_quoted_where_they_must_be() {
    let home = Home::new();
    let arguments = ["ca", "docker-args", "--cache-dir", "a dir with 'quotes'"];
    let plain: Vec<String> =
        serde_json::from_str(&home.stdout_of(&[&arguments[..], &["--json"]].concat())).unwrap();
    let mut shell = home.program("sh");
    let script = r#"words=$("$@") && eval "printf '%s\n' $words""#;
    shell.args(["-c", script, "sh", env!("CARGO_BIN_EXE_millpond")]).args(arguments);
    let read = ended(&shell.output().unwrap());
    assert_eq!(read.stdout.lines().collect::<Vec<_>>(), plain, "{}", read.stderr);
}
