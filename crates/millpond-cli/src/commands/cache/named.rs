//! URLs, hosts and origins as typed, and how the cache names them.

use crate::commands::{target, terminal};
use crate::failure::Failure;
use millpond::config::Config;
use millpond::exchange::{Key, RequestHead, url};
use millpond::policy::Profile;
use millpond::proxy::explain::Door;
use millpond::proxy::key_for;
use std::io::{self, Read as _};
use std::path::Path;

/// A URL in normal form.
pub(super) fn normal(text: &str) -> Result<String, Failure> {
    url::normalise(text).map_err(|error| Failure::Usage(format!("{}: {error}", terminal::plain(text))))
}

/// A host as keys have it.
pub(super) fn normal_host(host: &str) -> Result<String, Failure> {
    let wrong = || {
        Failure::Usage(format!(
            "--host {}: a host is a name or an address, with its port unless that is the default one, such as example.com or \
             example.com:8080; for part of a host's URLs there is --prefix",
            terminal::plain(host)
        ))
    };
    if host.is_empty()
        || host.contains(['/', '?', '#', '@', '*', '\\', '%'])
        || host.contains(char::is_whitespace)
    {
        return Err(wrong());
    }
    let url = url::normalise(&format!("http://{host}")).map_err(|_| wrong())?;
    Ok(url.trim_start_matches("http://").trim_end_matches('/').to_owned())
}

/// `scheme://authority` as keys have it.
pub(super) fn normal_origin(text: &str) -> Result<String, Failure> {
    let url = normal(text)?;
    match url::split(&url) {
        Ok((scheme, authority, "/")) => Ok(format!("{scheme}://{authority}")),
        _ => Err(Failure::Usage(format!(
            "{text}: an origin is a scheme and a host, such as https://example.com"
        ))),
    }
}

/// The key that servers with `config` make of a GET for `url`, in normal form, and the profile by which they judge it. First
/// that of a server in front of origins, where `url` is one of theirs or one that its clients use; then that of a forward
/// proxy.
pub(super) fn keyed(config: &Config, url: &str) -> Vec<(Key, Profile)> {
    let served = target::request_of_route(url, &config.routes()).ok();
    let served = served.and_then(|request| key_for(config, Door::Serve, &request));
    let whole = url::split(url).ok().map(|(scheme, authority, path)| {
        let request = RequestHead { scheme, ..RequestHead::get(authority, path) };
        key_for(config, Door::Forward, &request)
    });
    served.into_iter().chain(whole.flatten()).collect()
}

/// The URLs under which the answers to `text` may be stored: as it stands, and as servers with `config` make them of it.
pub(super) fn stored_urls(config: &Config, text: &str) -> Result<Vec<String>, Failure> {
    let mut urls = vec![normal(text)?];
    for (key, _) in keyed(config, &urls[0]) {
        let url = key.url();
        if !urls.contains(&url) {
            urls.push(url);
        }
    }
    Ok(urls)
}

/// A line of a list.
pub(super) struct Line {
    /// From 1.
    pub number: usize,
    /// Without white space around it; what is not UTF-8 is replaced where it is not `valid`.
    pub text: String,
    /// It is UTF-8.
    pub valid: bool,
}

impl Line {
    /// Why the line cannot be used, with its number.
    pub fn wrong(&self, why: &str) -> String {
        format!("line {} is left out: {}", self.number, terminal::plain(why))
    }
}

/// The lines of a list of URLs, without comments and empty ones; `-` is standard input.
pub(super) fn lines_of(path: &Path) -> Result<Vec<Line>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().read_to_end(&mut bytes).map(drop)
    } else {
        std::fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| Failure::File { path: path.to_owned(), error })?;
    let lines = bytes.split(|byte| *byte == b'\n').enumerate().map(|(index, line)| {
        let text = String::from_utf8_lossy(line);
        let valid = std::str::from_utf8(line).is_ok();
        Line { number: index + 1, text: text.trim().to_owned(), valid }
    });
    Ok(lines.filter(|line| !line.text.is_empty() && !line.text.starts_with('#')).collect())
}
