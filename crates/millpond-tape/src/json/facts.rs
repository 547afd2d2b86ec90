//! What a JSON tape holds beside request and response.

use super::scan::{Kind, List, Scan, Scanned};
use crate::{Chunk, ConnectionFacts, Content, Failure, Pairs, Recorded, WebSocket, WebSocketMessage};
use serde_json::{Map, Value};

/// The times of an exchange, wherever among its members they stood.
#[derive(Default)]
pub(super) struct Times {
    created: f64,
    request: (f64, Option<f64>),
    response: (f64, Option<f64>),
    chunks: Vec<Chunk>,
}

impl Times {
    pub fn give_to(self, exchange: &mut Recorded) {
        exchange.created = self.created;
        exchange.timing = self.chunks;
        (exchange.request.started, exchange.request.ended) = self.request;
        if let Some(response) = &mut exchange.response {
            (response.started, response.ended) = self.response;
        }
    }
}

pub(super) fn times(scan: &mut Scan) -> Scanned<Times> {
    let mut times = Times::default();
    let Some(mut list) = scan.object()? else { return Ok(times) };
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "created" => times.created = scan.float()?.unwrap_or_default(),
            "request_started" => times.request.0 = scan.float()?.unwrap_or_default(),
            "request_ended" => times.request.1 = scan.float()?,
            "response_started" => times.response.0 = scan.float()?.unwrap_or_default(),
            "response_ended" => times.response.1 = scan.float()?,
            "chunks" => times.chunks = chunks(scan)?,
            _ => scan.skip()?,
        }
    }
    Ok(times)
}

/// When the pieces of a body came: pairs of seconds and bytes.
pub(crate) fn chunks(scan: &mut Scan) -> Scanned<Vec<Chunk>> {
    let Some(mut list) = scan.array()? else { return Ok(Vec::new()) };
    let mut chunks = Vec::new();
    while scan.element(&mut list)? {
        let Some(mut pair) = scan.array()? else { continue };
        let mut chunk = Chunk { after: 0.0, bytes: 0 };
        let mut nth = 0;
        while scan.element(&mut pair)? {
            match nth {
                0 => chunk.after = scan.float()?.unwrap_or_default(),
                1 => chunk.bytes = scan.whole()?.unwrap_or_default(),
                _ => scan.skip()?,
            }
            nth += 1;
        }
        chunks.push(chunk);
    }
    Ok(chunks)
}

pub(super) fn failure(scan: &mut Scan) -> Scanned<Option<Failure>> {
    if scan.kind()? == Kind::String {
        return Ok(Some(Failure { message: scan.string()?, at: 0.0 }));
    }
    let Some(mut list) = scan.object()? else { return Ok(None) };
    let mut failure = Failure::default();
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "message" => failure.message = scan.scalar()?.unwrap_or_default(),
            "at" => failure.at = scan.float()?.unwrap_or_default(),
            _ => scan.skip()?,
        }
    }
    Ok(Some(failure))
}

pub(super) fn metadata(scan: &mut Scan) -> Scanned<Map<String, Value>> {
    Ok(match scan.value()? {
        Value::Object(members) => members,
        _ => Map::new(),
    })
}

pub(super) fn connection(scan: &mut Scan) -> Scanned<ConnectionFacts> {
    let mut facts = ConnectionFacts::default();
    let Some(mut list) = scan.object()? else { return Ok(facts) };
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "id" => facts.id = scan.scalar()?.unwrap_or_default(),
            "peer" => facts.peer = host_and_port(scan)?,
            "local" => facts.local = host_and_port(scan)?,
            "address" => facts.address = host_and_port(scan)?,
            "tls" => facts.tls = scan.truth()?,
            "sni" => facts.sni = scan.scalar()?,
            "alpn" => facts.alpn = scan.octets()?,
            "alpn_offers" => facts.alpn_offers = all_octets(scan)?,
            "cipher" => facts.cipher = scan.scalar()?,
            "ciphers" => facts.ciphers = all_strings(scan)?,
            "tls_version" => facts.tls_version = scan.scalar()?,
            "certificates" => facts.certificates = all_octets(scan)?,
            "shown_certificate" => facts.shown_certificate = scan.octets()?,
            "error" => facts.error = scan.scalar()?,
            "transport" => facts.transport = scan.scalar()?.unwrap_or_default(),
            "proxy_mode" => facts.proxy_mode = scan.scalar()?.unwrap_or_default(),
            "via" => facts.via = via(scan)?,
            "started" => facts.started = scan.float()?,
            "tcp_setup" => facts.tcp_setup = scan.float()?,
            "tls_setup" => facts.tls_setup = scan.float()?,
            "ended" => facts.ended = scan.float()?,
            _ => scan.skip()?,
        }
    }
    Ok(facts)
}

fn all_octets(scan: &mut Scan) -> Scanned<Vec<Vec<u8>>> {
    let Some(mut list) = scan.array()? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    while scan.element(&mut list)? {
        all.extend(scan.octets()?);
    }
    Ok(all)
}

fn all_strings(scan: &mut Scan) -> Scanned<Vec<String>> {
    let Some(mut list) = scan.array()? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    while scan.element(&mut list)? {
        all.extend(scan.scalar()?);
    }
    Ok(all)
}

fn host_and_port(scan: &mut Scan) -> Scanned<Option<(String, u16)>> {
    let both = all_strings(scan)?;
    let [host, port] = &both[..] else { return Ok(None) };
    Ok(port.parse().ok().map(|port| (host.clone(), port)))
}

fn via(scan: &mut Scan) -> Scanned<Option<(String, String, u16)>> {
    let three = all_strings(scan)?;
    let [scheme, host, port] = &three[..] else { return Ok(None) };
    Ok(port.parse().ok().map(|port| (scheme.clone(), host.clone(), port)))
}

pub(super) fn websocket(scan: &mut Scan) -> Scanned<Option<WebSocket>> {
    let Some(mut list) = scan.object()? else { return Ok(None) };
    let mut socket = WebSocket::default();
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "messages" => {
                let Some(mut messages) = scan.array()? else { continue };
                while scan.element(&mut messages)? {
                    socket.messages.extend(match scan.object()? {
                        Some(list) => Some(message(scan, list)?),
                        None => None,
                    });
                }
            }
            "closed_by_client" => {
                socket.closed_by_client = (scan.kind()? == Kind::Bool).then(|| scan.truth()).transpose()?;
                if socket.closed_by_client.is_none() {
                    scan.skip()?;
                }
            }
            "close_code" => socket.close_code = scan.whole()?.and_then(|code| u16::try_from(code).ok()),
            "close_reason" => socket.close_reason = scan.scalar()?,
            "ended" => socket.ended = scan.float()?,
            _ => scan.skip()?,
        }
    }
    Ok(Some(socket))
}

fn message(scan: &mut Scan, mut list: List) -> Scanned<WebSocketMessage> {
    let mut message = WebSocketMessage::default();
    while let Some(name) = scan.member(&mut list)? {
        match name.as_str() {
            "opcode" => {
                message.opcode = scan.whole()?.and_then(|code| u8::try_from(code).ok()).unwrap_or_default();
            }
            "from_client" => message.from_client = scan.truth()?,
            "content" => message.content = scan.octets()?.unwrap_or_default(),
            "at" => message.at = scan.float()?.unwrap_or_default(),
            "dropped" => message.dropped = scan.truth()?,
            "injected" => message.injected = scan.truth()?,
            _ => scan.skip()?,
        }
    }
    Ok(message)
}

/// Makes an exchange right whose bodies were written decoded, with the fields of when they were not.
pub(super) fn as_decoded(exchange: &mut Recorded) {
    let request = &mut exchange.request;
    let content = request.content.get_or_insert_with(Content::empty);
    decoded_fields(&mut request.fields, content.len());
    if let Some(response) = &mut exchange.response {
        let content = response.content.get_or_insert_with(Content::empty);
        decoded_fields(&mut response.fields, content.len());
    }
}

/// Takes the codings out of `fields`, and what speaks of the coded bytes: the body has `len` bytes without them.
pub(crate) fn decoded_fields(fields: &mut Pairs, len: u64) {
    fields.remove("transfer-encoding");
    if fields.remove("content-encoding") {
        // RFC 9530 section 2: it is made of the coded content.
        fields.remove("content-digest");
        fields.remove("content-md5");
    }
    if fields.get("content-length").is_some() {
        fields.set("content-length", len.to_string());
    }
}
