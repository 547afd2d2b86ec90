//! What each format keeps: `docs/reference/tapes.md` against the codecs.

use crate::support::{bytes_of, everything, read, written};
use bytes::Bytes;
use millpond_tape::{Content, Format, Recorded, RecordedResponse};
use std::io::Write as _;

/// What an exchange of `change` is like after a way through `format`.
fn through(format: Format, change: impl FnOnce(&mut Recorded)) -> (Recorded, Recorded) {
    let mut exchange = everything();
    change(&mut exchange);
    let mut found = read(format, written(format, std::slice::from_ref(&exchange)));
    assert_eq!(found.len(), 1);
    (exchange, found.remove(0))
}

/// Whether it is kept, and whether it is at least in part.
type Kept = (bool, bool);

fn kept<T: PartialEq>(format: Format, of: impl Fn(&Recorded) -> T) -> Kept {
    kept_of(format, |_| {}, of)
}

fn kept_of<T: PartialEq>(
    format: Format,
    change: impl FnOnce(&mut Recorded),
    of: impl Fn(&Recorded) -> T,
) -> Kept {
    let (before, after) = through(format, change);
    let same = of(&before) == of(&after);
    (same, same)
}

fn answer(exchange: &Recorded) -> &RecordedResponse {
    exchange.response.as_ref().unwrap()
}

fn body(content: Option<&Content>) -> Option<Bytes> {
    content.map(bytes_of)
}

fn times(exchange: &Recorded) -> [f64; 4] {
    let (request, response) = (&exchange.request, answer(exchange));
    [request.started, request.ended.unwrap(), response.started, response.ended.unwrap()]
}

fn gzipped(exchange: &mut Recorded) {
    let mut to = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    to.write_all(b"decoded").unwrap();
    let response = exchange.response.as_mut().unwrap();
    response.fields.push("Content-Encoding", "gzip");
    response.content = Some(Content::Memory(to.finish().unwrap().into()));
}

/// The URL names the host, as it does but where the client named another.
fn plain(exchange: &mut Recorded) {
    exchange.request.host = "example.org".into();
}

fn probe(what: &str, format: Format) -> Kept {
    match what {
        "method, URL, status, reason phrase" => kept_of(format, plain, |e| {
            let r = &e.request;
            let url = (r.method.clone(), r.scheme.clone(), r.host.clone(), r.port, r.path.clone());
            (url, answer(e).status, answer(e).reason.clone())
        }),
        "version of HTTP, of request and response" => {
            kept(format, |e| (e.request.version.clone(), answer(e).version.clone()))
        }
        "host and port connected to, where the client named another" => {
            kept(format, |e| (e.request.host.clone(), e.request.port))
        }
        "`:authority` of HTTP/2" => kept(format, |e| e.request.authority.clone()),
        "absolute form of the target in HTTP/1.1" => {
            kept_of(format, |e| e.request.version = b"HTTP/1.1".to_vec(), |e| e.request.authority.clone())
        }
        "order, case and repetition of field lines" => kept(format, |e| {
            let names =
                |pairs: &millpond_tape::Pairs| pairs.iter().map(|(n, _)| n.to_vec()).collect::<Vec<_>>();
            (names(&e.request.fields), names(&answer(e).fields))
        }),
        "field values that are not UTF-8" => {
            kept(format, |e| answer(e).fields.get("X-Bytes").map(<[u8]>::to_vec))
        }
        "trailers" => kept(format, |e| (e.request.trailers.clone(), answer(e).trailers.clone())),
        "body of the request, as sent" => kept_of(
            format,
            |e| e.request.fields.push("Content-Encoding", "br"),
            |e| (body(e.request.content.as_ref()), e.request.fields.clone()),
        ),
        "body of the response, without content codings" => kept(format, |e| body(answer(e).content.as_ref())),
        "body of the response, with content codings" => {
            kept_of(format, gzipped, |e| (body(answer(e).content.as_ref()), answer(e).fields.clone()))
        }
        "body that was not recorded, unlike an empty one" => {
            let gone =
                |e: &mut Recorded| (e.request.content, e.response.as_mut().unwrap().content) = (None, None);
            let there = |e: &Recorded| (e.request.content.is_some(), answer(e).content.is_some());
            kept_of(format, gone, there)
        }
        other => probe_facts(other, format),
    }
}

fn probe_facts(what: &str, format: Format) -> Kept {
    match what {
        "begin and end of request and response" => {
            let (before, after) = through(format, |e| e.request.started += 0.000_25);
            let (before, after) = (times(&before), times(&after));
            let near = before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 0.001_1);
            (before.map(f64::to_bits) == after.map(f64::to_bits), near)
        }
        "time of recording" => kept_of(format, |e| e.created += 3.0, |e| e.created),
        "arrival of each piece of a body" => kept(format, |e| e.timing.clone()),
        "that a response broke off" => {
            let (yes, no) =
                (kept(format, |e| e.aborted), kept_of(format, |e| e.aborted = false, |e| e.aborted));
            (yes.0 && no.0, yes.1 && no.1)
        }
        "an error" => {
            let (before, after) = through(format, |e| e.error.as_mut().unwrap().at += 7.0);
            let message = |e: &Recorded| e.error.as_ref().map(|error| error.message.clone());
            (before.error == after.error, message(&before) == message(&after))
        }
        "that there was no response" => kept_of(format, |e| e.response = None, |e| e.response.is_none()),
        "WebSocket messages: content, direction, time" => kept(format, |e| {
            let messages = &e.websocket.as_ref().unwrap().messages;
            messages
                .iter()
                .map(|m| (m.opcode, m.content.clone(), m.from_client, m.at.to_bits()))
                .collect::<Vec<_>>()
        }),
        "WebSocket messages: dropped or injected" => kept(format, |e| {
            let messages = &e.websocket.as_ref().unwrap().messages;
            messages.iter().map(|m| (m.dropped, m.injected)).collect::<Vec<_>>()
        }),
        "how a WebSocket was closed" => kept(format, |e| {
            let socket = e.websocket.as_ref().unwrap();
            (socket.closed_by_client, socket.close_code, socket.close_reason.clone())
        }),
        "name of the exchange" => kept(format, |e| e.id.clone()),
        "comment" => kept(format, |e| e.comment.clone()),
        "mark; which side was replayed" => kept(format, |e| (e.marked.clone(), e.is_replay.clone())),
        "metadata" => kept(format, |e| e.metadata.clone()),
        "address of the server" => kept(format, |e| e.server.peer.clone().map(|(address, _)| address)),
        "connections: ports, TLS, certificates, times" => {
            kept(format, |e| (e.client.clone(), e.server.clone()))
        }
        other => panic!("{other:?} is in the table, and nothing tests it"),
    }
}

#[test]
fn the_table_is_true() {
    let page = include_str!("../../../../docs/reference/tapes.md");
    let section = page.split("## What each format keeps").nth(1).unwrap();
    let rows: Vec<Vec<&str>> = section
        .split("\n## ")
        .next()
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| what"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 20);
    let mut wrong = Vec::new();
    for row in rows {
        for (format, cell) in [Format::Mitm, Format::Json, Format::Har].into_iter().zip(&row[1..]) {
            let word = match probe(row[0], format) {
                (true, _) => "yes",
                (false, true) => "in part",
                (false, false) => "no",
            };
            if cell.split(':').next() != Some(word) {
                wrong.push(format!("{}, {format}: the table says {cell:?}, the codec {word:?}", row[0]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
