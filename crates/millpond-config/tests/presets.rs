//! The presets are configuration files like any other, and say what they are for.

use millpond_config::{Config, MissBody, Policy, TapeFormat, TapeMode, Ttl, preset_names, preset_text};
use std::collections::BTreeSet;

#[test]
fn every_preset_file_is_built_in_and_no_other() {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../../presets");
    let files: BTreeSet<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    assert_eq!(files, preset_names().map(str::to_owned).collect());
}

#[test]
fn every_preset_passes_the_check_and_says_when_to_use_it() {
    for name in preset_names() {
        let resolved = Config::builder().preset(name).build().unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(resolved.warnings, []);
        assert_ne!(
            resolved.config,
            Config { preset: Some(name.to_owned()), ..Config::default() },
            "{name} does nothing"
        );
        let text = preset_text(name).unwrap();
        assert!(text.starts_with(&format!("# {name}: ")), "{name} begins with its name");
        assert!(text.contains("# Choose it "), "{name} says when to choose it");
    }
    assert_eq!(preset_text("none"), None);
}

#[test]
fn a_preset_chooses_neither_a_preset_nor_an_origin() {
    for name in preset_names() {
        let config = Config::builder().file_text(name, preset_text(name).unwrap()).build().unwrap().config;
        assert_eq!((config.preset, config.origin, config.route.len()), (None, None, 0), "{name}");
    }
}

#[test]
fn caching_proxy_changes_one_thing() {
    let config = Config::builder().preset("caching-proxy").build().unwrap().config;
    let mut expected = Config { preset: Some("caching-proxy".to_owned()), ..Config::default() };
    expected.policy.default_ttl = Ttl::Forever;
    assert_eq!(config, expected);
}

#[test]
fn only_presets_for_networks_listen_beyond_loopback() {
    for name in preset_names() {
        let listen = Config::builder().preset(name).build().unwrap().config.listen.socket_addr();
        assert_eq!(listen.ip().is_loopback(), !matches!(name, "gateway" | "ingress"), "{name}");
    }
}

/// The policy of a preset for `path`: that of its first rule which covers it.
fn policy_for(preset: &str, path: &str) -> Policy {
    let config = Config::builder().preset(preset).build().expect("a valid preset").config;
    config.rule.iter().find(|rule| rule.covers(path)).map_or(config.policy, |rule| rule.policy.clone())
}

/// What a preset does with `path`: `confirm` each use, `keep` it without heed of reloads, or go by what it `says`.
fn treatment(preset: &str, path: &str) -> &'static str {
    let policy = policy_for(preset, path);
    match (policy.always_validate, policy.ignore_client_reload) {
        (true, _) => "confirm",
        (false, true) => "keep",
        (false, false) => "says",
    }
}

#[test]
fn package_managers_get_what_changes_confirmed_and_keep_what_does_not() {
    #[rustfmt::skip]
    let rows = [
        ("apt", "/debian/dists/trixie/InRelease", "confirm"),
        ("apt", "/debian/dists/trixie/Release", "confirm"),
        ("apt", "/debian/dists/trixie/Release.gpg", "confirm"),
        ("apt", "/debian/dists/trixie/main/binary-amd64/Packages.xz", "confirm"),
        ("apt", "/debian/dists/trixie/main/source/Sources.gz", "confirm"),
        ("apt", "/ubuntu/dists/noble/main/i18n/Translation-en.xz", "confirm"),
        ("apt", "/debian/dists/trixie/main/Contents-amd64.gz", "confirm"),
        ("apt", "/debian/dists/trixie/main/binary-amd64/Packages.diff/Index", "confirm"),
        ("apt", "/debian/dists/trixie/main/dep11/Components-amd64.yml.xz", "confirm"),
        ("apt", "/flat/Packages", "confirm"),
        ("apt", "/Packages.gz", "confirm"),
        ("apt", "/InRelease", "confirm"),
        ("apt", "/debian/pool/main/c/curl/curl_8.14.1-2_amd64.deb", "keep"),
        ("apt", "/debian/pool/main/c/curl/curl_8.14.1-2.debian.tar.xz", "keep"),
        ("apt", "/debian/pool/main/c/curl/curl_8.14.1-2.dsc", "keep"),
        ("apt", "/debian/pool/main/b/base/base_1_amd64.udeb", "keep"),
        ("apt", "/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/0a1b", "keep"),
        ("apt", "/debian/pool/main/c/curl/", "says"),
        ("apt", "/flat/tool_1.0_amd64.deb", "says"),
        ("pip", "/simple/requests/", "confirm"),
        ("pip", "/simple", "confirm"),
        ("pip", "/root/pypi/+simple/requests/", "confirm"),
        ("pip", "/pypi/requests/json", "confirm"),
        ("pip", "/packages/ab/cd/0123/requests-2.32.0-py3-none-any.whl", "keep"),
        ("pip", "/packages/ab/cd/0123/requests-2.32.0-py3-none-any.whl.metadata", "keep"),
        ("pip", "/simple/own/own-1.0.tar.gz", "keep"),
        ("pip", "/search", "says"),
        ("npm", "/lodash", "confirm"),
        ("npm", "/@babel%2Fcore", "confirm"),
        ("npm", "/-/v1/search", "confirm"),
        ("npm", "/lodash/-/lodash-4.17.21.tgz", "keep"),
        ("npm", "/@babel/core/-/core-7.0.0.tgz", "keep"),
        ("ci", "/anything", "says"),
    ];
    for (preset, path, expected) in rows {
        assert_eq!(treatment(preset, path), expected, "{preset} {path}");
    }
    let month = Ttl::For(std::time::Duration::from_secs(30 * 24 * 3600));
    let deb = policy_for("apt", "/debian/pool/main/c/curl/curl_8.14.1-2_amd64.deb");
    assert_eq!((deb.default_ttl, deb.stale_if_error), (month, month));
    let wheel = policy_for("pip", "/packages/ab/cd/0123/a-1-py3-none-any.whl");
    assert_eq!(wheel.default_ttl.to_string(), "365d");
    assert_eq!(policy_for("pip", "/search").default_ttl, Ttl::Off);
}

/// What is set for packages reaches the rules of the preset too.
#[test]
fn the_lifetime_of_packages_can_be_changed_without_writing_the_rules_again() {
    let builder = Config::builder().preset("apt").with_env_from([("CACHE_EXPIRATION_SECONDS", "60")]);
    let config = builder.build().unwrap().config;
    let minute = Ttl::For(std::time::Duration::from_secs(60));
    assert!(config.rule.iter().all(|rule| rule.policy.default_ttl == minute));
}

#[test]
fn package_managers_over_https_are_opened_for_their_index_only() {
    for (preset, opened) in
        [("apt", "deb.debian.org"), ("pip", "example.com"), ("npm", "example.com"), ("ci", "example.com")]
    {
        let intercept = Config::builder().preset(preset).build().unwrap().config.intercept;
        assert!(!intercept.all && !intercept.hosts.iter().any(|host| host.matches(opened)), "{preset}");
    }
    let pip = Config::builder().preset("pip").build().unwrap().config.intercept;
    assert!(pip.hosts.iter().any(|host| host.matches("files.pythonhosted.org")));
}

#[test]
fn airbyte_has_its_defaults() {
    let config = Config::builder().preset("airbyte").build().unwrap().config;
    let tape = config.tape;
    assert_eq!(tape.dir.as_deref(), Some(std::path::Path::new(".airbyte-http-cache")));
    assert_eq!((tape.read_dir, tape.mode), (None, Some(TapeMode::ReadWrite)));
    assert_eq!((tape.format, tape.miss_status, tape.miss_body), (TapeFormat::Mitm, 404, MissBody::Text));
    assert_eq!(config.listen.socket_addr().port(), 0);
}
