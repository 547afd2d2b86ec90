//! Keys: what is the same request has the same key, what is not has another, and the parts can be read back.

use millpond_exchange::{Key, KeyBuf, KeyParts, Method, QueryRules, RequestHead, Scheme};
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

fn get(authority: &str, path: &str) -> Key {
    KeyParts::new(Scheme::Http, authority, path).to_key()
}

#[test]
fn equivalent_requests_share_a_key() {
    assert_eq!(get("Example.com:80", "/a/../%7Eb"), get("example.com", "/~b"));
    let mut head = RequestHead::get("example.com", "/x?y");
    head.method = Method::HEAD;
    assert_eq!(KeyParts::of(&head).to_key(), get("example.com", "/x?y"));
    assert_eq!(Key::get("http://EXAMPLE.com/x?y#z").unwrap(), get("example.com", "/x?y"));
}

#[test]
fn each_part_tells_keys_apart() {
    let base = || KeyParts::new(Scheme::Http, "h", "/p");
    let value = |text: &'static str| Some(Cow::Borrowed(text.as_bytes()));
    let keys: HashSet<Key> = [
        base(),
        KeyParts::new(Scheme::Https, "h", "/p"),
        KeyParts::new(Scheme::Http, "h", "/p?"),
        KeyParts::new(Scheme::Http, "h:81", "/p"),
        base().with_method(&Method::OPTIONS),
        base().with_field("a", None),
        base().with_field("a", value("")),
        base().with_field("a", value("b")),
        base().with_field("a", value("b")).with_field("c", value("d")),
        base().with_body_digest(b"b"),
        base().with_partition("b"),
    ]
    .iter()
    .map(KeyParts::to_key)
    .collect();
    assert_eq!(keys.len(), 11);
}

#[test]
fn fields_count_by_name_not_by_order_or_case() {
    let value = |text: &'static str| Some(Cow::Borrowed(text.as_bytes()));
    let base = || KeyParts::new(Scheme::Http, "h", "/p");
    let one = base().with_field("Accept", value("x")).with_field("b", None).to_key();
    let other = base().with_field("B", None).with_field("accept", value("x")).to_key();
    assert_eq!(one, other);
}

#[test]
fn parts_can_be_read_back() {
    let post = Method::from_bytes(b"QUERY").unwrap();
    let key = KeyParts::new(Scheme::Https, "H:8443", "/a?b=%7e")
        .with_method(&post)
        .with_body_digest(&[0xff; 32])
        .with_partition("alice")
        .to_key();
    assert_eq!(key.method(), "QUERY");
    assert_eq!(key.scheme(), Scheme::Https);
    assert_eq!(key.authority(), "h:8443");
    assert_eq!(key.path_and_query(), "/a?b=~");
    assert_eq!(key.origin(), "https://h:8443");
    assert_eq!(key.url(), "https://h:8443/a?b=~");
    assert_eq!(key.partition(), Some("alice"));
    assert_eq!(get("h", "/").method(), "GET");
    assert_eq!(get("h", "/").partition(), None);
    assert_eq!(Key::decode(key.as_bytes()), Some(key));
}

#[test]
fn route_rules_act_on_the_normal_form() {
    let rules = QueryRules { sort: true, drop: vec!["utm_*".to_owned()], keep: None };
    let key = KeyParts::new(Scheme::Http, "h", "/p?utm%5Fsource=x&b=2&a=1").with_query(&rules).to_key();
    assert_eq!(key.path_and_query(), "/p?a=1&b=2");
}

#[test]
fn maps_answer_to_a_key_on_the_stack() {
    let map: HashMap<Key, u8> = HashMap::from([(get("h", "/p"), 7)]);
    let buf = KeyParts::new(Scheme::Http, "h", "/p").to_buf();
    assert_eq!(map.get(buf.as_bytes()), Some(&7));
}

#[test]
fn secrets_do_not_show() {
    let key = KeyParts::new(Scheme::Http, "h", "/p").with_partition("alice-secret").to_key();
    assert_eq!(format!("{key:?}"), "Key(GET http://h/p)");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn encoding_is_unambiguous(
        a in (".{0,8}", ".{0,8}", proptest::option::of(".{0,8}")),
        b in (".{0,8}", ".{0,8}", proptest::option::of(".{0,8}")),
    ) {
        let key = |(authority, path, partition): &(String, String, Option<String>)| {
            let mut parts = KeyParts::new(Scheme::Http, authority, path);
            parts.partition = partition.as_deref();
            parts.to_key()
        };
        let (one, other) = (key(&a), key(&b));
        let same = one.authority() == other.authority()
            && one.path_and_query() == other.path_and_query()
            && one.partition() == other.partition();
        prop_assert_eq!(one == other, same);
        prop_assert_eq!(Key::decode(one.as_bytes()), Some(one));
    }

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        if let Some(key) = Key::decode(&bytes) {
            let _ = (key.url(), key.origin(), key.method().len(), key.partition().map(str::len));
        }
    }
}

#[test]
fn a_key_with_another_query_is_the_same_otherwise() {
    let query = Method::from_bytes(b"QUERY").unwrap();
    let of = |path: &'static str| {
        let parts = KeyParts::new(Scheme::Https, "h", path).with_method(&query).with_body_digest(&[7; 32]);
        parts.with_field("x", None).with_partition("alice").to_buf()
    };
    let (one, other) = (of("/p?a=1&b=2"), of("/p?a=1"));
    assert_eq!(one.path_and_query(), "/p?a=1&b=2");
    assert_eq!(one.with_path_and_query("/p?a=1"), other);
    assert_eq!(KeyBuf::from(&one.to_key()), one);
}

#[test]
fn the_key_of_a_path_has_neither_query_nor_body_nor_fields() {
    let query = Method::from_bytes(b"QUERY").unwrap();
    let base = |path: &'static str| KeyParts::new(Scheme::Http, "h", path).with_method(&query);
    let all = base("/p?a=1").with_body_digest(&[7; 32]).with_field("x", None).to_buf();
    assert_eq!(all.path_key(), base("/p").to_buf());
    assert_ne!(all.path_key(), KeyParts::new(Scheme::Http, "h", "/p").to_buf());
}
