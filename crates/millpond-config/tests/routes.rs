//! Routes take from the top level what they do not write.

use millpond_config::{Config, Limits, Resolved, RouteLimits, Ttl};

fn build(text: &str) -> Resolved {
    Config::builder().file_text("a.toml", text).build().unwrap_or_else(|errors| panic!("{errors}"))
}

const INHERITING: &str = r#"
origin = "http://default.example"
preserve_host = true
[policy]
default_ttl = "60s"
stale_if_error = "1h"
negative_ttl = { 404 = "5s" }
[query]
keep = ["page"]
[pass]
cookies = ["session"]
[request_fields]
set = { X-Team = "blue", X-Zone = "a" }
[limits]
connections = 5
connect_timeout = "1s"

[[route]]
host = "a.example"
origin = "http://a.internal"
policy.stale_if_error = "off"
policy.negative_ttl = { 410 = "1m" }
query.drop = ["utm_*"]
pass.paths = ["/login"]
request_fields.remove = ["x-team"]
limits.first_byte_timeout = "2s"

[[route]]
host = "b.example"
origin = "http://b.internal"
preserve_host = false
"#;

#[test]
fn routes_inherit_key_by_key() {
    let resolved = build(INHERITING);
    let route = &resolved.config.route[0];
    assert!(route.preserve_host);
    assert_eq!(route.policy.default_ttl, resolved.config.policy.default_ttl);
    assert_eq!(route.policy.stale_if_error, Ttl::Off);
    assert_eq!(route.policy.negative_ttl.len(), 2);
    assert_eq!((route.pass.cookies.len(), route.pass.paths.len()), (1, 1));
    assert_eq!(route.limits.connect_timeout.to_string(), "1s");
    assert_eq!(route.limits.first_byte_timeout.to_string(), "2s");
    assert!(!resolved.config.route[1].preserve_host);
    let origin = |path| resolved.origin_of(path).unwrap().to_string();
    assert_eq!(origin("route.0.policy.default_ttl"), "a.toml:5:15");
    assert_eq!(origin("route.0.policy.stale_if_error"), "a.toml:21:25");
    assert_eq!(origin("route.0.policy.force_cache"), "default");
}

#[test]
fn what_a_route_contradicts_is_not_inherited() {
    let route = &build(INHERITING).config.route[0];
    assert_eq!(route.query.keep, None);
    assert_eq!(route.query.drop.len(), 1);
    let set: Vec<&str> =
        route.request_fields.set.keys().map(millpond_config::RewrittenField::as_str).collect();
    assert_eq!(set, ["x-zone"]);
    assert_eq!(route.request_fields.remove[0].as_str(), "x-team");
}

#[test]
fn the_single_origin_is_the_last_route() {
    let config = build(INHERITING).config;
    let routes = config.routes();
    let labels: Vec<String> = routes.iter().map(millpond_config::Route::label).collect();
    assert_eq!(labels, ["a.example/", "b.example/", "default"]);
    let last = &routes[2];
    assert_eq!(last.origin.authority(), "default.example");
    assert_eq!(last.policy, config.policy);
    assert_eq!(last.limits, RouteLimits::from(&config.limits));
    assert_eq!(last.path_prefix.as_str(), "/");
    assert!(Config::default().routes().is_empty());
}

#[test]
fn a_route_that_writes_nothing_has_the_defaults() {
    let config = build("[[route]]\norigin = \"http://a.example\"").config;
    let route = &config.route[0];
    assert_eq!((&route.policy, &route.pass, &route.query), (&config.policy, &config.pass, &config.query));
    assert_eq!(route.limits, RouteLimits::from(&Limits::default()));
    assert_eq!(route.label(), "*/");
}

#[test]
fn command_line_values_reach_routes_too() {
    let resolved = Config::builder()
        .file_text("a.toml", "[[route]]\norigin = \"http://a.example\"")
        .set_flag("--default-ttl", "policy.default_ttl", "9s")
        .build()
        .unwrap();
    assert_eq!(resolved.config.route[0].policy.default_ttl.to_string(), "9s");
}

#[test]
fn a_route_has_its_own_word_on_post() {
    let text = "cache_post = \"graphql\"\norigin = \"http://a.example\"\nlimits.key_body = \"2MiB\"\n\
                [[route]]\norigin = \"http://b.example\"\npath_prefix = \"/b\"\ncache_post = \"any\"\n\
                [[route]]\norigin = \"http://c.example\"\npath_prefix = \"/c\"\nlimits.key_body = \"8KiB\"\n";
    let routes = build(text).config.routes();
    let said: Vec<String> =
        routes.iter().map(|route| format!("{:?} {}", route.cache_post, route.limits.key_body)).collect();
    assert_eq!(said, ["Any 2MiB", "Graphql 8KiB", "Graphql 2MiB"]);
}
