//! Reading JSON tapes.

use super::VERSION;
use super::facts;
use super::place::Place;
use super::scan::{Kind, List, Scan, Scanned};
use super::text::Text;
use crate::{Content, ReadAt, Recorded, RecordedRequest, RecordedResponse, Tape, TapeError};
use std::sync::Arc;

/// Reads the exchanges of `source`.
pub fn reader(source: Arc<dyn ReadAt>) -> Tape {
    Box::new(Lines { scan: Scan::new(source, 0), begun: false, array: None, ended: false })
}

/// Reads the one exchange that begins at byte `at`.
///
/// # Errors
/// When there is none.
pub fn read_one(source: &Arc<dyn ReadAt>, at: u64) -> Result<Recorded, TapeError> {
    let mut scan = Scan::new(Arc::clone(source), at);
    scan.kind()?;
    scan.exchange_begins();
    exchange(&mut scan)
}

/// The exchanges of a tape, one after the other.
struct Lines {
    scan: Scan,
    begun: bool,
    /// The exchanges stand in an array, not on lines.
    array: Option<List>,
    ended: bool,
}

impl Lines {
    fn exchange_ahead(&mut self) -> Scanned<bool> {
        if !std::mem::replace(&mut self.begun, true) {
            self.scan.skip_mark()?;
        }
        if self.array.is_none() && self.scan.take(b'[')? {
            self.array = Some(List::default());
        }
        let Some(list) = &mut self.array else { return Ok(self.scan.peek()?.is_some()) };
        self.scan.exchange_begins();
        if self.scan.element(list)? {
            return Ok(true);
        }
        self.array = None;
        match self.scan.peek()? {
            None => Ok(false),
            Some(_) => Err(self.scan.malformed("something stands after the end of the array")),
        }
    }
}

impl Iterator for Lines {
    type Item = Result<(u64, Recorded), TapeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.exchange_ahead().and_then(|ahead| {
            if !ahead {
                return Ok(None);
            }
            self.scan.kind()?;
            self.scan.exchange_begins();
            let at = self.scan.offset();
            exchange(&mut self.scan).map(|found| Some((at, found)))
        });
        self.ended = !matches!(next, Ok(Some(_)));
        next.transpose()
    }
}

/// What an object of the top level had.
#[derive(Default)]
struct Members {
    version: Option<u64>,
    exchange: Recorded,
    times: facts::Times,
    request: bool,
    saved: bool,
}

fn exchange(scan: &mut Scan) -> Scanned<Recorded> {
    if scan.kind()? != Kind::Object {
        return Err(scan.malformed("an exchange is an object"));
    }
    scan.expect(b'{')?;
    let (mut list, mut found) = (List::default(), Members::default());
    while let Some(name) = scan.member(&mut list)? {
        member(scan, &name, &mut found)?;
    }
    if found.saved {
        return Err(scan.malformed(
            "this is a response that an older proxy kept under a hash of its URL, which is not in it: \
             `millpond cache import` takes such files with a list of URLs",
        ));
    }
    if !found.request {
        return Err(scan.malformed("an exchange has a `request` with `method` and `url`"));
    }
    found.times.give_to(&mut found.exchange);
    if found.version.is_none() {
        facts::as_decoded(&mut found.exchange);
    }
    Ok(found.exchange)
}

fn member(scan: &mut Scan, name: &str, found: &mut Members) -> Scanned<()> {
    let exchange = &mut found.exchange;
    match name {
        "v" => {
            found.version = scan.whole()?;
            if let Some(version) = found.version.filter(|version| *version > VERSION) {
                return Err(TapeError::TooNew { found: version, known: VERSION });
            }
        }
        "request" => {
            exchange.request = request(scan)?;
            found.request = true;
        }
        "response" => {
            exchange.response = match scan.object()? {
                Some(list) => Some(response(scan, list)?),
                None => None,
            }
        }
        "timings" => found.times = facts::times(scan)?,
        "aborted" => exchange.aborted = scan.truth()?,
        "id" => exchange.id = scan.scalar()?.unwrap_or_default(),
        "error" => exchange.error = facts::failure(scan)?,
        "client" => exchange.client = facts::connection(scan)?,
        "server" => exchange.server = facts::connection(scan)?,
        "websocket" => exchange.websocket = facts::websocket(scan)?,
        "is_replay" => exchange.is_replay = scan.scalar()?,
        "marked" => exchange.marked = scan.scalar()?.unwrap_or_default(),
        "comment" => exchange.comment = scan.scalar()?.unwrap_or_default(),
        "metadata" => exchange.metadata = facts::metadata(scan)?,
        // The members of a response that stands alone.
        "status" | "body" => {
            found.saved = true;
            scan.skip()?;
        }
        _ => scan.skip()?,
    }
    Ok(())
}

fn request(scan: &mut Scan) -> Scanned<RecordedRequest> {
    let Some(mut list) = scan.object()? else {
        return Err(scan.malformed("`request` is an object"));
    };
    let mut request = RecordedRequest { version: b"HTTP/1.1".to_vec(), ..RecordedRequest::default() };
    let (mut method, mut url, mut body) = (None, None, Body::default());
    let (mut scheme, mut host, mut port, mut path) = (None, None, None, None);
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "method" => method = scan.octets()?,
            "url" => url = scan.scalar()?,
            "scheme" => scheme = scan.octets()?,
            "host" => host = scan.scalar()?,
            "port" => port = scan.whole()?.and_then(|port| u16::try_from(port).ok()),
            "path" => path = scan.octets()?,
            "authority" => request.authority = scan.octets()?.unwrap_or_default(),
            "http_version" => request.version = scan.octets()?.unwrap_or_default(),
            "headers" => request.fields = scan.pairs()?,
            "trailers" => request.trailers = trailers(scan)?,
            "content" => body.text = scan.body()?,
            "content_encoding" => body.base64 = scan.scalar()?.as_deref() == Some("base64"),
            _ => scan.skip()?,
        }
    }
    let from_url = url.as_deref().and_then(Place::of);
    let all = scheme.is_some() && host.is_some() && port.is_some() && path.is_some();
    request.method = match method {
        Some(method) if from_url.is_some() || all => method,
        _ => return Err(scan.malformed("a request has `method` and `url`, and the URL is of http or https")),
    };
    let place = from_url.unwrap_or_default();
    request.scheme = scheme.unwrap_or_else(|| place.scheme.into_bytes());
    request.host = host.unwrap_or(place.host);
    request.port = port.unwrap_or(place.port);
    request.path = path.unwrap_or_else(|| place.path.into_bytes());
    request.content = body.content(scan)?;
    Ok(request)
}

fn response(scan: &mut Scan, mut list: List) -> Scanned<RecordedResponse> {
    let mut response = RecordedResponse { version: b"HTTP/1.1".to_vec(), ..RecordedResponse::default() };
    let mut body = Body::default();
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "status_code" | "status" => {
                let status = scan.whole()?.and_then(|status| u16::try_from(status).ok());
                response.status = status.ok_or_else(|| scan.malformed("`status_code` is no status"))?;
            }
            "reason" => response.reason = scan.octets()?.unwrap_or_default(),
            "http_version" => response.version = scan.octets()?.unwrap_or_default(),
            "headers" => response.fields = scan.pairs()?,
            "trailers" => response.trailers = trailers(scan)?,
            "content" => body.text = scan.body()?,
            "content_encoding" => body.base64 = scan.scalar()?.as_deref() == Some("base64"),
            _ => scan.skip()?,
        }
    }
    response.content = body.content(scan)?;
    Ok(response)
}

fn trailers(scan: &mut Scan) -> Scanned<Option<crate::Pairs>> {
    if scan.kind()? == Kind::Null {
        scan.null()?;
        return Ok(None);
    }
    scan.pairs().map(Some)
}

/// A body whose members have been read, in whichever order.
#[derive(Default)]
struct Body {
    text: Option<Text>,
    base64: bool,
}

impl Body {
    fn content(self, scan: &Scan) -> Scanned<Option<Content>> {
        match self.text {
            None => Ok(None),
            Some(text) if !self.base64 => Ok(Some(text.plain())),
            Some(text) => match text.base64() {
                Some(content) => Ok(Some(content)),
                None => Err(scan.malformed("`content` before this place is not base64")),
            },
        }
    }
}
