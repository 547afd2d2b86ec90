//! The presets are configuration files like any other, and say what they are for.

use millpond_config::{Config, Ttl, preset_names, preset_text};
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

#[test]
fn apt_passes_what_changes_under_its_name() {
    let pass = Config::builder().preset("apt").build().unwrap().config.pass;
    let passed = |path: &str| pass.paths.iter().any(|pattern| pattern.matches(path));
    for path in [
        "/debian/dists/trixie/InRelease",
        "/debian/dists/trixie/main/binary-amd64/Packages.xz",
        "/ubuntu/dists/noble/main/i18n/Translation-en.xz",
    ] {
        assert!(passed(path), "{path}");
    }
    for path in [
        "/debian/pool/main/c/curl/curl_8.14.1-2_amd64.deb",
        "/debian/dists/trixie/main/binary-amd64/by-hash/SHA256/0a1b",
    ] {
        assert!(!passed(path), "{path}");
    }
}
