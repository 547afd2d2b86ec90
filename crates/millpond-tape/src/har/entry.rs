//! One entry of an archive.

use super::message::{self, Answer};
use super::timings::{self, Phases};
use super::version;
use crate::json::place::id_of;
use crate::json::scan::{List, Scan, Scanned};
use crate::{Chunk, Failure, Recorded, RecordedRequest, WebSocket, WebSocketMessage};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value};

/// What an entry has, before it is put together.
#[derive(Default)]
struct Members {
    started: Option<f64>,
    took: f64,
    phases: Phases,
    request: Option<(RecordedRequest, String)>,
    request_seen: bool,
    answer: Option<Answer>,
    address: Option<String>,
    id: Option<String>,
    error: Option<String>,
    aborted: Option<bool>,
    comment: String,
    socket: Option<WebSocket>,
    is_socket: bool,
    chunks: Vec<Chunk>,
    metadata: Map<String, Value>,
}

/// The entry at byte `at`; `None` when its URL is not of HTTP.
pub(super) fn entry(scan: &mut Scan, at: u64) -> Scanned<Option<Recorded>> {
    let Some(mut list) = scan.object()? else {
        return Err(scan.malformed("an entry is an object"));
    };
    let mut found = Members::default();
    while let Some(name) = scan.member(&mut list)? {
        member(scan, &name, &mut found)?;
    }
    if !found.request_seen {
        return Err(scan.malformed("an entry has a `request`"));
    }
    Ok(found.together(at))
}

fn member(scan: &mut Scan, name: &str, found: &mut Members) -> Scanned<()> {
    match name {
        "startedDateTime" => found.started = scan.scalar()?.as_deref().and_then(version::seconds),
        "time" => found.took = scan.float()?.unwrap_or_default().max(0.0) / 1000.0,
        "timings" => found.phases = timings::read(scan)?,
        "request" => {
            found.request = message::request(scan)?;
            found.request_seen = true;
        }
        "response" => found.answer = message::answer(scan)?,
        "serverIPAddress" => found.address = scan.scalar()?.filter(|address| !address.is_empty()),
        "comment" => found.comment = scan.scalar()?.unwrap_or_default(),
        "_id" => found.id = scan.scalar()?,
        "_error" => found.error = scan.scalar()?,
        "_aborted" => found.aborted = Some(scan.truth()?),
        "_resourceType" => found.is_socket = scan.scalar()?.as_deref() == Some("websocket"),
        "_webSocketMessages" => found.socket = socket(scan)?,
        "_chunks" => found.chunks = crate::json::chunks(scan)?,
        "_metadata" => {
            if let Value::Object(members) = scan.value()? {
                found.metadata = members;
            }
        }
        _ => scan.skip()?,
    }
    Ok(())
}

impl Members {
    fn together(self, at: u64) -> Option<Recorded> {
        let (mut request, url) = self.request?;
        let started = self.started.unwrap_or_default();
        request.started = started;
        request.ended = Some(started + self.phases.sent);
        let mut exchange = Recorded {
            id: self.id.unwrap_or_else(|| id_of(at, &url, started)),
            created: started,
            comment: self.comment,
            timing: self.chunks,
            metadata: self.metadata,
            websocket: self.socket.or_else(|| self.is_socket.then(WebSocket::default)),
            ..Recorded::default()
        };
        exchange.server.address = Some((request.host.clone(), request.port));
        exchange.server.tls = request.scheme == b"https";
        exchange.server.peer =
            self.address.map(|address| (address.trim_matches(['[', ']']).to_owned(), request.port));
        let (response, why) = self.answer.map_or((None, None), |answer| answer.of(&request));
        let mut error = self.error.or(why).filter(|message| !message.is_empty());
        exchange.response = response.map(|mut response| {
            response.started = started + self.phases.heard;
            response.ended = Some(started + self.phases.ended);
            response
        });
        if exchange.response.is_none() && error.is_none() {
            error = Some("no response was recorded".into());
        }
        exchange.aborted = exchange.response.is_some() && self.aborted.unwrap_or(error.is_some());
        exchange.error = error.map(|message| Failure { message, at: started + self.took });
        exchange.request = request;
        Some(exchange)
    }
}

/// What was said over a WebSocket, as Chromium and mitmproxy write it.
fn socket(scan: &mut Scan) -> Scanned<Option<WebSocket>> {
    let Some(mut list) = scan.array()? else { return Ok(None) };
    let mut socket = WebSocket::default();
    while scan.element(&mut list)? {
        if let Some(members) = scan.object()? {
            socket.messages.push(said(scan, members)?);
        }
    }
    Ok(Some(socket))
}

fn said(scan: &mut Scan, mut list: List) -> Scanned<WebSocketMessage> {
    let mut message = WebSocketMessage { opcode: 1, ..WebSocketMessage::default() };
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "type" => message.from_client = scan.scalar()?.as_deref() == Some("send"),
            "time" => message.at = scan.float()?.unwrap_or_default(),
            "opcode" => message.opcode = scan.whole()?.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
            "data" => message.content = scan.octets()?.unwrap_or_default(),
            _ => scan.skip()?,
        }
    }
    // Only text is written as it is.
    if message.opcode != 1 {
        message.content = BASE64_STANDARD.decode(&message.content).unwrap_or(message.content);
    }
    Ok(message)
}
