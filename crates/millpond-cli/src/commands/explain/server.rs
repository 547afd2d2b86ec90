//! Asking a running server, and what it says.

use super::member::{Member, members};
use crate::client::Client;
use crate::failure::Failure;
use millpond::engine::{FetchLimits, Upstream};
use millpond::exchange::{RequestHead, url};

/// What a server answered.
pub(super) struct Asked {
    /// `scheme://authority` of the server.
    pub server: String,
    /// Whether it was let fetch.
    pub fetch: bool,
    /// The status.
    pub status: u16,
    /// Bytes of body.
    pub length: u64,
    /// The Age field, seconds.
    pub age: Option<u64>,
    /// What each cache on the way says.
    pub members: Vec<Member>,
    /// What the server says of a failure of its own.
    pub problem: Option<String>,
}

impl Asked {
    /// What the server itself says: of several of its kind, the one that was asked comes last.
    pub fn own(&self) -> Option<&Member> {
        self.members.iter().rev().find(|member| member.is_own())
    }

    /// True when the answer came from its cache.
    pub fn hits(&self) -> bool {
        self.own().is_some_and(|member| member.says("hit"))
    }
}

/// Sends `head` to the server at `via`, and unless `fetch` forbids it to fetch.
pub(super) async fn ask(
    client: &Client,
    via: &str,
    mut head: RequestHead,
    fetch: bool,
) -> Result<Asked, Failure> {
    let wrong = |error: url::UrlError| Failure::Usage(format!("--via {via}: {error}"));
    let (scheme, authority, _) = url::split(via).map_err(wrong)?;
    if !fetch {
        // Valid: both are constant.
        let _ = head.fields.append("Cache-Control", "only-if-cached");
    }
    let upstream = Upstream { scheme, authority: authority.to_owned(), limits: FetchLimits::default() };
    let fetched = client.send(upstream, head).await?;
    let fields = &fetched.head.fields;
    Ok(Asked {
        server: format!("{scheme}://{authority}"),
        fetch,
        status: fetched.head.status.as_u16(),
        length: fetched.length,
        age: fields.get_str("age").and_then(|age| age.parse().ok()),
        members: members(fields),
        problem: problem(fields.get_str("content-type"), &fetched.beginning),
    })
}

/// The detail of a problem report (RFC 9457), fit for a terminal.
fn problem(content_type: Option<&str>, body: &[u8]) -> Option<String> {
    content_type.filter(|found| found.starts_with("application/problem+json"))?;
    let report: serde_json::Value = serde_json::from_slice(body).ok()?;
    let detail = report.get("detail")?.as_str()?;
    Some(detail.chars().map(|c| if c.is_control() { '?' } else { c }).collect())
}
