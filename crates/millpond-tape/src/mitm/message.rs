//! Requests, responses, what was said over a WebSocket, and errors, as flows have them.

use super::item::{Item, Walker, malformed, weight};
use crate::{Failure, RecordedRequest, RecordedResponse, TapeError, WebSocket, WebSocketMessage};

type Result<T> = std::result::Result<T, TapeError>;

/// A value that must have been there.
fn needed<T>(value: Option<T>, item: Item, what: &str) -> Result<T> {
    value.ok_or_else(|| malformed(item.start, format!("without {what}")))
}

/// A time that older versions left out where nobody had looked at the clock.
fn time(walker: &mut Walker<'_>, item: Item) -> Result<f64> {
    Ok(walker.optional(item, Walker::float)?.unwrap_or_default())
}

pub fn request(walker: &mut Walker<'_>, item: Item) -> Result<RecordedRequest> {
    let mut request = RecordedRequest::default();
    let (mut method, mut scheme, mut host, mut port, mut path) = (None, None, None, None, None);
    walker.entries(item, |walker, key, value| {
        match key {
            b"method" => method = Some(walker.bytes(value)?),
            b"scheme" => scheme = Some(walker.bytes(value)?),
            b"host" => host = Some(walker.text(value)?),
            b"port" => port = Some(walker.integer(value)?),
            b"path" => path = Some(walker.bytes(value)?),
            b"authority" => request.authority = walker.bytes(value)?,
            b"http_version" => request.version = walker.bytes(value)?,
            b"headers" => request.fields = walker.pairs(value)?,
            b"content" => request.content = walker.optional(value, Walker::content)?,
            b"trailers" => request.trailers = walker.optional(value, Walker::pairs)?,
            b"timestamp_start" => request.started = time(walker, value)?,
            b"timestamp_end" => request.ended = walker.optional(value, Walker::float)?,
            _ => {}
        }
        Ok(())
    })?;
    request.method = needed(method, item, "a method")?;
    request.scheme = needed(scheme, item, "a scheme")?;
    request.host = needed(host, item, "a host")?;
    request.port = needed(port, item, "a port")?;
    request.path = needed(path, item, "a path")?;
    Ok(request)
}

pub fn response(walker: &mut Walker<'_>, item: Item) -> Result<RecordedResponse> {
    let (mut response, mut status) = (RecordedResponse::default(), None);
    walker.entries(item, |walker, key, value| {
        match key {
            b"status_code" => status = Some(walker.integer(value)?),
            b"reason" => response.reason = walker.bytes(value)?,
            b"http_version" => response.version = walker.bytes(value)?,
            b"headers" => response.fields = walker.pairs(value)?,
            b"content" => response.content = walker.optional(value, Walker::content)?,
            b"trailers" => response.trailers = walker.optional(value, Walker::pairs)?,
            b"timestamp_start" => response.started = time(walker, value)?,
            b"timestamp_end" => response.ended = walker.optional(value, Walker::float)?,
            _ => {}
        }
        Ok(())
    })?;
    response.status = needed(status, item, "a status code")?;
    Ok(response)
}

pub fn failure(walker: &mut Walker<'_>, item: Item) -> Result<Failure> {
    let mut failure = Failure::default();
    walker.entries(item, |walker, key, value| {
        match key {
            b"msg" => failure.message = walker.text(value)?,
            b"timestamp" => failure.at = time(walker, value)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(failure)
}

pub fn websocket(walker: &mut Walker<'_>, item: Item) -> Result<WebSocket> {
    let mut websocket = WebSocket::default();
    walker.entries(item, |walker, key, value| {
        match key {
            b"messages" => walker.list(value, |walker, one| {
                websocket.messages.push(message(walker, one)?);
                Ok(())
            })?,
            b"closed_by_client" => websocket.closed_by_client = walker.optional(value, Walker::boolean)?,
            b"close_code" => websocket.close_code = walker.optional(value, Walker::integer)?,
            b"close_reason" => websocket.close_reason = walker.optional(value, Walker::text)?,
            b"timestamp_end" => websocket.ended = walker.optional(value, Walker::float)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(websocket)
}

/// One message: a list of opcode, sender, content, time, and whether it was dropped; since version 15 also whether it was
/// injected.
fn message(walker: &mut Walker<'_>, item: Item) -> Result<WebSocketMessage> {
    walker.hold(weight::MESSAGE)?;
    let (mut message, mut place) = (WebSocketMessage::default(), 0);
    walker.list(item, |walker, value| {
        match place {
            0 => message.opcode = walker.integer(value)?,
            1 => message.from_client = walker.boolean(value)?,
            2 => message.content = walker.bytes(value)?,
            3 => message.at = time(walker, value)?,
            4 => message.dropped = walker.boolean(value)?,
            5 => message.injected = walker.boolean(value)?,
            _ => {}
        }
        place += 1;
        Ok(())
    })?;
    if place < 5 { Err(malformed(item.start, "a list that is too short")) } else { Ok(message) }
}
