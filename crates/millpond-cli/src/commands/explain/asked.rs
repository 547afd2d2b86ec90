//! From the command line to the request that it asks about, and the door it comes to.

use super::content::Content;
use crate::args::explain::ExplainArgs;
use crate::commands::target::request;
use crate::failure::Failure;
use millpond::config::{Config, Forward, Intercept, OriginUrl, Route};
use millpond::exchange::{Method, RequestHead, url};
use millpond::proxy::explain::Door;
use std::borrow::Cow;
use std::fmt::Write as _;

/// The port that `millpond proxy` listens on unless told otherwise.
const PROXY_PORT: u16 = 3142;

/// What curl says of content of which nothing else was said.
pub(super) const ASSUMED_TYPE: &str = "application/x-www-form-urlencoded";

/// The configuration, and the door it is for.
pub(super) fn settled(args: &ExplainArgs) -> Result<(Config, Door), Failure> {
    let config = args.settings().resolve()?.config;
    match door_of(args, &config) {
        Door::Serve => Ok((config, Door::Serve)),
        Door::Forward => Ok((args.settings_of_a_proxy().resolve()?.config, Door::Forward)),
    }
}

/// `millpond serve` does not run without an origin: a configuration that names none, and is one for a server, is that of
/// `millpond proxy`.
fn door_of(args: &ExplainArgs, config: &Config) -> Door {
    let for_a_proxy = args.common.place.config.is_some()
        || config.forward != Forward::default()
        || config.intercept != Intercept::default()
        || config.listen.socket_addr().port() == PROXY_PORT;
    if args.names_a_proxy() || for_a_proxy && config.routes().is_empty() {
        Door::Forward
    } else {
        Door::Serve
    }
}

/// The origin that a URL names.
pub(super) fn own_origin(text: &str) -> Result<OriginUrl, Failure> {
    let ascii = ascii(text)?;
    let (scheme, authority, _) =
        url::split(&ascii).map_err(|error| Failure::Usage(format!("{text}: {error}")))?;
    let origin = format!("{scheme}://{authority}");
    origin.parse().map_err(|error| Failure::Usage(format!("{text}: its origin {error}")))
}

/// The request as a client would send it.
pub(super) fn head(
    url: &str,
    args: &ExplainArgs,
    door: Door,
    config: &Config,
    content: Option<&Content>,
) -> Result<RequestHead, Failure> {
    let head = match door {
        Door::Serve => head_for(url, &config.routes(), args, content)?,
        Door::Forward if url.starts_with('/') => {
            let why = "a forward proxy is asked for whole URLs, such as http://example.com/";
            return Err(Failure::Usage(format!("{url}: {why}")));
        }
        Door::Forward => head_for(url, &[], args, content)?,
    };
    let method = &head.method;
    if door == Door::Forward && *method == Method::CONNECT {
        let why = "give the https URL that is asked for within the tunnel";
        return Err(Failure::Usage(format!("--method {method}: {why}")));
    }
    let sent = matches!(*method, Method::GET | Method::HEAD);
    let asked = sent && content.is_none() || method.as_str() == "QUERY";
    if args.fetch && !(sent && content.is_none()) {
        let why = "only GET and HEAD without content are sent to an origin; leave out --fetch";
        return Err(Failure::Usage(format!("--method {method}: {why}")));
    }
    if args.via.is_some() && !asked {
        let why = "a server is asked with GET and HEAD without content, and with QUERY; leave out --via";
        return Err(Failure::Usage(format!("--method {method}: {why}")));
    }
    Ok(head)
}

/// The request for a forward proxy, where the URL is one that it could be asked for.
pub(super) fn whole(args: &ExplainArgs, content: Option<&Content>) -> Result<Option<RequestHead>, Failure> {
    let url = args.url.as_deref().filter(|url| !url.starts_with('/'));
    url.map(|url| head_for(url, &[], args, content)).transpose()
}

fn head_for(
    url: &str,
    routes: &[Route],
    args: &ExplainArgs,
    content: Option<&Content>,
) -> Result<RequestHead, Failure> {
    let ascii = ascii(url)?;
    let mut head = request(&ascii, routes)?;
    if let Ok((scheme, ..)) = url::split(&ascii) {
        head.scheme = scheme;
    }
    let method = args.method.as_deref().unwrap_or(if content.is_some() { "POST" } else { "GET" });
    head.method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Failure::Usage(format!("--method {method}: that is not a method")))?;
    for (index, line) in args.fields.iter().enumerate() {
        add(&mut head, line).map_err(|why| {
            // The line may be a secret: it is not repeated.
            Failure::Usage(format!("--field {}: {why}; write 'Name: value'", index + 1))
        })?;
    }
    if content.is_some() && !head.fields.contains("content-type") {
        // Valid: both are constant.
        let _ = head.fields.append("Content-Type", ASSUMED_TYPE);
    }
    Ok(head)
}

fn add(head: &mut RequestHead, line: &str) -> Result<(), String> {
    let (name, value) = line.split_once(':').ok_or("there is no colon")?;
    let (name, value) = (name.trim(), value.trim());
    if name.eq_ignore_ascii_case("host") {
        value.clone_into(&mut head.authority);
        head.fields.remove("host");
    }
    head.fields.append(name, value).map_err(|error| error.to_string())
}

/// A URL as clients send it: what is not ASCII in path and query is sent as escapes of its UTF-8 (RFC 3986 section 2.5).
fn ascii(url: &str) -> Result<Cow<'_, str>, Failure> {
    if url.is_ascii() {
        return Ok(Cow::Borrowed(url));
    }
    let host = url.find("://").map_or(0, |at| at + "://".len());
    let path = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    if !url[..path].is_ascii() {
        let why = "write the host as clients send it, in ASCII (xn--..., RFC 5890 section 2.3.2.1)";
        return Err(Failure::Usage(format!("{url}: {why}")));
    }
    let mut sent = url[..path].to_owned();
    for byte in url[path..].bytes() {
        if byte.is_ascii() {
            sent.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(sent, "%{byte:02X}");
        }
    }
    Ok(Cow::Owned(sent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ascii_is_escaped_behind_the_host() {
        assert_eq!(
            ascii("http://a.example/gr\u{fc}n?q=\u{e9}").unwrap(),
            "http://a.example/gr%C3%BCn?q=%C3%A9"
        );
        assert_eq!(ascii("/gr\u{fc}n").unwrap(), "/gr%C3%BCn");
        assert!(ascii("http://b\u{fc}cher.example/").is_err());
    }
}
