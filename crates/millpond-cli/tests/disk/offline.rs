//! `--offline`: what is stored is served at any age, and no packet leaves.

use crate::origin::{Origin, page, reply};
use crate::server::Pond;

/// Bytes of the body of `/large`: a file of its own.
const LARGE: usize = 300_000;

/// Pages that are old already, or must be asked for each time, and others.
fn origin() -> Origin {
    Origin::pages(|asked| {
        let etag = ("ETag", "\"one\"");
        match &*asked.path {
            "/fresh" => page(b"fresh\n"),
            "/large" => page(&crate::pattern("large", LARGE)),
            "/old" => {
                let fields = [("Cache-Control", "max-age=60"), ("Age", "100000"), etag];
                reply("200 OK", &fields, b"old\n")
            }
            "/asking" => reply("200 OK", &[("Cache-Control", "no-cache"), etag], b"asking\n"),
            "/language" => {
                let fields = [("Cache-Control", "max-age=60"), ("Vary", "Accept-Language")];
                reply("200 OK", &fields, asked.field("accept-language").as_bytes())
            }
            _ => reply("404 Not Found", &[], b""),
        }
    })
}

#[test]
fn what_is_stored_is_served_at_any_age_and_nothing_else() {
    let (pond, origin) = (Pond::new(), origin());
    let server = pond.serve(&origin, &[]);
    for path in ["/fresh", "/large", "/old", "/asking"] {
        assert_eq!(server.get(path).told(), (200, "MISS"), "{path}");
    }
    server.client().ask("/language", "Accept-Language: de\r\n").unwrap();
    server.stop();
    pond.cache(&["purge", "--url", &origin.url_of("/fresh"), "--soft"]);
    let (asked, connections) = (origin.count(), origin.connections());

    let server = pond.serve(&origin, &["--offline"]);
    let mut client = server.client();
    for _ in 0..2 {
        for (path, body) in [("/fresh", "fresh\n"), ("/old", "old\n"), ("/asking", "asking\n")] {
            let reply = client.get(path);
            assert_eq!((reply.told(), reply.text()), ((200, "HIT"), body), "{reply:?}");
        }
        assert!(client.get("/large").body == crate::pattern("large", LARGE));
        let range = client.ask("/large", "Range: bytes=7-9\r\n").unwrap();
        assert_eq!((range.told(), &range.body[..]), ((206, "HIT"), &crate::pattern("large", LARGE)[7..10]));
        let german = client.ask("/language", "Accept-Language: de\r\n").unwrap();
        assert_eq!((german.told(), german.text()), ((200, "HIT"), "de"));
    }
    let nothing = [
        ("/other", ""),
        ("/language", "Accept-Language: fr\r\n"),
        ("/fresh?other", ""),
        ("/other", "Range: bytes=0-1\r\n"),
        ("/other", "If-None-Match: \"one\"\r\n"),
    ];
    for (path, fields) in nothing {
        let reply = client.ask(path, fields).unwrap();
        assert_eq!(
            (reply.status, reply.field("content-type")),
            (504, "application/problem+json"),
            "{reply:?}"
        );
        assert!(reply.text().contains("not-cached"), "{reply:?}");
    }
    drop(client);
    let log = server.stop();
    assert!(!log.iter().any(|line| line.contains(" WARN ")), "{log:#?}");
    assert_eq!((origin.count(), origin.connections()), (asked, connections), "nobody was asked");
}

/// Neither the client nor a method makes it fetch.
#[test]
fn nothing_makes_it_connect() {
    let (pond, origin) = (Pond::new(), origin());
    let server = pond.serve(&origin, &["--offline"]);
    for fields in
        ["", "Cache-Control: no-cache\r\n", "Cache-Control: no-store\r\n", "Authorization: Basic eA==\r\n"]
    {
        assert_eq!(server.client().ask("/fresh", fields).unwrap().status, 504, "{fields}");
    }
    for method in ["HEAD", "POST", "DELETE", "OPTIONS"] {
        let mut client = server.client();
        client.send_as(method, "/fresh", "").unwrap();
        let reply = client.head().unwrap();
        assert_eq!(
            (reply.status, reply.cache_status().contains("fwd-status")),
            (504, false),
            "{method}: {reply:?}"
        );
    }
    assert_eq!(origin.connections(), 0);
}
