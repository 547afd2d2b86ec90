//! Messages between our types and hyper's, and what a response head must not say.

use super::body::{Outgoing, Progress, from_header_map, incoming, to_header_map};
use super::client::PoolLimits;
use super::places::Held;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use millpond_engine::{InterimSink, OriginResponse, Tunnel, Upgrade, Upstream};
use millpond_exchange::{Body, Fields, Method, RequestHead, ResponseHead};
use millpond_policy::remove_connection_fields;
use std::io;

/// Fields that this proxy says about its own doing: an origin's would stand beside ours and contradict them.
const OURS: [&str; 2] = ["x-cache", "x-request-id"];

pub(super) fn to_hyper(
    upstream: &Upstream,
    head: &RequestHead,
    body: Body,
    progress: &Progress,
) -> Result<Request<Outgoing>, http::Error> {
    let unknown_length = body.length().is_none();
    let body = Outgoing::new(body, progress.clone());
    let mut message = Request::builder().method(head.method.clone()).uri(uri(upstream, head)?).body(body)?;
    *message.headers_mut() = to_header_map(&head.fields);
    if unknown_length && (head.method == Method::GET || head.method == Method::HEAD) {
        // hyper would otherwise take a GET to have no content, and drop it without a word.
        message.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    Ok(message)
}

/// Always with the upstream's authority, by which hyper keeps its connections apart: the client's, which `preserve_host` puts
/// into Host, would let clients choose how many of them there are. The path may be `*` (RFC 9112 section 3.2.4).
fn uri(upstream: &Upstream, head: &RequestHead) -> Result<Uri, http::Error> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(upstream.scheme.as_str().parse()?);
    parts.authority = Some(upstream.authority.parse()?);
    parts.path_and_query = Some(PathAndQuery::try_from(head.path_and_query.as_str())?);
    Ok(Uri::from_parts(parts)?)
}

pub(super) fn listen_for_interim(message: &mut Request<Outgoing>, interim: InterimSink) {
    hyper::ext::on_informational(message, move |response| {
        let mut head = ResponseHead::new(response.status());
        head.fields = own_fields(response.headers());
        without_ours(&mut head.fields);
        interim(head);
    });
}

/// What hyper lets pass and we do not: heads that another hop may read in another way (RFC 9112 section 6.3), and a change of
/// protocol nobody asked for.
pub(super) fn checked(
    response: &Response<Incoming>,
    upgrading: bool,
    limits: PoolLimits,
) -> Result<(), String> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS && !upgrading {
        return Err("it switched protocols without being asked to".into());
    }
    let fields = response.headers();
    // hyper looks at its buffer's bound only when a head does not come whole.
    let size: usize =
        fields.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len()).sum();
    if size > limits.head_bytes || fields.len() > limits.head_fields {
        return Err(format!(
            "its head has {} fields in {size} bytes (limits.head_fields, limits.head_bytes)",
            fields.len()
        ));
    }
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return Err(format!("its transfer coding is {coding:?}, where only chunked was acceptable"));
    }
    if fields.contains_key(header::CONTENT_LENGTH) {
        return Err("it sent both Content-Length and Transfer-Encoding".into());
    }
    Ok(())
}

/// `holds` is kept until the exchange is over.
pub(super) fn from_hyper(
    mut response: Response<Incoming>,
    upstream: &Upstream,
    holds: Option<Held>,
) -> OriginResponse {
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let on_upgrade = switches.then(|| hyper::upgrade::on(&mut response));
    let (parts, incoming_body) = response.into_parts();
    let mut head = ResponseHead::new(parts.status);
    head.version = parts.version;
    head.reason = parts
        .extensions
        .get::<hyper::ext::ReasonPhrase>()
        .and_then(|reason| std::str::from_utf8(reason.as_bytes()).ok())
        .map(Into::into);
    let protocol = parts.headers.get(header::UPGRADE).filter(|_| switches);
    head.fields = own_fields(&parts.headers);
    if let Some(protocol) = protocol
        && let Err(error) = head.fields.append("Upgrade", protocol.as_bytes())
    {
        tracing::warn!(%error, "Upgrade left out of a 101");
    }
    let (body, upgrade) = match on_upgrade {
        Some(on_upgrade) => (Body::Empty, Some(take_upgrade(on_upgrade, holds))),
        None => (incoming(incoming_body, parts.version, upstream.limits.between_reads, holds), None),
    };
    OriginResponse { head, body, upgrade }
}

/// The fields of a response that go on from here.
fn own_fields(map: &HeaderMap) -> Fields {
    let mut fields = from_header_map(map);
    remove_connection_fields(&mut fields);
    fields
}

/// Takes away the fields in which this proxy says something of its own.
pub(super) fn without_ours(fields: &mut Fields) {
    fields.retain(|field| !OURS.iter().any(|name| field.is(name)));
}

fn take_upgrade(on_upgrade: hyper::upgrade::OnUpgrade, holds: Option<Held>) -> Upgrade {
    Box::pin(async move {
        let upgraded = on_upgrade.await.map_err(io::Error::other)?;
        // The tunnel is no exchange any more: it would hold its place for hours.
        drop(holds);
        Ok(Box::new(TokioIo::new(upgraded)) as Box<dyn Tunnel>)
    })
}
