//! Rules: policies for some paths, which take over what they do not write.

use millpond_config::{Config, Resolved, Ttl};

fn build(text: &str) -> Resolved {
    Config::builder().file_text("a.toml", text).build().unwrap_or_else(|errors| panic!("{errors}"))
}

const RULES: &str = r#"
origin = "http://default.example"
[policy]
default_ttl = "60s"
stale_if_error = "1h"
negative_ttl = { 404 = "5s" }

[[rule]]
paths = ["/index", "*.json"]
policy.always_validate = true
policy.negative_ttl = { 410 = "1m" }

[[rule]]
paths = ["/"]
policy.default_ttl = "off"

[[route]]
host = "a.example"
origin = "http://a.internal"
policy.stale_if_error = "off"

[[route]]
host = "b.example"
origin = "http://b.internal"
policy.default_ttl = "1d"
[[route.rule]]
paths = ["/own"]
policy.force_cache = "1m"
"#;

#[test]
fn a_rule_takes_over_the_policy_around_it_key_by_key() {
    let resolved = build(RULES);
    let rule = &resolved.config.rule[0];
    assert!(rule.policy.always_validate && !resolved.config.policy.always_validate);
    assert_eq!(rule.policy.default_ttl.to_string(), "1m");
    assert_eq!(rule.policy.negative_ttl.len(), 2);
    assert_eq!(resolved.config.rule[1].policy.default_ttl, Ttl::Off);
    let origin = |path| resolved.origin_of(path).unwrap().to_string();
    assert_eq!(origin("rule.0.policy.default_ttl"), "a.toml:4:15");
    assert_eq!(origin("rule.0.policy.always_validate"), "a.toml:10:26");
    assert_eq!(origin("rule.0.policy.force_cache"), "default");
}

#[test]
fn routes_take_rules_over_as_a_whole_and_fill_them_from_their_own_policy() {
    let config = build(RULES).config;
    let [a, b] = &config.route[..] else { panic!("{:?}", config.route) };
    assert_eq!(a.rule.len(), 2);
    assert!(a.rule[0].policy.always_validate);
    assert_eq!(a.rule[0].policy.stale_if_error, Ttl::Off, "the route's, not the top level's");
    assert_eq!(b.rule.len(), 1);
    assert_eq!(b.rule[0].policy.force_cache.to_string(), "1m");
    assert_eq!(b.rule[0].policy.default_ttl.to_string(), "1d");
    assert!(!b.rule[0].policy.always_validate);
    assert_eq!(config.routes()[2].rule, config.rule, "and so does the one origin");
}

#[test]
fn stronger_layers_reach_into_rules() {
    let builder = Config::builder()
        .file_text("a.toml", RULES)
        .set_flag("--default-ttl", "policy.default_ttl", "9s")
        .with_env_from([("MILLPOND_POLICY__STALE_IF_ERROR", "2h")]);
    let config = builder.build().unwrap().config;
    assert_eq!(config.rule[0].policy.default_ttl.to_string(), "9s");
    assert_eq!(config.rule[0].policy.stale_if_error.to_string(), "2h");
    assert_eq!(config.rule[1].policy.default_ttl, Ttl::Off, "its own word");
    let variable = ("MILLPOND_RULE", "[{ paths = [\"/x\"], policy = { always_validate = true } }]");
    let config = Config::builder().with_env_from([variable]).build().unwrap().config;
    assert!(config.rule[0].policy.always_validate);
}

#[test]
fn the_paths_a_rule_covers() {
    let rule = &build(RULES).config.rule[0];
    for path in ["/index", "/index/a", "/a/b.json", "/.json"] {
        assert!(rule.covers(path), "{path}");
    }
    for path in ["/", "/indexes", "/a.json/b", "/a.jsonl"] {
        assert!(!rule.covers(path), "{path}");
    }
}

#[test]
fn mistakes_in_rules() {
    let text = r#"
[[rule]]
policy.default_ttl = "1s"
[[rule]]
paths = []
[[rule]]
path = ["/a"]
paths = ["a", "/b/../c"]
policy.default_tl = "1s"
[[route]]
origin = "http://a.example"
[[route.rule]]
policy.always_validate = "yes"
"#;
    let expected = r#"a.toml:2:1: `rule.0` has no `paths`
  help: write paths = ["/private/*"], say
a.toml:4:1: `rule.1` has no `paths`
  help: write paths = ["/private/*"], say
a.toml:7:1: unknown setting `rule.2.path`
  help: did you mean `rule.2.paths`?
a.toml:8:10: `rule.2.paths.0` does not begin with `/`: "a"
  help: write a path such as "/api"
a.toml:8:15: `rule.2.paths.1` has `.` or `..` in it: "/b/../c"
  help: write a path such as "/api"
a.toml:9:8: unknown setting `rule.2.policy.default_tl`
  help: did you mean `rule.2.policy.default_ttl`?
a.toml:12:1: `route.0.rule.0` has no `paths`
  help: write paths = ["/private/*"], say
a.toml:13:26: `route.0.rule.0.policy.always_validate` must be true or false, not text
  help: write true or false, without quotes"#;
    let errors = Config::builder().file_text("a.toml", text).build().unwrap_err();
    assert_eq!(errors.to_string(), expected);
    let inherited = "[[rule]]\npolicy.default_ttl = \"1s\"\n[[route]]\norigin = \"http://a.example\"\n";
    let errors = Config::builder().file_text("a.toml", inherited).build().unwrap_err();
    assert_eq!(errors.iter().count(), 1, "said once: {errors}");
}
