//! URL normalisation, splitting and resolving: RFC 3986 sections 5.2, 5.4 and 6.2.

use millpond_exchange::url::{
    UrlError, normalise, normalise_authority, normalise_path_and_query, resolve, same_origin, split,
};
use millpond_exchange::{QueryRules, Scheme};
use proptest::prelude::*;
use std::borrow::Cow;

#[test]
fn path_and_query_take_their_normal_form() {
    let rows = [
        ("", "/"),
        ("?", "/?"),
        ("?a", "/?a"),
        ("/", "/"),
        ("*", "*"),
        ("a/b", "/a/b"),
        ("/%7Euser/%61%2d%2E", "/~user/a-."),
        ("/a%2fb%c3%a9", "/a%2Fb%C3%A9"),
        ("/a/./b/../c", "/a/c"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/b/.", "/a/b/"),
        ("/a/b/..", "/a/"),
        ("/../../x", "/x"),
        ("/..", "/"),
        ("/.hidden/..x/...", "/.hidden/..x/..."),
        ("/a//b///", "/a//b///"),
        ("/a//../b", "/a/b"),
        // The query has no dot segments, and its order and blank values are kept.
        ("/p?x=/../y&b=&a&a=1&", "/p?x=/../y&b=&a&a=1&"),
        ("/p?q=%7e+%2B%3d", "/p?q=~+%2B%3D"),
        ("/p?%2e%2e/", "/p?../"),
        // What is no escape stays, and never becomes one.
        ("/%", "/%"),
        ("/%4", "/%4"),
        ("/%zz", "/%zz"),
        ("/%%34%31", "/%%341"),
        ("/%4%31", "/%4%31"),
        ("/100%25", "/100%25"),
        ("/é", "/é"),
    ];
    for (raw, normal) in rows {
        assert_eq!(normalise_path_and_query(raw), normal, "{raw}");
        assert_eq!(normalise_path_and_query(normal), normal, "{normal} is a fixed point");
    }
}

#[test]
fn authorities_take_their_normal_form() {
    let rows = [
        (Scheme::Http, "Example.COM", "example.com"),
        (Scheme::Http, "example.com:80", "example.com"),
        (Scheme::Http, "example.com:", "example.com"),
        (Scheme::Http, "example.com:443", "example.com:443"),
        (Scheme::Https, "example.com:443", "example.com"),
        (Scheme::Https, "example.com:80", "example.com:80"),
        (Scheme::Http, "[2001:DB8::1]:80", "[2001:db8::1]"),
        (Scheme::Http, "[2001:db8::80]", "[2001:db8::80]"),
        (Scheme::Http, "h%4Fst%2f", "host%2F"),
        (Scheme::Http, "host:%38%30", "host"),
        (Scheme::Http, "a:80:80", "a:80:80"),
        (Scheme::Http, "Us%65R@Host:80", "UseR@host"),
        (Scheme::Http, "", ""),
    ];
    for (scheme, raw, normal) in rows {
        assert_eq!(normalise_authority(scheme, raw), normal, "{raw}");
        assert_eq!(normalise_authority(scheme, normal), normal, "{normal} is a fixed point");
    }
}

#[test]
fn what_is_normal_is_borrowed() {
    for text in ["/", "/a/b.html?x=1&y=%20", "/.well-known/x", "/a%2Fb", "/%", "*"] {
        assert!(matches!(normalise_path_and_query(text), Cow::Borrowed(_)), "{text}");
    }
    for text in ["example.com", "example.com:8080", "example.com:80", "[::1]:81"] {
        assert!(matches!(normalise_authority(Scheme::Http, text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn urls_are_split_and_refused() {
    assert_eq!(split("HTTP://Host/a?b#c"), Ok((Scheme::Http, "Host", "/a?b")));
    assert_eq!(split("https://host"), Ok((Scheme::Https, "host", "")));
    assert_eq!(normalise("hTTps://Host:443?x#/y"), Ok("https://host/?x".to_owned()));
    let rows = [
        ("ftp://host/", UrlError::Scheme),
        ("/path", UrlError::Scheme),
        ("http:/host", UrlError::Scheme),
        ("http://", UrlError::NoHost),
        ("http://:80/", UrlError::NoHost),
        ("http:///path", UrlError::NoHost),
        ("http://user@host/", UrlError::UserInfo),
        ("http://a\\b/", UrlError::Host),
        ("http://[::1/", UrlError::Host),
        ("http://[]/", UrlError::Host),
        ("http://a:1:2/", UrlError::Host),
        ("http://host:port/", UrlError::Port),
        ("http://host:65536/", UrlError::Port),
        ("http://host/a b", UrlError::Byte),
        ("http://host/a\r\nb", UrlError::Byte),
    ];
    for (url, error) in rows {
        assert_eq!(split(url), Err(error), "{url}");
    }
}

/// The examples of RFC 3986 section 5.4, as far as they lead to http URLs.
#[test]
fn references_resolve_as_the_rfc_says() {
    let rows = [
        ("http://g", "http://g/"),
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("..g", "http://a/b/c/..g"),
        ("./g/.", "http://a/b/c/g/"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
    ];
    for (reference, url) in rows {
        assert_eq!(resolve(Scheme::Http, "a", "/b/c/d;p?q", reference).as_deref(), Some(url), "{reference}");
    }
    for reference in ["g:h", "mailto:a@b", "http:g", "//", "http://u@h/", "/a b"] {
        assert_eq!(resolve(Scheme::Http, "a", "/b/c/d;p?q", reference), None, "{reference}");
    }
    assert_eq!(resolve(Scheme::Https, "A:443", "", "x").as_deref(), Some("https://a/x"));
}

#[test]
fn origins_are_scheme_host_and_port() {
    assert!(same_origin("http://a/x", "HTTP://A:80/y?z"));
    assert!(!same_origin("http://a/", "https://a/"));
    assert!(!same_origin("http://a/", "http://a:81/"));
    assert!(!same_origin("http://a/", "http://b/"));
    assert!(!same_origin("nonsense", "nonsense"));
}

#[test]
fn query_rules_act_only_on_the_query() {
    let rules = |sort, drop: &[&str], keep: Option<&[&str]>| QueryRules {
        sort,
        drop: drop.iter().map(ToString::to_string).collect(),
        keep: keep.map(|names| names.iter().map(ToString::to_string).collect()),
    };
    let rows = [
        (rules(false, &[], None), "/p?b=1&a=2", "/p?b=1&a=2"),
        (rules(true, &[], None), "/p?b=1&a=2&b=0&a=1", "/p?a=2&a=1&b=1&b=0"),
        (rules(false, &["utm_*", "x"], None), "/p?utm_source=a&y&x=1&utm=2", "/p?y&utm=2"),
        (rules(false, &["utm_*"], None), "/utm_p?utm_source=a", "/utm_p"),
        (rules(true, &["c"], Some(&["a", "c", "p*"])), "/p?q=1&pq=2&c=3&a=4", "/p?a=4&pq=2"),
        (rules(true, &["a"], None), "/p", "/p"),
        (rules(false, &["a"], None), "/p?A=1", "/p?A=1"),
    ];
    for (rules, raw, applied) in rows {
        assert_eq!(rules.apply(raw), applied, "{rules:?} on {raw}");
        assert_eq!(rules.apply(applied), applied, "{applied} is a fixed point");
    }
}

/// Text rich in what normalisation looks at.
fn awkward() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/"),
        Just("."),
        Just(".."),
        Just("%"),
        Just("%2e"),
        Just("%2E"),
        Just("%2f"),
        Just("%34"),
        Just("%31"),
        Just("%41"),
        Just("%61"),
        Just("4"),
        Just("1"),
        Just("a"),
        Just("F"),
        Just("?"),
        Just("&"),
        Just("="),
        Just(":"),
        Just("80"),
        Just("@"),
        Just("["),
        Just("]"),
        Just("é"),
        Just("*"),
        Just("#"),
        Just("\u{0}"),
    ];
    prop_oneof![proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn normalisation_is_idempotent(text in awkward()) {
        let once = normalise_path_and_query(&text).into_owned();
        prop_assert_eq!(normalise_path_and_query(&once), once.as_str());
        for scheme in [Scheme::Http, Scheme::Https] {
            let once = normalise_authority(scheme, &text).into_owned();
            prop_assert_eq!(normalise_authority(scheme, &once), once.as_str());
        }
    }

    #[test]
    fn normal_urls_stay_valid(text in awkward()) {
        for url in [text.clone(), format!("http://{text}"), format!("http://h/{text}")] {
            if let Ok(normal) = normalise(&url) {
                prop_assert_eq!(normalise(&normal), Ok(normal.clone()));
                prop_assert!(same_origin(&url, &normal));
                prop_assert!(split(&normal).is_ok());
            }
        }
    }

    #[test]
    fn resolving_gives_normal_urls(base in awkward(), reference in awkward()) {
        if let Some(url) = resolve(Scheme::Http, "host", &base, &reference) {
            prop_assert_eq!(normalise(&url), Ok(url.clone()));
        }
    }

    #[test]
    fn only_paths_lose_segments(path in "(/[a.]{0,3}){0,5}", query in "[a-z./%0-9]{0,12}") {
        let all = format!("{path}?{query}");
        let normal = normalise_path_and_query(&all).into_owned();
        prop_assert_eq!(normal.matches('?').count(), 1);
        prop_assert!(!normal.split('?').next().unwrap().split('/').any(|segment| segment == "." || segment == ".."));
    }
}
