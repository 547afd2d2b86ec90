//! What the clients ask: curl, over HTTP/1.1 and HTTP/2.

use crate::home::Home;
use crate::proxies::Proxy;

/// One call of curl.
pub struct Ask {
    pub path: &'static str,
    options: &'static [&'static str],
}

const fn ask(path: &'static str, options: &'static [&'static str]) -> Ask {
    Ask { path, options }
}

/// What is recorded, and asked for again. `Content-Type` of the upload has to say that it is not a form.
pub const ASKS: [Ask; 11] = [
    ask("/page", &[]),
    ask(
        "/orders",
        &["--header", "Content-Type: application/json", "--data", r#"{"fish":"trout","count":2}"#],
    ),
    ask("/binary", &[]),
    ask("/upload", &["--header", "Content-Type: application/octet-stream", "--data-binary", "@every-byte"]),
    ask("/gzip", &["--compressed"]),
    ask("/large", &[]),
    ask("/moved", &["--location"]),
    ask("/unchanged", &["--header", "If-None-Match: \"v1\""]),
    ask("/events", &["--no-buffer"]),
    ask("/page", &["--head"]),
    ask("/gone", &["--request", "DELETE"]),
];

/// A download that the client breaks off as soon as it knows how long it is.
pub const ABORTED: Ask = ask("/endless", &["--max-filesize", "1000"]);
/// What curl ends with then.
pub const TOO_LARGE: i32 = 63;

/// The exchanges that one round of [`ASKS`] makes: a redirect is two.
pub const EXCHANGES: usize = ASKS.len() + 1;

/// The versions of HTTP, as curl's options and a parameter of the URL name them.
pub const VERSIONS: [(&str, &str); 2] = [("--http1.1", "1"), ("--http2", "2")];

/// What curl says of an answer.
pub struct Got {
    pub asked: String,
    pub exit: Option<i32>,
    /// Status, version of HTTP, media type, redirects followed.
    pub facts: String,
    pub content: Vec<u8>,
}

/// Everything in [`ASKS`], over each version, at an origin on `port`.
pub fn all(home: &Home, proxy: &Proxy, port: u16) -> Vec<Got> {
    let one = |version| ASKS.iter().map(move |ask| get(home, proxy, port, version, ask));
    VERSIONS.into_iter().flat_map(one).collect()
}

/// One call of curl through `proxy`.
pub fn get(home: &Home, proxy: &Proxy, port: u16, version: (&str, &str), ask: &Ask) -> Got {
    let url = format!("https://localhost:{port}{}?over={}", ask.path, version.1);
    home.write("every-byte", (0..=255).collect::<Vec<u8>>());
    let body = home.write("body", []);
    let mut curl = home.program("curl");
    curl.args(["--silent", "--show-error", "--max-time", "20", version.0, "--proxy", &proxy.url])
        .arg("--cacert")
        .arg(&proxy.authority)
        .args(["--write-out", "%{http_code} %{http_version} %{content_type} %{num_redirects}", "--output"])
        // With `--head`, curl writes the head where the content would go.
        .arg(if ask.options.contains(&"--head") { "/dev/null".as_ref() } else { body.as_path() })
        .args(ask.options)
        .arg(&url);
    let output = curl.output().unwrap();
    Got {
        asked: format!("{} {url}", ask.options.join(" ")),
        exit: output.status.code(),
        facts: String::from_utf8(output.stdout).unwrap(),
        content: std::fs::read(body).unwrap(),
    }
}

/// Whether every answer is that of the recording, byte for byte.
pub fn same<'a>(recorded: impl IntoIterator<Item = &'a Got>, replayed: impl IntoIterator<Item = &'a Got>) {
    for (recorded, replayed) in recorded.into_iter().zip(replayed) {
        assert_eq!(recorded.exit, Some(0), "{} while recording: {}", recorded.asked, recorded.facts);
        assert_eq!(
            (&replayed.asked, replayed.exit, &replayed.facts),
            (&recorded.asked, recorded.exit, &recorded.facts)
        );
        assert!(recorded.content == replayed.content, "{}: another content", recorded.asked);
    }
}
