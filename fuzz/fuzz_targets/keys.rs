//! Any text as a URL, an authority, a path: normalising must not panic, and must change nothing the second time; a key
//! must survive its own encoding.

#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_exchange::{Key, KeyParts, Scheme, url};

fuzz_target!(|input: &[u8]| {
    let _ = Key::decode(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    for scheme in [Scheme::Http, Scheme::Https] {
        let _ = url::normalise_authority(scheme, text);
    }
    let path = url::normalise_path_and_query(text);
    assert_eq!(url::normalise_path_and_query(&path), path, "normalising a path twice");
    if let Ok(once) = url::normalise(text) {
        assert_eq!(url::normalise(&once).as_deref(), Ok(once.as_str()), "normalising a URL twice");
        assert!(url::same_origin(text, &once));
        let key = Key::get(text).expect("a URL that could be normalised has a key");
        assert_eq!(Key::get(&once).as_ref(), Ok(&key), "equivalent URLs share a key");
        assert_eq!(Key::decode(key.as_bytes()).as_ref(), Some(&key));
    }
    let (authority, reference) = text.split_once(' ').unwrap_or(("a.example", text));
    let _ = url::resolve(Scheme::Http, authority, "/a/b?c", reference);
    // Whatever is in the parts, a key's encoding is unambiguous.
    let key = KeyParts::new(Scheme::Https, authority, reference).to_key();
    assert_eq!(Key::decode(key.as_bytes()), Some(key));
});
