//! `millpond cache export`: what is stored, as a tape.

use super::named::normal;
use super::{Cache, count};
use crate::args::cache::ExportArgs;
use crate::commands::progress::Progress;
use crate::commands::runtime;
use crate::commands::tape::Output;
use crate::failure::Failure;
use futures_util::StreamExt as _;
use millpond::engine::{Clock as _, SystemClock};
use millpond::exchange::{Body, Fields, Frame, Timestamp, url};
use millpond::recorder::recorded_version;
use millpond::sqlite::{Filter, Inspector, Listed, SqliteStore};
use millpond::store::{Entry, Store as _};
use millpond::tape::{Content, Pairs, Recorded, RecordedRequest, RecordedResponse};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::Arc;

/// URLs looked up at one time.
const STEP: usize = 1000;
/// The longest body that is held in memory on its way.
const IN_MEMORY: usize = 1 << 20;
/// Request fields of which only a digest is kept.
const DIGESTS: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];

/// Writes every whole response that is stored for a GET.
pub(super) fn run(args: &ExportArgs) -> Result<ExitCode, Failure> {
    let cache = Cache::of(&args.place)?;
    let inspector = cache.inspect()?;
    let store = cache.open()?;
    let filter = Filter { prefix: args.prefix.as_deref().map(normal).transpose()?, ..Filter::default() };
    let mut output = Output::begin(&args.out)?;
    let all = inspector.totals(SystemClock.now())?.entries;
    let mut progress = Progress::new("exported");
    let runtime = runtime()?;
    let (mut written, mut after, mut last) = (0, None, String::new());
    'all: loop {
        let found = inspector.list(&filter, STEP, after.as_ref())?;
        for listed in &found {
            // A URL with several responses is listed several times, in a row.
            if listed.url != last {
                last.clone_from(&listed.url);
                let more = export(&inspector, &store, &listed.url, &mut output, &mut written);
                if runtime.block_on(more)?.is_break() {
                    break 'all;
                }
                progress.at(written, all);
            }
        }
        after = found.last().map(Listed::cursor);
        if found.len() < STEP {
            break;
        }
    }
    drop(progress);
    output.finish()?;
    eprintln!("Exported {}.", count(written, "response", "responses"));
    Ok(ExitCode::SUCCESS)
}

/// Writes the responses stored for one URL, and counts them in `written`. Breaks when the reader has gone.
async fn export(
    inspector: &Inspector,
    store: &SqliteStore,
    url: &str,
    output: &mut Output,
    written: &mut u64,
) -> Result<ControlFlow<()>, Failure> {
    let mut keys: Vec<_> = inspector.show(url)?.into_iter().map(|shown| shown.key).collect();
    keys.retain(|key| key.method() == "GET");
    keys.dedup();
    for key in keys {
        for entry in store.variants(&key).await?.entries.iter() {
            // A part of a response would pass for the whole on a tape.
            if entry.record.part.is_some() {
                continue;
            }
            let content = read(store.read(entry, None).await?).await?;
            if let Some(exchange) = recorded(url, entry, content) {
                if output.write(&exchange)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                *written += 1;
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// A body, in memory or in a file that has no name.
async fn read(body: Body) -> Result<Content, Failure> {
    let failed = |error| Failure::System { what: "cannot copy a body to a temporary file", error };
    let (mut held, mut file, mut len) = (Vec::new(), None, 0);
    let mut frames = body.into_stream();
    while let Some(frame) = frames.next().await {
        let frame = frame.map_err(|error| Failure::Fetch(format!("a body cannot be read: {error}")))?;
        let Frame::Data(piece) = frame else { continue };
        len += piece.len() as u64;
        held.extend_from_slice(&piece);
        if held.len() > IN_MEMORY {
            let file = match &mut file {
                Some(file) => file,
                None => file.insert(tempfile::tempfile().map_err(failed)?),
            };
            file.write_all(&held).map_err(failed)?;
            held.clear();
        }
    }
    match file {
        None => Ok(Content::Memory(held.into())),
        Some(mut file) => {
            file.write_all(&held).map_err(failed)?;
            Ok(Content::raw(Arc::new(file), 0, len))
        }
    }
}

fn recorded(url: &str, entry: &Entry, content: Content) -> Option<Recorded> {
    let (scheme, authority, path) = url::split(url).ok()?;
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()?),
        _ => (authority, scheme.default_port()),
    };
    let seconds = |at: Timestamp| at.as_millis() as f64 / 1000.0;
    let (asked, answered) = (seconds(entry.record.request_time), seconds(entry.record.response_time));
    let mut fields = Pairs::new();
    fields.push("host", authority);
    for selector in &entry.record.vary {
        if let Some(value) = selector.value.as_ref().filter(|_| !DIGESTS.contains(&&*selector.name)) {
            fields.push(selector.name.as_bytes(), value);
        }
    }
    let request = RecordedRequest {
        method: b"GET".to_vec(),
        scheme: scheme.as_str().into(),
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        path: path.into(),
        version: b"HTTP/1.1".to_vec(),
        fields,
        content: Some(Content::empty()),
        started: asked,
        ended: Some(asked),
        ..RecordedRequest::default()
    };
    let pairs = |fields: &Fields| fields.iter().map(|field| (field.name, field.value)).collect::<Pairs>();
    let response = RecordedResponse {
        status: entry.record.status,
        reason: entry.head.reason_phrase().into(),
        version: recorded_version(entry.head.version).into(),
        fields: pairs(&entry.head.fields),
        content: Some(content),
        trailers: Some(pairs(&entry.trailers)).filter(|trailers| !trailers.is_empty()),
        started: answered,
        ended: Some(answered),
    };
    let id = id(url, entry);
    Some(Recorded { id, request, response: Some(response), created: asked, ..Recorded::default() })
}

/// A name in the form of a UUID (RFC 9562 section 5.8), the same for the same response.
fn id(url: &str, entry: &Entry) -> String {
    let digest = Sha256::digest(format!("{} {url} {}", entry.id, entry.record.response_time.as_millis()));
    let mut hex = String::with_capacity(32);
    for byte in &digest[..16] {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    format!("{}-{}-8{}-8{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}
