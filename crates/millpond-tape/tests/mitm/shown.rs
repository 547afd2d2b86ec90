//! Exchanges as `interop/flows.py describe` shows the flows that mitmproxy loads.

use millpond_tape::{ConnectionFacts, Content, Pairs, Recorded, WebSocket};
use serde_json::{Map, Value, json};

/// The flow that mitmproxy should see.
pub fn flow(exchange: &Recorded) -> Value {
    let request = &exchange.request;
    json!({
        "type": "http",
        "id": exchange.id,
        "error": exchange.error.as_ref().map(|error| json!({"msg": error.message, "timestamp": float(error.at)})),
        "client_conn": client(&exchange.client),
        "server_conn": server(&exchange.server),
        "intercepted": false,
        "is_replay": exchange.is_replay,
        "marked": exchange.marked,
        "metadata": metadata(exchange),
        "comment": exchange.comment,
        "timestamp_created": float(exchange.created),
        "request": {
            "http_version": bytes(&request.version),
            "headers": pairs(&request.fields),
            "content": request.content.as_ref().map(content),
            "trailers": request.trailers.as_ref().map(pairs),
            "timestamp_start": float(request.started),
            "timestamp_end": request.ended.map(float),
            "host": request.host,
            "port": request.port,
            "method": bytes(&request.method),
            "scheme": bytes(&request.scheme),
            "authority": bytes(&request.authority),
            "path": bytes(&request.path),
        },
        "response": exchange.response.as_ref().map(|response| json!({
            "http_version": bytes(&response.version),
            "headers": pairs(&response.fields),
            "content": response.content.as_ref().map(content),
            "trailers": response.trailers.as_ref().map(pairs),
            "timestamp_start": float(response.started),
            "timestamp_end": response.ended.map(float),
            "status_code": response.status,
            "reason": bytes(&response.reason),
        })),
        "websocket": exchange.websocket.as_ref().map(websocket),
    })
}

fn bytes(bytes: &[u8]) -> String {
    bytes.iter().fold("b:".to_owned(), |text, byte| text + char::from(*byte).encode_utf8(&mut [0; 4]))
}

/// Python's form of a float has a sign in its exponent, and two digits.
fn float(number: f64) -> String {
    let digits = format!("{number:?}");
    let Some((digits, exponent)) = digits.split_once('e') else { return format!("f:{digits}") };
    let exponent: i32 = exponent.parse().unwrap();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("f:{digits}e{sign}{:02}", exponent.abs())
}

fn content(content: &Content) -> String {
    bytes(&content.to_bytes(u64::MAX).unwrap().unwrap())
}

fn pairs(pairs: &Pairs) -> Vec<[String; 2]> {
    pairs.iter().map(|(name, value)| [bytes(name), bytes(value)]).collect()
}

fn byte_strings(strings: &[Vec<u8>]) -> Vec<String> {
    strings.iter().map(|string| bytes(string)).collect()
}

fn metadata(exchange: &Recorded) -> Value {
    let mut all = exchange.metadata.clone();
    if !exchange.timing.is_empty() {
        let timing = exchange.timing.iter().map(|chunk| json!([chunk.after, chunk.bytes])).collect();
        all.insert("millpond_timing".to_owned(), timing);
    }
    let unfinished = exchange.response.as_ref().is_some_and(|response| response.ended.is_none());
    if exchange.aborted != (exchange.error.is_some() && unfinished) {
        all.insert("millpond_aborted".to_owned(), exchange.aborted.into());
    }
    plain(&Value::Object(all))
}

fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap()).into(),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.clone(), plain(value))).collect::<Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

fn connection(facts: &ConnectionFacts) -> Value {
    json!({
        "peername": facts.peer,
        "sockname": facts.local,
        "id": facts.id,
        "transport_protocol": facts.transport,
        "error": facts.error,
        "tls": facts.tls,
        "certificate_list": byte_strings(&facts.certificates),
        "alpn": facts.alpn.as_deref().map(bytes),
        "alpn_offers": byte_strings(&facts.alpn_offers),
        "cipher": facts.cipher,
        "cipher_list": facts.ciphers,
        "tls_version": facts.tls_version,
        "sni": facts.sni,
        "timestamp_start": facts.started.map(float),
        "timestamp_end": facts.ended.map(float),
        "timestamp_tls_setup": facts.tls_setup.map(float),
    })
}

fn client(facts: &ConnectionFacts) -> Value {
    let mut shown = connection(facts);
    let unknown = || json!(["", 0]);
    shown["peername"] = facts.peer.as_ref().map_or_else(unknown, |address| json!(address));
    shown["sockname"] = facts.local.as_ref().map_or_else(unknown, |address| json!(address));
    shown["timestamp_start"] = float(facts.started.unwrap_or_default()).into();
    shown["mitmcert"] = facts.shown_certificate.as_deref().map(bytes).into();
    shown["proxy_mode"] = facts.proxy_mode.clone().into();
    shown
}

fn server(facts: &ConnectionFacts) -> Value {
    let mut shown = connection(facts);
    shown["address"] = json!(facts.address);
    shown["timestamp_tcp_setup"] = facts.tcp_setup.map(float).into();
    shown["via"] = json!(facts.via.as_ref().map(|(scheme, host, port)| json!([scheme, [host, port]])));
    shown
}

fn websocket(websocket: &WebSocket) -> Value {
    let messages = websocket.messages.iter().map(|message| {
        let text = bytes(&message.content);
        json!([
            message.opcode,
            message.from_client,
            text,
            float(message.at),
            message.dropped,
            message.injected
        ])
    });
    json!({
        "messages": messages.collect::<Vec<_>>(),
        "closed_by_client": websocket.closed_by_client,
        "close_code": websocket.close_code,
        "close_reason": websocket.close_reason,
        "timestamp_end": websocket.ended.map(float),
    })
}
