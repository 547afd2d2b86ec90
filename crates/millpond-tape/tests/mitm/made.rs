//! Exchanges made up, of every form.

use bytes::Bytes;
use millpond_tape::{
    Chunk, ConnectionFacts, Content, Failure, Pairs, Recorded, RecordedRequest, RecordedResponse, WebSocket,
    WebSocketMessage,
};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value};

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..40)
}

fn time() -> impl Strategy<Value = f64> {
    prop_oneof![1.6e9..1.9e9_f64, Just(1.0), Just(1e16), Just(1.5e-7), -1.0..0.0]
}

fn pairs() -> impl Strategy<Value = Pairs> {
    vec((bytes(), bytes()), 0..5).prop_map(|lines| lines.into_iter().collect())
}

fn content() -> impl Strategy<Value = Option<Content>> {
    // The larger ones are written apart from the rest.
    let long = (any::<u8>(), 60_000..70_000_usize).prop_map(|(byte, len)| vec![byte; len]);
    option::of(prop_oneof![8 => bytes(), 1 => long].prop_map(|bytes| Bytes::from(bytes).into()))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        time().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4).prop_map(|map| Map::from_iter(map).into()),
        ]
    })
}

prop_compose! {
    fn request()(
        words in (bytes(), bytes(), any::<String>(), any::<u16>(), bytes(), bytes(), bytes()),
        fields in pairs(),
        trailers in option::of(pairs()),
        content in content(),
        times in (time(), option::of(time())),
    ) -> RecordedRequest {
        let (method, scheme, host, port, authority, path, version) = words;
        let (started, ended) = times;
        RecordedRequest { method, scheme, host, port, authority, path, version, fields, content, trailers, started, ended }
    }
}

prop_compose! {
    fn response()(
        words in (any::<u16>(), bytes(), bytes()),
        fields in pairs(),
        trailers in option::of(pairs()),
        content in content(),
        times in (time(), option::of(time())),
    ) -> RecordedResponse {
        let (status, reason, version) = words;
        let (started, ended) = times;
        RecordedResponse { status, reason, version, fields, content, trailers, started, ended }
    }
}

fn address() -> impl Strategy<Value = Option<(String, u16)>> {
    option::of(("[a-z0-9:.]{1,20}", any::<u16>()))
}

/// A real certificate: mitmproxy looks at them.
fn certificate() -> impl Strategy<Value = Vec<u8>> {
    Just(CERTIFICATE.as_bytes().to_vec())
}

const CERTIFICATE: &str = include_str!("../fixtures/mitm/certificate.pem");

prop_compose! {
    fn connection(server: bool)(
        addresses in (address(), address(), address(), option::of(("https?", "[a-z]{1,9}", any::<u16>()))),
        names in ("[a-f0-9-]{1,36}", option::of(any::<String>()), option::of(any::<String>()), option::of(any::<String>())),
        alpn in (option::of(bytes()), vec(bytes(), 0..3)),
        ciphers in vec(any::<String>(), 0..3),
        version in option::of(prop_oneof![Just("TLSv1.3"), Just("QUICv1")]),
        certificates in (vec(certificate(), 0..3), option::of(certificate())),
        words in (any::<bool>(), prop_oneof![Just("tcp"), Just("udp")], prop_oneof![Just("regular"), Just("transparent")]),
        times in (option::of(time()), option::of(time()), option::of(time()), option::of(time())),
    ) -> ConnectionFacts {
        let of_server = |at: Option<f64>| at.filter(|_| server);
        ConnectionFacts {
            id: names.0,
            peer: addresses.0,
            local: addresses.1,
            address: addresses.2.filter(|_| server),
            via: addresses.3.filter(|_| server),
            sni: names.1,
            cipher: names.2,
            error: names.3,
            alpn: alpn.0,
            alpn_offers: alpn.1,
            ciphers,
            tls_version: version.map(str::to_owned),
            certificates: certificates.0,
            shown_certificate: certificates.1.filter(|_| !server),
            tls: words.0,
            transport: words.1.to_owned(),
            proxy_mode: if server { String::new() } else { words.2.to_owned() },
            started: times.0,
            tcp_setup: of_server(times.1),
            tls_setup: times.2,
            ended: times.3,
        }
    }
}

prop_compose! {
    fn message()(
        opcode in prop_oneof![Just(1_u8), Just(2), Just(9)],
        content in bytes(),
        at in time(),
        flags in any::<(bool, bool, bool)>(),
    ) -> WebSocketMessage {
        WebSocketMessage { opcode, content, at, from_client: flags.0, dropped: flags.1, injected: flags.2 }
    }
}

prop_compose! {
    fn websocket()(
        messages in vec(message(), 0..4),
        closed_by_client in any::<Option<bool>>(),
        close_code in any::<Option<u16>>(),
        close_reason in any::<Option<String>>(),
        ended in option::of(time()),
    ) -> WebSocket {
        WebSocket { messages, closed_by_client, close_code, close_reason, ended }
    }
}

prop_compose! {
    /// An exchange of any form.
    pub fn exchange()(
        id in "[a-f0-9-]{1,36}",
        request in request(),
        response in option::of(response()),
        websocket in option::of(websocket()),
        error in option::of((any::<String>(), time())),
        connections in (connection(false), connection(true)),
        timing in vec((time(), any::<u64>()), 0..4),
        aborted in any::<bool>(),
        words in (any::<String>(), any::<String>(), option::of(prop_oneof![Just("request"), Just("response")])),
        metadata in btree_map(any::<String>(), value(), 0..4),
        created in time(),
    ) -> Recorded {
        Recorded {
            id,
            request,
            response,
            websocket,
            error: error.map(|(message, at)| Failure { message, at }),
            aborted,
            created,
            client: connections.0,
            server: connections.1,
            timing: timing.into_iter().map(|(after, bytes)| Chunk { after, bytes }).collect(),
            is_replay: words.2.map(str::to_owned),
            marked: words.0,
            comment: words.1,
            metadata: metadata.into_iter().collect(),
        }
    }
}
