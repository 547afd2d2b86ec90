//! Single responses that an older caching proxy kept: a JSON file each, with `status`, `reason`, `headers` and the body as
//! base64, whose name is the SHA-256 of the method, a bar and the URL. The URL itself is not in it.

use super::facts::decoded_fields;
use super::place::Place;
use super::scan::{Scan, Scanned};
use super::text::Text;
use crate::{Content, Pairs, ReadAt, Recorded, RecordedRequest, RecordedResponse, TapeError};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;

/// The name of the file with the response to `method` for `url`.
pub fn saved_name(method: &str, url: &str) -> String {
    let digest = Sha256::digest(format!("{}|{url}", method.to_ascii_uppercase()));
    let mut name = String::with_capacity(69);
    for byte in digest {
        // Writing to a string cannot fail.
        let _ = write!(name, "{byte:02x}");
    }
    name + ".json"
}

/// The exchange of a response that lies in `source` alone: it answered `method` for `url` at `at`, seconds since 1970.
///
/// # Errors
/// When `url` is not of http or https, or `source` holds something else.
pub fn saved(source: Arc<dyn ReadAt>, method: &str, url: &str, at: f64) -> Result<Recorded, TapeError> {
    let mut scan = Scan::new(source, 0);
    scan.skip_mark()?;
    scan.exchange_begins();
    let place = Place::of(url).ok_or_else(|| scan.malformed("the URL is not of http or https"))?;
    let mut response = response(&mut scan)?;
    response.started = at;
    response.ended = Some(at);
    let mut fields = Pairs::new();
    fields.push("Host", super::place::authority(place.scheme.as_bytes(), &place.host, place.port));
    let request = RecordedRequest {
        method: method.to_ascii_uppercase().into_bytes(),
        scheme: place.scheme.into_bytes(),
        host: place.host,
        port: place.port,
        path: place.path.into_bytes(),
        version: b"HTTP/1.1".to_vec(),
        fields,
        content: Some(Content::empty()),
        started: at,
        ended: Some(at),
        ..RecordedRequest::default()
    };
    Ok(Recorded {
        id: super::place::id_of(0, url, at),
        request,
        response: Some(response),
        created: at,
        ..Recorded::default()
    })
}

fn response(scan: &mut Scan) -> Scanned<RecordedResponse> {
    let wrong = "a saved response has `status`, `headers` and a `body` in base64";
    let Some(mut list) = scan.object()? else { return Err(scan.malformed(wrong)) };
    let mut response = RecordedResponse { version: b"HTTP/1.1".to_vec(), ..RecordedResponse::default() };
    let mut body: Option<Text> = None;
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "status" => {
                let status = scan.whole()?.and_then(|status| u16::try_from(status).ok());
                response.status = status.unwrap_or_default();
            }
            "reason" => response.reason = scan.octets()?.unwrap_or_default(),
            "headers" => response.fields = scan.pairs()?,
            "body" => body = scan.body()?,
            _ => scan.skip()?,
        }
    }
    let content = body.and_then(Text::base64).filter(|_| response.status != 0);
    let content = content.ok_or_else(|| scan.malformed(wrong))?;
    // It kept the body as it came, without the framing.
    let codings = response.fields.get("content-encoding").map(<[u8]>::to_vec);
    decoded_fields(&mut response.fields, content.len());
    if let Some(codings) = codings {
        response.fields.push("content-encoding", codings);
    }
    response.content = Some(content);
    Ok(response)
}
