//! Each kind of value: what it takes, what it refuses, and that it prints as it can be read.

use millpond_config::{
    ByteSize, ErrorStatus, FieldName, FieldValue, HostPattern, IpRange, ListenAddr, NamePattern, OriginUrl,
    PathPattern, PathPrefix, Period, RewrittenField, SizeLimit, Ttl,
};
use std::fmt::Display;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

fn reads<T: FromStr<Err = millpond_config::BadValue> + Display>(rows: &[(&str, &str)]) {
    for (text, printed) in rows {
        let value: T = text.parse().unwrap_or_else(|bad| panic!("{text:?} {bad}"));
        assert_eq!(value.to_string(), *printed, "{text:?}");
        let again: T = printed.parse().unwrap_or_else(|bad| panic!("{printed:?} {bad}"));
        assert_eq!(again.to_string(), *printed, "{printed:?} comes back as it was");
    }
}

fn refuses<T: FromStr<Err = millpond_config::BadValue>>(rows: &[(&str, &str)]) {
    for (text, problem) in rows {
        match text.parse::<T>() {
            Ok(_) => panic!("{text:?} was taken"),
            Err(bad) => assert!(bad.problem.starts_with(problem), "{text:?} {}", bad.problem),
        }
    }
}

#[test]
fn durations() {
    let rows = [
        ("off", "off"),
        ("forever", "forever"),
        ("0s", "0s"),
        ("500ms", "500ms"),
        ("90s", "90s"),
        ("1m 30s", "90s"),
        ("60s", "1m"),
        ("1h", "1h"),
        ("24h", "1d"),
        ("30d", "30d"),
        ("1us", "1us"),
    ];
    reads::<Ttl>(&rows);
    refuses::<Ttl>(&[
        ("", "is not a duration"),
        ("60", "has no unit"),
        ("-1s", "is not a duration"),
        ("Forever", "is not a duration"),
        ("101years", "is longer than a hundred years"),
        ("99999999999999999999d", "is not a duration"),
    ]);
    assert_eq!("forever".parse::<Ttl>().unwrap().duration(), Some(Duration::MAX));
    assert_eq!("off".parse::<Ttl>().unwrap().duration(), None);
    reads::<Period>(&[("75s", "75s"), (" 5m ", "5m")]);
    refuses::<Period>(&[("0s", "must be longer"), ("forever", "is not a duration"), ("10", "has no unit")]);
}

#[test]
fn sizes() {
    reads::<ByteSize>(&[
        ("0", "0B"),
        ("64MiB", "64MiB"),
        ("64 MiB", "64MiB"),
        ("10GB", "10GB"),
        ("1.5KiB", "1536B"),
        ("1048576", "1MiB"),
        ("1000", "1kB"),
        ("1024GiB", "1TiB"),
    ]);
    refuses::<ByteSize>(&[("", "is not a size"), ("-1", "is not a size"), ("64 bananas", "is not a size")]);
    assert_eq!("10GB".parse::<ByteSize>().unwrap().bytes(), 10_000_000_000);
    reads::<SizeLimit>(&[("unlimited", "unlimited"), ("1GiB", "1GiB")]);
    refuses::<SizeLimit>(&[("none", "is not a size")]);
    assert_eq!("unlimited".parse::<SizeLimit>().unwrap().bytes(), None);
}

#[test]
fn addresses() {
    reads::<ListenAddr>(&[
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("[::1]:80", "[::1]:80"),
        ("localhost:80", "127.0.0.1:80"),
    ]);
    refuses::<ListenAddr>(&[
        ("80", "is not an address"),
        ("a.example:80", "is not an address"),
        ("1.2.3.4", "is not"),
    ]);
    reads::<IpRange>(&[("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1"), ("::ffff:10.0.0.1", "10.0.0.1")]);
    refuses::<IpRange>(&[("10.0.0.0/33", "is not an IP"), ("localhost", "is not an IP")]);
    let range: IpRange = "10.0.0.0/8".parse().unwrap();
    let holds = |ip: &str| range.contains(ip.parse::<IpAddr>().unwrap());
    assert!(holds("10.1.2.3") && holds("::ffff:10.1.2.3"));
    assert!(!holds("11.0.0.0") && !holds("::1"));
}

#[test]
fn origins() {
    reads::<OriginUrl>(&[
        ("http://EXAMPLE.com", "http://example.com"),
        ("https://example.com:443/", "https://example.com"),
        ("http://example.com:", "http://example.com"),
        ("http://example.com:443/", "http://example.com:443"),
        ("http://[::1]:8000/api/", "http://[::1]:8000/api"),
        ("http://127.0.0.1:8000/a//b", "http://127.0.0.1:8000/a//b"),
    ]);
    refuses::<OriginUrl>(&[
        ("", "is not a URL"),
        ("example.com", "is not a URL"),
        ("/path", "is not a URL"),
        ("http://", "is not a URL"),
        ("ftp://example.com", "is neither http nor https"),
        ("http://me@example.com", "has a user name"),
        ("http://example.com/?a", "has a query"),
        ("http://example.com/#a", "has a fragment"),
        ("http://example.com/a/../b", "has `.` or `..`"),
        ("http://example.com:0", "has a bad port"),
        ("http://example.com:70000", "has a bad port"),
        ("http://b\u{fc}cher.example", "is not a URL"),
    ]);
    let origin: OriginUrl = "http://[2001:DB8::1]:80/x/".parse().unwrap();
    assert_eq!((origin.host(), origin.port(), origin.base_path()), ("2001:db8::1", 80, "/x"));
    assert_eq!((origin.authority().as_str(), origin.scheme().as_str()), ("[2001:db8::1]", "http"));
}

#[test]
fn hosts() {
    reads::<HostPattern>(&[
        ("WWW.Example.com.", "www.example.com"),
        ("*.example.com", "*.example.com"),
        ("[::1]", "[::1]"),
    ]);
    refuses::<HostPattern>(&[
        ("", "is not a host"),
        ("*", "is not a host"),
        ("*.", "is not a host"),
        ("a.*.b", "is not a host"),
        ("example.com:80", "is not a host"),
        ("https://example.com", "is not a host"),
    ]);
    let exact: HostPattern = "example.com".parse().unwrap();
    assert!(exact.matches("EXAMPLE.com") && exact.matches("example.com."));
    assert!(!exact.matches("a.example.com") && !exact.matches(""));
    let below: HostPattern = "*.example.com".parse().unwrap();
    assert!(below.matches("a.example.com") && below.matches("a.b.Example.Com"));
    for not in ["example.com", ".example.com", "aexample.com", "", "com"] {
        assert!(!below.matches(not), "{not}");
    }
    assert_eq!((below.is_wildcard(), below.name()), (true, "example.com"));
    // Cutting a host at a byte must not cut a character.
    assert!(!below.matches("\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}\u{fc}"));
}

#[test]
fn paths() {
    reads::<PathPrefix>(&[("/", "/"), ("/api", "/api")]);
    refuses::<PathPrefix>(&[
        ("", "does not begin"),
        ("api", "does not begin"),
        ("/a?b", "has a query"),
        ("/a/../b", "has `.` or `..`"),
        ("/a*", "has a `*`"),
        ("/a b", "has a character"),
    ]);
    let table = |prefix: &str, yes: &[&str], no: &[&str]| {
        let prefix: PathPrefix = prefix.parse().unwrap();
        assert!(yes.iter().all(|path| prefix.matches(path)), "{prefix}");
        assert!(!no.iter().any(|path| prefix.matches(path)), "{prefix}");
    };
    table("/", &["/", "/a"], &[""]);
    table("/api", &["/api", "/api/", "/api/x", "/api?q"], &["/apis", "/ap", "/"]);
    table("/api/", &["/api/", "/api/x"], &["/api", "/apis/"]);
    let pattern = |text: &str, yes: &[&str], no: &[&str]| {
        let pattern: PathPattern = text.parse().unwrap();
        assert!(yes.iter().all(|path| pattern.matches(path)), "{pattern}");
        assert!(!no.iter().any(|path| pattern.matches(path)), "{pattern}");
    };
    pattern("/private", &["/private", "/private/x"], &["/privates", "/"]);
    pattern("/a/*/c", &["/a/b/c", "/a/b/b/c", "/a//c"], &["/a/c", "/a/b/c/d"]);
    pattern("*.jpg", &["/x.jpg", "/a/x.jpg"], &["/x.jpg/y", "/x.jpeg"]);
    pattern("/*a*b*", &["/ab", "/xaxxbx"], &["/ba", "/b"]);
    refuses::<PathPattern>(&[("private", "does not begin"), ("", "does not begin")]);
}

#[test]
fn names_and_fields() {
    let utm: NamePattern = "utm_*".parse().unwrap();
    assert!(
        utm.matches("utm_source") && utm.matches("utm_") && !utm.matches("UTM_x") && !utm.matches("xutm_")
    );
    refuses::<NamePattern>(&[("", "is not a name"), ("a\nb", "is not a name"), ("a*b", "has a `*` before")]);
    reads::<FieldName>(&[("X-Team", "x-team")]);
    refuses::<FieldName>(&[
        ("X Team", "is not a field name"),
        ("", "is not a field name"),
        ("a:", "is not a field name"),
    ]);
    refuses::<RewrittenField>(&[
        ("Content-Length", "names a field"),
        ("TE", "names a field"),
        ("x y", "is not a field name"),
    ]);
    refuses::<FieldValue>(&[("a\r\nb", "has a character"), ("a\0", "has a character")]);
    let value: FieldValue = " secret ".parse().unwrap();
    assert_eq!((value.as_str(), format!("{value:?}").as_str()), ("secret", "[hidden]"));
    reads::<ErrorStatus>(&[("404", "404"), ("599", "599")]);
    refuses::<ErrorStatus>(&[
        ("399", "is not the status"),
        ("600", "is not the status"),
        ("4xx", "is not the status"),
    ]);
}
