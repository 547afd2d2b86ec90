//! `millpond cache import --tape`: takes over what was recorded, as far as a cache would have stored it.

use super::admit::{self, Taken};
use super::import::{MOST_WAITING, OVERHEAD};
use super::{Cache, settle};
use crate::commands::tape::{Input, each};
use crate::commands::{print, runtime};
use crate::failure::Failure;
use millpond::exchange::{Fields, RequestHead, ResponseHead, Timestamp, url};
use millpond::policy::{self, Times};
use millpond::recorder::response_head;
use millpond::sqlite::SqliteStore;
use millpond::tape::matching::Asked;
use millpond::tape::{Content, Recorded};
use serde_json::json;
use std::fmt::Write as _;
use std::io::Read as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

/// Bytes of a body that are read at one time.
const PIECE: usize = 256 << 10;

#[derive(Default)]
struct Summary {
    taken: Taken,
    /// Exchanges that cannot answer anything: no response, or not all of it.
    incomplete: u64,
    /// Exchanges with other methods than GET, whose answers are kept in other ways or not at all.
    other_methods: u64,
}

/// Takes over the responses on the tape.
pub(super) fn run(cache: &Cache, tape: &Path, as_json: bool) -> Result<ExitCode, Failure> {
    let inputs = Input::all(tape)?;
    let store = cache.open()?;
    let runtime = runtime()?;
    let (mut summary, mut waiting) = (Summary::default(), 0);
    each(&inputs, "bytes read", |exchange| {
        waiting += runtime.block_on(import(cache, &store, &exchange, &mut summary))?;
        if waiting > MOST_WAITING {
            runtime.block_on(settle(&store))?;
            waiting = 0;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    runtime.block_on(settle(&store))?;
    print(&if as_json { summary.json() } else { summary.text() })?;
    Ok(ExitCode::SUCCESS)
}

/// Takes over one response. Gives the bytes that now wait to be written.
async fn import(
    cache: &Cache,
    store: &SqliteStore,
    exchange: &Recorded,
    summary: &mut Summary,
) -> Result<u64, Failure> {
    if exchange.request.method != b"GET" {
        summary.other_methods += 1;
        return Ok(0);
    }
    let Some((request, response, content)) = whole(exchange) else {
        summary.incomplete += 1;
        return Ok(0);
    };
    let recorded = exchange.response.as_ref();
    let times = Times {
        request_time: timestamp(exchange.request.started),
        response_time: timestamp(recorded.map_or(exchange.request.started, |response| response.started)),
    };
    let mut writer = match admit::begin(cache, store, &request, &response, times, content.len()).await? {
        Ok(writer) => writer,
        Err(left) => {
            summary.taken.leave(&left);
            return Ok(0);
        }
    };
    let mut reader = content.reader();
    loop {
        let mut piece = Vec::new();
        let read = reader.by_ref().take(PIECE as u64).read_to_end(&mut piece);
        read.map_err(|error| Failure::System { what: "cannot read a body on the tape", error })?;
        if piece.is_empty() {
            break;
        }
        writer.write(piece.into()).await?;
    }
    let trailers = recorded.and_then(|response| response.trailers.as_ref());
    writer.commit(trailers.map_or_else(Fields::new, |trailers| trailers.iter().collect())).await?;
    summary.taken.imported += 1;
    Ok(content.len() + OVERHEAD)
}

/// Request, response and its content, where all of them are there.
fn whole(exchange: &Recorded) -> Option<(RequestHead, ResponseHead, &Content)> {
    let recorded = exchange.response.as_ref().filter(|_| !exchange.aborted && exchange.error.is_none())?;
    let content = recorded.content.as_ref()?;
    let mut response = response_head(recorded)?;
    policy::remove_connection_fields(&mut response.fields);
    let url = Asked::from(&exchange.request).url();
    let url = url::normalise(&url).ok()?;
    let (scheme, authority, path) = url::split(&url).ok()?;
    let mut request = RequestHead { scheme, ..RequestHead::get(authority, path) };
    request.fields = exchange.request.fields.iter().collect();
    policy::remove_connection_fields(&mut request.fields);
    Some((request, response, content))
}

fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_millis((seconds * 1000.0) as i64)
}

impl Summary {
    fn text(&self) -> String {
        let mut out = self.taken.text();
        if self.other_methods > 0 {
            let _ = writeln!(out, "Left {} with other methods than GET.", self.other_methods);
        }
        if self.incomplete > 0 {
            let _ = writeln!(out, "Left {} whose response is not whole.", self.incomplete);
        }
        out
    }

    fn json(&self) -> String {
        let Taken { imported, refused, older } = &self.taken;
        let value = json!({
            "imported": imported, "refused": refused, "older": older, "incomplete": self.incomplete,
            "other_methods": self.other_methods,
        });
        format!("{value:#}\n")
    }
}
