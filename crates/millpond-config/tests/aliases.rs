//! Other programs' variables.

use millpond_config::{ALIASES, Builder, Config, TapeFormat, TapeMode, Ttl, preset_names};
use std::time::Duration;

fn apt(variables: &[(&str, &str)]) -> Builder {
    Config::builder().preset("apt").with_env_from(variables.iter().copied())
}

#[test]
fn aliases_count_while_their_preset_is_chosen() {
    let variables =
        [("PORT", "8080"), ("CACHE_EXPIRATION_SECONDS", "60"), ("MAX_CONCURRENT_CONNECTIONS", "7")];
    let resolved = apt(&variables).build().unwrap();
    assert_eq!(resolved.config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(resolved.config.policy.default_ttl, Ttl::For(Duration::from_secs(60)));
    assert_eq!(resolved.config.limits.connections, 7);
    assert_eq!(resolved.origin_of("listen").unwrap().to_string(), "environment variable PORT");
    assert!(resolved.warnings.is_empty());
}

#[test]
fn aliases_are_ignored_without_it_and_named_once() {
    let resolved = Config::builder()
        .with_env_from([("PORT", "8080"), ("FORCE_CACHE", "true"), ("USER", "root")])
        .with_dotenv_text(".env", "PORT=8081\n")
        .build()
        .unwrap();
    assert_eq!(resolved.config, Config::default());
    let mut said: Vec<String> = resolved.warnings.iter().map(ToString::to_string).collect();
    said.sort();
    assert_eq!(
        said,
        [
            ".env:1 PORT is ignored: it counts only with preset apt",
            "environment variable FORCE_CACHE is ignored: it counts only with preset services",
        ]
    );
}

#[test]
fn the_names_of_an_older_apt_cache_reach_the_disk() {
    let variables = [("DB_NAME", "/app/data/cache.db"), ("BATCH_SIZE", "10"), ("BATCH_INTERVAL", "1.0")];
    let resolved = apt(&variables).build().unwrap();
    assert_eq!(resolved.config.store_file().unwrap().to_str(), Some("/app/data/millpond.db"));
    assert_eq!(resolved.config.disk.commit_entries, 10);
    assert_eq!(resolved.config.disk.commit_interval.to_string(), "1s");
    assert_eq!(
        apt(&[("DB_NAME", "cache.db")]).build().unwrap().config.store_dir().unwrap().to_str(),
        Some(".")
    );
    for interval in ["0", "-1", "nan", "soon"] {
        let errors = apt(&[("BATCH_INTERVAL", interval)]).build().unwrap_err();
        assert!(errors.to_string().starts_with("BATCH_INTERVAL: `disk.commit_interval` is not a number"));
    }
    assert_eq!(
        apt(&[("DB_NAME", "/")]).build().unwrap_err().to_string(),
        "DB_NAME: `cache_dir` is not a file: \"/\"\n  help: write /app/data/cache.db, say"
    );
}

#[test]
fn a_port_keeps_the_address_of_the_layers_below() {
    let resolved = apt(&[("PORT", "8080")]).file_text("a.toml", "listen = \"0.0.0.0:1\"").build().unwrap();
    assert_eq!(resolved.config.listen.to_string(), "0.0.0.0:8080");
}

#[test]
fn the_settings_own_name_is_stronger_than_an_alias_and_a_higher_layer_than_both() {
    let both = apt(&[("PORT", "8080"), ("MILLPOND_LISTEN", "127.0.0.1:1")]);
    assert_eq!(both.clone().build().unwrap().config.listen.to_string(), "127.0.0.1:1");
    assert_eq!(both.set("listen", "127.0.0.1:2").build().unwrap().config.listen.to_string(), "127.0.0.1:2");
    let dotenv = apt(&[("PORT", "8080")]).with_dotenv_text(".env", "MILLPOND_LISTEN=127.0.0.1:3");
    assert_eq!(dotenv.build().unwrap().config.listen.to_string(), "127.0.0.1:8080");
}

#[test]
fn force_cache_is_a_switch() {
    let services = |value: &str| {
        let builder = Config::builder().preset("services").with_env_from([("FORCE_CACHE", value)]);
        builder.build().unwrap().config.policy.force_cache.to_string()
    };
    assert_eq!(services("false"), "off");
    assert_eq!(services("True"), "1d");
    let lower = Config::builder()
        .preset("services")
        .file_text("a.toml", "policy.force_cache = \"1h\"")
        .with_env_from([("FORCE_CACHE", "1")]);
    assert_eq!(lower.build().unwrap().config.policy.force_cache.to_string(), "1h");
}

#[test]
fn names_with_a_products_prefix_always_count() {
    let resolved = Config::builder().with_env_from([("API_BUDDY_LOG_LEVEL", "WARNING")]).build().unwrap();
    assert_eq!(resolved.config.log.level.as_str(), "warn");
}

#[test]
fn the_names_of_the_recorder_for_connectors_always_count() {
    let with = |variables: &[(&str, &str)]| {
        let builder = Config::builder().preset("airbyte").with_env_from(variables.iter().copied());
        builder.build().map(|resolved| resolved.config.tape)
    };
    let tape = with(&[
        ("AIRBYTE_HTTP_CACHE_DIR", "/tapes/new"),
        ("AIRBYTE_HTTP_CACHE_READ_DIR", "/tapes/old"),
        ("AIRBYTE_HTTP_CACHE_MODE", "READ_ONLY_FAIL_ON_MISS"),
        ("AIRBYTE_HTTP_CACHE_FORMAT", "json"),
    ])
    .unwrap();
    assert_eq!(tape.dir.unwrap().to_str(), Some("/tapes/new"));
    assert_eq!(tape.read_dir.unwrap().to_str(), Some("/tapes/old"));
    assert_eq!((tape.mode, tape.format), (Some(TapeMode::ReadOnlyFailOnMiss), TapeFormat::Json));
    for (text, mode) in [
        ("read_only", TapeMode::ReadOnly),
        ("write_only", TapeMode::WriteOnly),
        ("read_write", TapeMode::ReadWrite),
        ("read_only_fail_on_miss", TapeMode::ReadOnlyFailOnMiss),
    ] {
        assert_eq!(with(&[("AIRBYTE_HTTP_CACHE_MODE", text)]).unwrap().mode, Some(mode));
    }
    assert_eq!(with(&[("AIRBYTE_HTTP_CACHE_FORMAT", "native")]).unwrap().format, TapeFormat::Mitm);
    let bare = Config::builder().with_env_from([("AIRBYTE_HTTP_CACHE_DIR", "t")]).build().unwrap();
    assert_eq!(bare.config.tape.dir.unwrap().to_str(), Some("t"), "without the preset as well");
    assert_eq!(bare.warnings, []);
    let errors = with(&[("AIRBYTE_HTTP_CACHE_MODE", "replay"), ("AIRBYTE_HTTP_CACHE_FORMAT", "pickle")]);
    let expected = "AIRBYTE_HTTP_CACHE_FORMAT: `tape.format` must be \"mitm\", \"json\", \"har\" or \"native\", not \"pickle\"\n\
                    AIRBYTE_HTTP_CACHE_MODE: `tape.mode` must be \"read_only\", \"write_only\", \"read_write\" or \
                    \"read_only_fail_on_miss\", not \"replay\"";
    assert_eq!(errors.unwrap_err().to_string(), expected);
}

#[test]
fn always_revalidate_is_a_switch_beside_force_cache() {
    let services = |value: &str| {
        let builder = Config::builder().preset("services").with_env_from([("ALWAYS_REVALIDATE", value)]);
        builder.build().unwrap().config.policy.always_validate
    };
    assert!(services("true") && services("1") && !services("False"));
}

#[test]
fn bad_values_name_the_variable() {
    let errors =
        apt(&[("PORT", "http"), ("CACHE_EXPIRATION_SECONDS", "1d"), ("MAX_CONCURRENT_CONNECTIONS", "0")])
            .with_env_from([("API_BUDDY_LOG_LEVEL", "LOUD")])
            .build()
            .unwrap_err();
    let expected = "PORT: `listen` is not a port: \"http\"\n  help: write a number from 0 to 65535\n\
                    CACHE_EXPIRATION_SECONDS: `policy.default_ttl` is not a number of seconds: \"1d\"\n  \
                    help: write 2592000, for example\n\
                    API_BUDDY_LOG_LEVEL: `log.level` is not a log level: \"LOUD\"\n  \
                    help: write DEBUG, INFO, WARNING or ERROR\n\
                    MAX_CONCURRENT_CONNECTIONS: `limits.connections` must be a whole number from 1, not 0";
    assert_eq!(errors.to_string(), expected);
    let forced = Config::builder().preset("services").with_env_from([("FORCE_CACHE", "perhaps")]).build();
    assert_eq!(
        forced.unwrap_err().to_string(),
        "FORCE_CACHE: `policy.force_cache` must be true or false, not \"perhaps\""
    );
}

#[test]
fn every_alias_names_a_setting_and_a_preset_that_exist() {
    let resolved = Config::builder().build().unwrap();
    for alias in ALIASES {
        assert!(resolved.origin_of(alias.path).is_some(), "{} names no setting: {}", alias.name, alias.path);
        assert!(
            alias.preset.is_none_or(|preset| preset_names().any(|known| known == preset)),
            "{}",
            alias.name
        );
        assert!(!alias.name.starts_with("MILLPOND_"), "{} is a name of our own", alias.name);
    }
}
