//! Which rule of a route decides, and what it changes.

use super::{Place, explain_at};
use serde_json::{Value, json};

const RULES: &str = "
[policy]
default_ttl = \"10s\"
stale_if_error = \"1d\"

[[rule]]
paths = [\"*.css\", \"/fresh\"]
policy.default_ttl = \"1h\"
policy.stale_when_slow.after = \"2s\"

[[rule]]
paths = [\"/fre*\"]

[[rule]]
paths = [\"/plain\"]
policy.default_ttl = \"off\"
policy.negative_ttl = { 404 = \"1m\" }
";

#[test]
fn the_first_rule_that_covers_the_path_is_named_with_what_it_changes() {
    let place = Place::holding(&[]);
    let config = place.dir.path().join("millpond.toml");
    std::fs::write(&config, RULES).unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let (_, text, told) = place.stored("/fresh?a=1", &config);
    assert_eq!(
        told["route"]["rule"],
        json!({ "number": 1, "rules": 3, "path": "/fresh", "changes": [
            { "setting": "policy.default_ttl", "value": "1h", "otherwise": "10s" },
            { "setting": "policy.stale_when_slow.after", "value": "2s", "otherwise": "off" },
        ] })
    );
    assert!(text.contains("Rule       1 of 3, by its path \"/fresh\"\n"), "{text}");
    assert!(text.contains("policy.default_ttl = \"1h\" (without the rule: \"10s\")"), "{text}");
    let (_, text, told) = place.stored("/freeze", &config);
    assert_eq!(
        (&told["route"]["rule"]["number"], &told["route"]["rule"]["changes"]),
        (&json!(2), &json!([]))
    );
    assert!(text.contains("it has the policy of the route"), "{text}");
    let (_, text, told) = place.stored("/other", &config);
    assert!(told["route"]["rule"] == Value::Null && !text.contains("Rule "), "{text}");
    // What it says is what decides.
    let (_, text, told) = place.stored("/plain", &config);
    let set = &told["route"]["rule"]["changes"][1];
    assert_eq!(*set, json!({ "setting": "policy.negative_ttl.404", "value": "1m", "otherwise": null }));
    assert!(text.contains("policy.negative_ttl.404 = \"1m\" (without the rule: unset)"), "{text}");
    let ended = place.explain(&[&["/plain", "--json"], &config[..]].concat());
    let told: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &told["origin"]["reason"]), (Some(1), &json!("no-freshness")));
}

#[test]
fn rules_of_a_preset_are_named_too() {
    for (url, path, setting) in [
        ("http://deb.example/debian/dists/stable/InRelease", "*/dists/*", "policy.always_validate"),
        ("http://deb.example/debian/pool/main/a/a_1.deb", "*/pool/*.deb", "policy.ignore_client_reload"),
    ] {
        let (_, text, told) = explain_at(url, &["--preset", "apt", "--no-fetch"]);
        let rule = &told["route"]["rule"];
        assert_eq!((&told["door"], &rule["path"]), (&json!("proxy"), &json!(path)), "{text}");
        let expected = json!({ "setting": setting, "value": true, "otherwise": false });
        assert_eq!(rule["changes"], json!([expected]), "{text}");
    }
}
