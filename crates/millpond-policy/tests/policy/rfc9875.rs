//! RFC 9875: cache groups; and tags for purging.

use crate::common::fields;
use millpond_policy::{cache_groups, cache_tags, invalidated_groups};

fn texts(list: &[Box<str>]) -> Vec<&str> {
    list.iter().map(|text| &**text).collect()
}

#[test]
fn groups() {
    let head = fields(&[("Cache-Groups", "\"a\", \"B\";p, tok"), ("cache-groups", "\"c d\", 1")]);
    assert_eq!(texts(&cache_groups(&head)), ["a", "B", "c d"], "section 2: strings, case-sensitive");
    let broken = fields(&[("Cache-Groups", "\"a\", \"b")]);
    assert!(cache_groups(&broken).is_empty(), "an invalid structured field is ignored");
    let unsafe_answer = fields(&[("Cache-Group-Invalidation", "\"a\", \"b\"")]);
    assert_eq!(texts(&invalidated_groups(&unsafe_answer)), ["a", "b"], "section 3");
    assert!(cache_groups(&unsafe_answer).is_empty());
}

#[test]
fn tags() {
    let head = fields(&[("Cache-Tag", "b, a,,"), ("Surrogate-Key", "c  a"), ("Cache-Tag", "d e")]);
    assert_eq!(texts(&cache_tags(&head)), ["a", "b", "c", "d e"]);
}
