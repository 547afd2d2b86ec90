//! What is said of mistakes: whole transcripts, so that a change of wording is seen.

use millpond_config::{Builder, Config, Problem, Warning};

fn said(builder: Builder) -> String {
    builder.build().expect_err("something is wrong").to_string()
}

fn of_file(text: &str) -> String {
    said(Config::builder().file_text("millpond.toml", text))
}

#[test]
fn every_mistake_of_a_file_is_reported_at_once() {
    let text = r#"lisen = "127.0.0.1:3000"
listen = 3000
workers = "many"
default_ttl = "60s"
origin = "ftp://example.com"
route = { host = "a" }
trusted_proxies = "10.0.0.0/8"
[policy]
default_tll = "60s"
force_cache = 60
stale_if_error = "60"
heuristic = { fraction = 2, max = "0s" }
[log]
level = "warm"
[limits]
head_bytes = "10 bananas"
object = -1
connections = 0
"#;
    let expected = r#"millpond.toml:1:1: unknown setting `lisen`
  help: did you mean `listen`?
millpond.toml:2:10: `listen` must be an IP address with a port, not a whole number
  help: write "127.0.0.1:3000", for example
millpond.toml:3:11: `workers` must be a whole number from 0 to 1024, not text
  help: write the number without quotes
millpond.toml:4:1: unknown setting `default_ttl`
  help: did you mean `policy.default_ttl`?
millpond.toml:5:10: `origin` is neither http nor https
  help: write a URL such as "https://example.com"
millpond.toml:6:9: `route` must be a list of tables, not a table
  help: write `[[route]]` with two pairs of brackets
millpond.toml:7:19: `trusted_proxies` must be a list, each an IP address or range, not text
  help: write ["10.0.0.0/8"]
millpond.toml:9:1: unknown setting `policy.default_tll`
  help: did you mean `policy.default_ttl`?
millpond.toml:10:15: `policy.force_cache` must be a duration, `off` or `forever`, not a whole number
  help: write "60s", for example
millpond.toml:11:18: `policy.stale_if_error` has no unit: "60"
  help: write "60s" for seconds
millpond.toml:12:26: `policy.heuristic.fraction` must be a number from 0 to 1, not 2
millpond.toml:12:35: `policy.heuristic.max` must be longer than nothing
  help: write a duration such as "10s"
millpond.toml:14:9: `log.level` must be "error", "warn", "info", "debug" or "trace", not "warm"
  help: did you mean "warn"?
millpond.toml:16:14: `limits.head_bytes` is not a size: "10 bananas"
  help: write a number of bytes, or one with a unit, such as "64KiB", "64MiB", "10GB"
millpond.toml:17:10: `limits.object` is not a size: "-1"
  help: write a number of bytes, or one with a unit, such as "64KiB", "64MiB", "10GB"
millpond.toml:18:15: `limits.connections` must be a whole number from 1, not 0"#;
    assert_eq!(of_file(text), expected);
}

#[test]
fn mistakes_in_fields_and_status_codes_name_their_key() {
    let text = "[policy.negative_ttl]\n200 = \"5s\"\n[request_fields]\n\
                set = { Host = \"a\", \"X Y\" = \"b\", X-A = \"a\\nb\", X-B = \"b\", x-b = \"c\" }\n\
                remove = [\"Transfer-Encoding\"]\n";
    let expected = r#"millpond.toml:2:1: `policy.negative_ttl` is not the status code of an error: "200"
  help: write a status code from 400 to 599, such as 404
millpond.toml:4:9: `request_fields.set` names a field that cannot be rewritten: "Host"
  help: use `preserve_host` to send the client's Host
millpond.toml:4:21: `request_fields.set` is not a field name: "X Y"
  help: write a name such as "X-Team", without the colon
millpond.toml:4:40: `request_fields.set.X-A` has a character that no field value may have
  help: write visible ASCII characters, spaces and tabs only
millpond.toml:4:59: `request_fields.set.x-b` is set twice, first at millpond.toml:4:48
  help: remove one of them
millpond.toml:5:11: `request_fields.remove.0` names a field that cannot be rewritten: "Transfer-Encoding"
  help: leave it out: millpond writes this field itself"#;
    assert_eq!(of_file(text), expected);
}

#[test]
fn rules_over_several_settings() {
    let text = r#"origin = "http://a.example"
[query]
drop = ["a"]
keep = ["b"]
[memory]
size = "1MiB"
max_object = "2MiB"
[limits]
head_bytes = "100B"
[[route]]
host = "www.example.com"
[[route]]
origin = "http://b.example"
strip_prefix = true
name = "one"
[[route]]
host = "WWW.example.com."
origin = "http://c.example"
name = "one"
"#;
    let expected = r#"millpond.toml:1:10: `origin` takes what the route at millpond.toml:12:1 takes already
  help: remove `origin`, or give the route a host or a path
millpond.toml:4:8: `query.keep` cannot stand beside `query.drop` at millpond.toml:3:8
  help: `keep` drops everything else already: remove one of them
millpond.toml:7:14: `memory.max_object` is larger than `memory.size` (1MiB)
  help: make `memory.size` larger, or this smaller
millpond.toml:9:14: `limits.head_bytes` is too small for any request: "100B"
  help: write "1KiB" or more
millpond.toml:10:1: `route.0` has no `origin`
  help: write origin = "https://example.com", say
millpond.toml:14:16: `route.1.strip_prefix` has no prefix to strip
  help: set `path_prefix` too
millpond.toml:16:1: two routes take host www.example.com, path /; the first is at millpond.toml:10:1
  help: give one of them another `host` or `path_prefix`
millpond.toml:19:8: two routes are called "one"; the first is at millpond.toml:15:8
  help: give one of them another name"#;
    assert_eq!(of_file(text), expected);
}

#[test]
fn text_that_is_not_toml() {
    let expected = "millpond.toml:1:10: not valid TOML: ";
    let said = of_file("listen = = 3\nworkers = [1\n");
    assert!(said.starts_with(expected), "{said}");
    assert!(said.lines().count() >= 2, "each fault is told: {said}");
    assert_eq!(
        of_file("workers = 99999999999999999999\n"),
        "millpond.toml:1:11: not valid TOML: a number that is too large"
    );
    assert_eq!(of_file("workers = 1\nworkers = 2\n"), "millpond.toml:2:1: not valid TOML: duplicate key");
}

#[test]
fn columns_count_characters() {
    let said = of_file("request_fields = { set = { X-A = \"\u{e4}\u{f6}\", X-B = 1 } }");
    assert!(said.starts_with("millpond.toml:1:46: `request_fields.set.X-B` must be text"), "{said}");
}

#[test]
fn every_layer_is_named_and_all_are_checked() {
    let builder = Config::builder()
        .set_flag("--default-ttl", "policy.default_ttl", "60x")
        .set("polcy.default_ttl", "1s")
        .set("route.0.origin", "http://a.example")
        .with_env_from([
            ("MILLPOND_LISTNE", "127.0.0.1:1"),
            ("MILLPOND_OFFLINE", "maybe"),
            ("MILLPOND_LOG", "debug"),
            ("MILLPOND_TRUSTED_PROXIES", "[1"),
            ("MILLPOND_PRESET", "gatway"),
        ])
        .with_dotenv_text(".env", "OTHER=1\nMILLPOND_WORKERS=-1\n")
        .file_text("millpond.toml", "workers = 0.5\n")
        .default("workers", "two");
    let expected = r#"polcy.default_ttl: unknown setting `polcy.default_ttl`
  help: did you mean `policy.default_ttl`?
route.0.origin: unknown setting `route.0.origin`
  help: `route` is a list: set it as a whole
--default-ttl: `policy.default_ttl` is not a duration: "60x"
  help: write a number with a unit, such as "500ms", "60s", "5m", "1h", "30d", `off` or `forever`
MILLPOND_LISTNE: unknown setting `listne`
  help: did you mean MILLPOND_LISTEN?
MILLPOND_LOG: `log` must be a table of settings, not text
  help: set `log.level`, for example
MILLPOND_OFFLINE: `offline` must be true or false, not "maybe"
MILLPOND_TRUSTED_PROXIES: not valid TOML: unclosed array, expected `]`
MILLPOND_PRESET: unknown preset `gatway`
  help: did you mean "gateway"?
.env:2: MILLPOND_WORKERS: `workers` must be a whole number from 0 to 1024, not -1
millpond.toml:1:11: `workers` must be a whole number from 0 to 1024, not a number with a fraction
  help: write the number without quotes
default of the program: `workers` must be a whole number from 0 to 1024, not "two""#;
    assert_eq!(said(builder), expected);
}

#[test]
fn a_file_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none.toml");
    let said = said(Config::builder().file(&path));
    let expected = format!(
        "{}: cannot be read: No such file or directory (os error 2)\n  help: `millpond config init` prints one to begin with",
        path.display()
    );
    assert_eq!(said, expected);
}

#[test]
fn no_message_gives_a_password_away() {
    let said = said(
        Config::builder()
            .file_text("millpond.toml", "origin = \"http://me:hunter2@a.example\"\n[request_fields.set]\nAuthorization = \"hunter2\\u0001\"\n")
            .with_dotenv_text(".env", "MILLPOND_ORIGIN='http://hunter2\n"),
    );
    assert!(!said.contains("hunter2"), "{said}");
    assert!(said.contains("has a user name or password in it"), "{said}");
    assert!(said.contains(".env:1: MILLPOND_ORIGIN: not valid"), "{said}");
}

#[test]
fn a_strange_line_in_dotenv_is_only_worth_a_word() {
    let resolved =
        Config::builder().with_dotenv_text(".env", "what is this\nMILLPOND_WORKERS=2\n").build().unwrap();
    assert_eq!(resolved.config.workers, 2);
    let warning = &resolved.warnings[..];
    assert!(matches!(warning, [Warning::DotEnvLine { .. }]), "{warning:?}");
    assert_eq!(warning[0].to_string(), ".env: a line cannot be read and is left out: what");
}

#[test]
fn errors_can_be_told_apart_by_their_kind() {
    let errors = Config::builder().file_text("a.toml", "nope = 1\nworkers = true").build().unwrap_err();
    let kinds: Vec<&Problem> = errors.iter().map(|error| &error.problem).collect();
    assert!(matches!(kinds[..], [Problem::UnknownKey(_), Problem::WrongType { .. }]), "{kinds:?}");
}

#[test]
fn nothing_to_serve_is_an_error_only_where_something_must_be_served() {
    let bare = Config::builder().build().unwrap();
    assert_eq!(
        bare.require_origin().unwrap_err().to_string(),
        "there is no origin to serve\n  help: give one with --origin https://example.com, or with `origin` or [[route]] \
         in the configuration file"
    );
    let origin = Config::builder().set("origin", "http://a.example").build().unwrap();
    assert_eq!(origin.require_origin(), Ok(()));
}

#[test]
fn a_setting_without_effect_is_named() {
    let builder = Config::builder().set_flag("--cache-dir", "cache_dir", "/tmp/x").set("store", "memory");
    let resolved = builder.build().unwrap();
    assert_eq!(
        resolved.warnings[0].to_string(),
        "`cache_dir` (command line --cache-dir) has no effect: `store` is \"memory\""
    );
}
