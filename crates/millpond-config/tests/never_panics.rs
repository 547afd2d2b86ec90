//! Nothing that is written in a file or a variable stops the program otherwise than by an error.

use millpond_config::{Config, show, show_json};
use proptest::prelude::*;

/// Text that looks enough like a configuration to get past the first check.
fn near_toml() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("listen"),
        Just("origin"),
        Just("policy"),
        Just("default_ttl"),
        Just("negative_ttl"),
        Just("route"),
        Just("query"),
        Just("keep"),
        Just("drop"),
        Just("request_fields"),
        Just("set"),
        Just("remove"),
        Just("limits"),
        Just("object"),
        Just("heuristic"),
        Just("fraction"),
        Just("\"a.b\""),
        Just("404"),
        Just("\n"),
        Just("="),
        Just("."),
        Just("["),
        Just("]"),
        Just("[["),
        Just("]]"),
        Just("{"),
        Just("}"),
        Just(","),
        Just("\"60s\""),
        Just("\"http://a.example\""),
        Just("1"),
        Just("-1.5e400"),
        Just("nan"),
        Just("true"),
        Just("1979-05-27"),
        Just("\"\u{fc}\""),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn all_of(builder: millpond_config::Builder) {
    match builder.build() {
        Ok(resolved) => {
            show(&resolved, true);
            show_json(&resolved);
        }
        Err(errors) => assert!(!errors.to_string().is_empty()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn on_any_file(text in ".{0,200}") {
        all_of(Config::builder().file_text("a.toml", &text));
    }

    #[test]
    fn on_nearly_a_file(text in near_toml()) {
        all_of(Config::builder().file_text("a.toml", &text));
    }

    #[test]
    fn on_any_variable(
        name in prop_oneof![
            Just("MILLPOND_LISTEN".to_owned()),
            Just("MILLPOND_ORIGIN".to_owned()),
            Just("MILLPOND_ROUTE".to_owned()),
            Just("MILLPOND_POLICY".to_owned()),
            Just("MILLPOND_POLICY__DEFAULT_TTL".to_owned()),
            Just("MILLPOND_POLICY__HEURISTIC__FRACTION".to_owned()),
            Just("MILLPOND_LIMITS__OBJECT".to_owned()),
            Just("MILLPOND_TRUSTED_PROXIES".to_owned()),
            Just("MILLPOND_REQUEST_FIELDS__SET".to_owned()),
            Just("PORT".to_owned()),
            "MILLPOND_[A-Z_0-9]{0,30}",
        ],
        value in prop_oneof!["\\PC{0,60}", "[\\[{]\\PC{0,30}[\\]}]", near_toml(), "[0-9.]{1,40}[a-zA-Z]{0,3}"],
    ) {
        all_of(Config::builder().preset("apt").with_env_from([(name.as_str(), value.as_str())]));
        all_of(Config::builder().with_dotenv_text(".env", &format!("{name}={value}\n")));
    }

    #[test]
    fn on_any_dotenv(text in "(?s).{0,200}") {
        all_of(Config::builder().with_dotenv_text(".env", &text));
    }

    #[test]
    fn on_any_option(path in "[a-z_.0-9]{0,30}", value in "\\PC{0,30}") {
        all_of(Config::builder().set(&path, value.as_str()).default(&path, value.as_str()));
    }
}
